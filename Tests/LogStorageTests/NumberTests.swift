// Numbers that run out: an error each, and never a trap, a wrap, or bytes that nobody reads back.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct NumberTests {
  /// An engine whose next entry has this index.
  private func engine(next: LogIndex, term: Term = 0) throws -> LogEngine {
    let bench = try Bench()
    let plan = try LogOpener.open(bench.disk, options: bench.engine.options, seed: 3)
    var opened = plan.opened
    let header = SegmentHeader(
      purpose: .roll, group: opened.manifest.group, uid: UID(high: 1, low: 2), salt: 3,
      sequence: 9, firstIndex: next, previousTerm: term)
    let record = SegmentRecord(header: header, capacity: opened.active.record.capacity)
    opened.manifest.segments = [record]
    opened.manifest.firstIndex = next
    opened.manifest.previousTerm = term
    opened.active = ActiveSegment(
      record: record,
      end: SegmentEnd(
        ordinal: 0, offset: Layout.segmentHeader, index: next - 1, term: term,
        checksum: header.checksum, termRuns: []),
      durableOrdinal: 0, batches: [], digest: CRC32C.checksum(header.encoded().span))
    return LogEngine(opened, options: bench.engine.options, seed: 2)
  }

  private func code<T>(_ body: () throws -> T) -> LogError.Code? {
    do {
      _ = try body()
      return nil
    } catch {
      return (error as? LogError)?.code
    }
  }

  /// `LogEngine.append`: the last index is one below `Layout.indexMax`.
  @Test func indicesRunOut() throws {
    var engine = try engine(next: Layout.indexMax - 2)
    let payload = Bytes("last")
    let tooMany = code { try engine.append([payload, payload, payload]) }
    #expect(tooMany == .outOfRange)
    let untouched = engine.lastIndex
    #expect(untouched == Layout.indexMax - 3)
    let two = try engine.append([payload, payload])
    #expect(two.indices == Layout.indexMax - 2...Layout.indexMax - 1)
    let one = code { try engine.append(payload.span, term: 0) }
    let several = code { try engine.append([payload]) }
    #expect(one == .outOfRange && several == .outOfRange)
    let last = engine.lastIndex
    #expect(last == Layout.indexMax - 1)
  }

  /// `LogEngine.append` and `LogEngine.save`: a term above `Layout.indexMax` could not be read back.
  @Test func termsRunOut() throws {
    var engine = try engine(next: 10, term: Layout.indexMax - 1)
    let payload = Bytes("term")
    let above = code { try engine.append(payload.span, term: Layout.indexMax + 1) }
    #expect(above == .outOfRange)
    let highest = code { try engine.append(payload.span, term: Layout.indexMax) }
    #expect(highest == nil)
    let vote = code { try engine.save(HardState(term: Layout.indexMax + 1, vote: 1)) }
    #expect(vote == .outOfRange)
    let highestVote = code { try engine.save(HardState(term: Layout.indexMax, vote: 1)) }
    #expect(highestVote == nil)
  }

  /// `OpeningPlanner.rewriteVotes`: a generation just below the highest was counted on, and what was
  /// saved second could not be read back: the vote was lost.
  @Test(arguments: [Layout.indexMax, Layout.indexMax - 1, Layout.indexMax - 2])
  func generationsOfVotesBeginAnewBeforeTheyRunOut(_ generation: UInt64) throws {
    let bench = try Bench()
    _ = try bench.engine.save(HardState(term: 6, vote: 1))
    try bench.settle()
    _ = try bench.engine.close()
    try bench.settle()
    let vote = VoteFile(
      generation: generation, state: HardState(term: 7, vote: 2),
      incarnation: bench.engine.manifest.incarnation, group: bench.engine.group)
    for name in VoteFile.names {
      try bench.disk.open(name, .update).write(vote.encoded(), at: 0)
    }
    let again = try Bench(on: bench.disk, seed: 11)
    let found = again.engine.hardState
    #expect(found == HardState(term: 7, vote: 2))
    for term in Term(8)...11 {
      _ = try again.engine.save(HardState(term: term, vote: 3))
      try again.settle()
      let evidence = try DirectoryEvidence.gather(bench.disk)
      let saved = HardState(term: term, vote: 3)
      #expect(evidence.votes.map(\.file?.state) == [saved, saved])
    }
  }

  // MARK: Options

  /// Sizes that cannot work are refused by name; none of them traps, or makes a log that nobody opens.
  @Test func optionsThatCannotWorkAreRefused() throws {
    let changes: [(inout EngineOptions) -> Void] = [
      { $0.segmentBytes = .max }, { $0.segmentBytes = 0 }, { $0.segmentBytesFirst = .max },
      { $0.segmentBytesFirst = .min }, { $0.manifestRoom = .max }, { $0.manifestRoom = 512 << 20 },
      { $0.manifestRoom = -1 }, { $0.reserveBytes = .max }, { $0.reserveBytes = -1 },
      { $0.entryBytesMax = .max }, { $0.entryBytesMax = 0 }, { $0.batchBytesMax = 0 },
      { $0.pendingBytesMax = 0 }, { $0.recentBytesMax = -1 }, { $0.bytesMax = 0 },
      { $0.bytesMax = .min }, { $0.markerDelay = .zero }, { $0.syncMode = .interval(.zero) },
    ]
    for (i, change) in changes.enumerated() {
      var options = EngineOptions()
      change(&options)
      #expect(code { try options.validate() } == .badConfiguration, "change \(i)")
    }
    // A small segment needs a small cap, whatever the first one would be.
    var options = EngineOptions()
    options.segmentBytes = 64 << 10
    options.bytesMax = 4 << 20
    try options.validate()
  }

  @Test func theLargestManifestRoomCanBeReadBack() throws {
    let bench = try Bench { $0.manifestRoom = EngineOptions.manifestRoomMax }
    _ = try bench.append("kept")
    try bench.settle()
    let plan = try LogOpener.open(bench.disk, options: bench.engine.options, seed: 3)
    #expect(plan.opened.active.end.index == 1)
  }

  /// The longest times there are: the writer's thread waits for as long as it can.
  @Test func timesWithoutEndAreWaitedFor() async throws {
    for longest in [Duration.seconds(Int64.max), .seconds(Int64.max / 2)] {
      var options = LogOptions()
      options.engine.syncMode = .interval(longest)
      options.engine.markerDelay = longest
      let log = try SegmentedLog.open(SharedDisk(), options: options, seed: 1)
      for i in 1...3 { try await log.append(Bytes("entry \(i)")) }
      #expect(log.appendedIndex == 3 && log.durableIndex == 0)
      try await log.sync()
      #expect(log.durableIndex == 3)
      try await log.close()
    }
  }

  @Test func whatIsRefusedMakesNoDirectory() throws {
    let place = TemporaryDirectory()
    var options = LogOptions()
    options.engine.entryBytesMax = 0
    #expect(
      code { try SegmentedLog.open("\(place.path)/new", options: options) } == .badConfiguration)
    #expect(try POSIXDirectory(path: place.path).list().isEmpty)
  }

  @Test func thereIsNoEntryZero() async throws {
    let log = try SegmentedLog.open(SharedDisk(), options: LogOptions(), seed: 1)
    try await log.append(Bytes("one"))
    #expect(code { try log.read(0) } == .outOfRange)
    let error = await #expect(throws: LogError.self) {
      try await log.append(Bytes("two"), term: Layout.indexMax + 1)
    }
    #expect(error?.message.contains("term") == true)
    try await log.close()
  }
}
