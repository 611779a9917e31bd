// LogEngine as a value: which jobs it emits, and when it believes them.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import SystemPackage
import Testing

@Suite struct LogEngineTests {
  @Test func whatArrivesDuringASyncSharesTheNextOne() throws {
    let bench = try Bench()
    _ = try bench.append("first")
    let first = try bench.take()
    for i in 1...50 { _ = try bench.append("entry \(i)") }
    #expect(bench.next() == nil)
    #expect(bench.engine.durableIndex == 0)
    bench.engine.completed(first.id, nil, now: .zero)
    #expect(bench.engine.durableIndex == 1)
    let second = try bench.take()
    #expect(second.steps.count == 2)
    bench.engine.completed(second.id, nil, now: .zero)
    #expect(bench.engine.durableIndex == 51)
  }

  @Test func aSuffixIsReplacedInOneWriteAndOneSync() throws {
    let bench = try Bench()
    for i in 1...5 { _ = try bench.append("entry \(i)") }
    try bench.settle()
    _ = try bench.engine.truncate(after: 3)
    #expect(try bench.append("new 4") == 4)
    let job = try bench.take()
    guard job.steps.count == 2, case .write = job.steps[0], case .sync = job.steps[1] else {
      Issue.record("\(job.steps)")
      return
    }
    bench.engine.completed(job.id, nil, now: .zero)
    #expect(bench.engine.durableIndex == 4)
    #expect(bench.engine.lastIndex == 4)
  }

  @Test func nothingCountsBeforeItsSyncIsReported() throws {
    let bench = try Bench()
    let ticket = try bench.engine.save(HardState(term: 3, vote: 1))
    let job = try bench.take()
    #expect(bench.engine.hardState == HardState())
    #expect(bench.engine.writtenTicket < ticket)
    // Both copies, one after the other, each synced.
    let names = job.steps.compactMap { step -> String? in
      switch step {
      case .write(let name, _, _): "write \(name)"
      case .sync(let name): "sync \(name)"
      default: nil
      }
    }
    #expect(names == ["write vote-0", "sync vote-0", "write vote-1", "sync vote-1"])
    bench.engine.completed(job.id, nil, now: .zero)
    #expect(bench.engine.hardState == HardState(term: 3, vote: 1))
  }

  @Test func aFailedSyncIsNeverTriedAgain() throws {
    let bench = try Bench()
    _ = try bench.append("doubtful")
    let job = try bench.take()
    bench.engine.completed(
      job.id, StorageError(.sync, path: "wal", errno: .ioError), now: .zero)
    #expect(bench.engine.poison?.code == .poisoned)
    #expect(bench.next() == nil)
    #expect(bench.engine.durableIndex == 0)
    #expect(bench.engine.takeFailures().count == 1)
    #expect(throws: LogError.self) { try bench.append("later") }
  }

  /// ENOSPC from a sync says as little about the data as EIO does.
  @Test func aFullDiskAtASyncStopsTheLogToo() throws {
    let bench = try Bench()
    _ = try bench.append("doubtful")
    let job = try bench.take()
    bench.engine.completed(
      job.id, StorageError(.sync, path: "wal", errno: .noSpace), now: .zero)
    #expect(bench.engine.poison?.code == .poisoned)
  }

  @Test func anIdleLogVouchesForItsLastBatch() throws {
    let bench = try Bench()
    _ = try bench.append("last")
    try bench.settle()
    let due = bench.engine.deadline
    let deadline = try #require(due)
    #expect(bench.next(at: deadline - .nanoseconds(1)) == nil)
    try bench.settle(at: deadline)
    // A crash now needs no copy: the next opening goes on in the same segment.
    let plan = try LogOpener.open(bench.disk, options: bench.engine.options, seed: 3)
    #expect(plan.opened.manifest.segments.count == 1)
  }

  /// Rot in what `sync()` made durable must not look like a write that did not finish.
  @Test func whatWasSyncedLateIsVouchedForAsWell() throws {
    let bench = try Bench { $0.syncMode = .never }
    _ = try bench.append("last")
    _ = try bench.engine.sync()
    try bench.settle()
    let due = bench.engine.deadline
    let deadline = try #require(due)
    try bench.settle(at: deadline)
    #expect(bench.engine.deadline == nil)
    let plan = try LogOpener.open(bench.disk, options: bench.engine.options, seed: 3)
    #expect(plan.opened.manifest.segments.count == 1)
  }

  /// Under a load that never lets the writer idle, the interval is kept all the same.
  @Test func anIntervalIsKeptUnderLoad() throws {
    let interval = Duration.milliseconds(10)
    let bench = try Bench {
      $0.syncMode = .interval(interval)
      $0.segmentBytes = 4 << 20
      $0.segmentBytesFirst = 4 << 20
    }
    var now = Duration.zero
    var oldestUnsynced: Duration?
    for i in 1...200 {
      _ = try bench.append("entry \(i)")
      let job = bench.engine.nextJob(.writer, now: now)
      let steps = try #require(job).steps
      // There is always another entry before the job is done.
      _ = try bench.append("more")
      if steps.contains(where: { if case .sync = $0 { true } else { false } }) {
        oldestUnsynced = nil
      } else {
        oldestUnsynced = oldestUnsynced ?? now
      }
      let age = now - (oldestUnsynced ?? now)
      #expect(age <= interval, "unsynced for \(age)")
      bench.engine.completed(job!.id, nil, now: now)
      now += .milliseconds(1)
    }
    #expect(bench.engine.syncCount >= 18)
  }

  @Test func anUnvouchedBatchIsCopiedForward() throws {
    let bench = try Bench()
    _ = try bench.append("last")
    try bench.settle()
    let plan = try LogOpener.open(bench.disk, options: bench.engine.options, seed: 3)
    #expect(plan.opened.manifest.segments.count == 2)
    #expect(plan.opened.active.end.index == 1)
    #expect(plan.opened.active.durableOrdinal == plan.opened.active.end.ordinal)
  }

  @Test func segmentsRollAndAreSealed() throws {
    let bench = try Bench {
      $0.segmentBytes = 16 << 10; $0.segmentBytesFirst = 16 << 10
    }
    for i in 1...20 {
      _ = try bench.append("entry \(i)")
      try bench.settle()
    }
    let segments = bench.engine.manifest.segments
    #expect(segments.count > 5)
    for segment in segments.dropLast() {
      #expect(segment.seal != nil)
      #expect(segment.end != nil)
    }
    for (a, b) in zip(segments, segments.dropFirst()) { #expect(a.end?.index == b.previousIndex) }
  }

  // MARK: Found by review

  private func fail(_ bench: Bench, _ job: DiskJob, _ name: String = "wal") {
    bench.engine.completed(
      job.id, StorageError(.write, path: name, errno: .noSpace), now: .zero)
  }

  /// A compaction that failed set aside what another one, still waiting, was going to remove; a
  /// truncation below that was taken, and the log began behind its end.
  @Test func aFailedCompactionLeavesTheOthersInForce() throws {
    let bench = try Bench()
    for i in 1...10 { _ = try bench.append("entry \(i)") }
    try bench.settle()
    _ = try bench.engine.truncate(after: 5)
    let truncation = try bench.take()
    for i in 6...10 { _ = try bench.append("new \(i)") }
    _ = try bench.engine.compact(through: 8)
    _ = try bench.engine.compact(through: 4)
    bench.engine.completed(truncation.id, nil, now: .zero)
    fail(bench, try bench.take())
    let erasure = try bench.take()
    bench.engine.completed(erasure.id, nil, now: .zero)
    // The first cannot be carried out any more, the second can, and is under way.
    let compaction = try bench.take()
    #expect(throws: LogError.self) { try bench.engine.truncate(after: 2) }
    bench.engine.completed(compaction.id, nil, now: .zero)
    try bench.settle()
    #expect(bench.engine.firstIndex == 5 && bench.engine.manifest.firstIndex == 5)
    #expect(try bench.append("next") == 6)
    try bench.settle()
    #expect(bench.engine.durableIndex == 6)
  }

  /// Found by simulation (--faults, seed 2): a second truncation to where the first one made
  /// the log end counted as done when the first one failed.
  @Test func aTruncationStandsForItself() throws {
    let bench = try Bench()
    for i in 1...5 { _ = try bench.append("entry \(i)") }
    try bench.settle()
    _ = try bench.append("on its way")
    let frame = try bench.take()
    _ = try bench.engine.truncate(after: 3)
    let second = try bench.engine.truncate(after: 3)
    fail(bench, frame)
    try bench.settle()
    let failed = bench.engine.takeFailures().flatMap(\.tickets).contains { $0.contains(second) }
    let last = bench.engine.lastIndex
    #expect(failed == (last == 5), "the log ends at \(last)")
    // Where nothing is in doubt it is no more than a sync.
    _ = try bench.engine.truncate(after: last)
    #expect(try bench.take().steps.isEmpty)
  }

  /// A spare was made past the log's own cap after that had been refused, and when it failed, the batch
  /// that was on its way was forgotten: its index was given out twice.
  @Test func noSpareIsMadePastTheCap() throws {
    let bench = try Bench {
      $0.reserveBytes = 128 << 10
      $0.bytesMax = 470_000
      $0.compression = .none
    }
    let reserve = bench.engine.nextJob(.background, now: .zero)
    let made = try #require(reserve)
    let large = Bytes([UInt8](repeating: 7, count: 250_000))
    _ = try bench.engine.append(large.span, term: 0)
    #expect(bench.next() == nil)
    bench.engine.completed(made.id, nil, now: .zero)
    #expect(bench.next() == nil)
    #expect(bench.engine.takeFailures().map(\.error.code) == [.capReached])
    let spare = bench.engine.nextJob(.background, now: .zero)
    #expect(spare == nil)
    #expect(try bench.append("a") == 1)
    let frame = try bench.take()
    if let spare { fail(bench, spare, "spare-1") }
    #expect(try bench.append("b") == 2)
    bench.engine.completed(frame.id, nil, now: .zero)
    try bench.settle()
    #expect(bench.engine.durableIndex == 2)
  }

  /// The last batch of a full segment was never vouched for: rot in it looked like a torn write.
  @Test(arguments: [5000, 2000, 100, 8000])
  func aFullSegmentHasRoomForTheMarker(_ bytes: Int) throws {
    let bench = try Bench {
      $0.segmentBytes = 16 << 10; $0.segmentBytesFirst = 16 << 10; $0.compression = .none
    }
    let payload = Bytes([UInt8](repeating: 7, count: bytes))
    for _ in 1...12 {
      _ = try bench.engine.append(payload.span, term: 0)
      try bench.settle()
      let due = bench.engine.deadline
      try bench.settle(at: try #require(due))
      let plan = try LogOpener.open(
        copy(bench.disk), options: bench.engine.options, seed: 3)
      // Nothing had to be copied: all of it is vouched for.
      #expect(plan.opened.active.record.uid == bench.engine.active.record.uid)
    }
  }

  /// Each entry of a term of its own: their terms take room in the footer, too.
  @Test func manyTermsInABatchLeaveRoomForMarkerAndFooter() throws {
    let bench = try Bench {
      $0.segmentBytes = 64 << 10; $0.segmentBytesFirst = 64 << 10; $0.compression = .none
    }
    var term: Term = 1
    for _ in 1...12 {
      for _ in 1...1500 {
        _ = try bench.engine.append(Bytes("x").span, term: term)
        term += 1
      }
      try bench.settle()
      let due = bench.engine.deadline
      try bench.settle(at: try #require(due))
      let plan = try LogOpener.open(
        copy(bench.disk), options: bench.engine.options, seed: 3)
      #expect(plan.opened.active.record.uid == bench.engine.active.record.uid)
    }
    let segments = bench.engine.manifest.segments
    #expect(segments.count >= 3)
    for segment in segments.dropLast() {
      #expect(try #require(segment.seal).size <= segment.capacity)
    }
  }

  /// A marker is due, and the request at the head of the queue waits for the background: there is
  /// nothing to wake for.
  @Test func nobodyWakesForAMarkerBehindARequest() throws {
    let bench = try Bench { $0.reserveBytes = 64 << 10 }
    let reserve = bench.engine.nextJob(.background, now: .zero)
    let made = try #require(reserve)
    _ = try bench.append("last")
    try bench.carryOut(try bench.take(), .writer)
    let due = bench.engine.deadline
    #expect(due != nil)
    _ = try bench.engine.close()
    #expect(bench.next(at: .seconds(1)) == nil)
    let later = bench.engine.deadline
    #expect(later == nil)
    try bench.carryOut(made, .background)
    try bench.settle()
    let isClosed = bench.engine.isClosed
    #expect(isClosed)
  }

  /// The replacement does not fit behind the cut: it goes to the next segment, and one is enough.
  @Test func aReplacementThatDoesNotFitTakesOneSegment() throws {
    let bench = try Bench { $0.compression = .none }
    let large = Bytes([UInt8](repeating: 7, count: 30_000))
    for _ in 1...5 { _ = try bench.append("small") }
    _ = try bench.engine.append(large.span, term: 0)
    try bench.settle()
    let before = bench.engine.manifest.segments
    #expect(before.count == 1)
    let receipt = try bench.engine.replace(after: 3, with: [large])
    #expect(receipt.indices == 4...4)
    try bench.settle()
    #expect(bench.engine.durableIndex == 4 && bench.engine.lastIndex == 4)
    let after = bench.engine.manifest.segments
    #expect(after.count == 2 && after[1].sequence == before[0].sequence + 1)
    #expect(after[0].end?.index == 3 && after[1].firstIndex == 4)
    let dropped = bench.engine.manifest.dropped
    #expect(dropped.isEmpty)
  }

  @Test func aReplacementIsTakenWholeOrNotAtAll() throws {
    let bench = try Bench { $0.entryBytesMax = 100 }
    for i in 1...5 { _ = try bench.append("entry \(i)") }
    _ = try bench.engine.append([Bytes("of term 3")], term: 3)
    try bench.settle()
    let large = Bytes([UInt8](repeating: 7, count: 101))
    #expect(throws: LogError.self) { try bench.engine.replace(after: 2, with: [large]) }
    #expect(throws: LogError.self) { try bench.engine.replace(after: 2, with: []) }
    #expect(throws: LogError.self) { try bench.engine.replace(after: 7, with: [Bytes("a")]) }
    #expect(throws: LogError.self) {
      try bench.engine.replace(after: 6, with: [Bytes("a")], term: 2)
    }
    #expect(bench.engine.lastIndex == 6 && bench.next() == nil)
    // The term is that of the entry behind which it goes on, not the last one's.
    let syncs = bench.engine.syncCount
    #expect(try bench.engine.replace(after: 2, with: [Bytes("a"), Bytes("b")]).indices == 3...4)
    try bench.settle()
    #expect(bench.engine.lastTerm == 0 && bench.engine.durableIndex == 4)
    #expect(bench.engine.syncCount == syncs + 1)
  }

  /// A crash left a segment as evidence: at the cap it makes room before appends fail.
  @Test func whatACrashLeftMakesRoomAtTheCap() throws {
    let change: (inout EngineOptions) -> Void = {
      $0.compression = .none
      $0.bytesMax = 4 * (64 << 10) + 2 * ($0.manifestRoom + (8 << 10))
    }
    let first = try Bench(change)
    let payload = Bytes([UInt8](repeating: 7, count: 5000))
    _ = try first.engine.append(payload.span, term: 0)
    try first.settle()
    let bench = try Bench(on: first.disk, seed: 3, change)
    #expect(bench.engine.manifest.segments.count == 2)
    var appended = 1
    while appended < 100 {
      _ = try bench.engine.append(payload.span, term: 0)
      try bench.settle()
      if let failure = bench.engine.takeFailures().first {
        #expect(failure.error.code == .capReached)
        break
      }
      appended += 1
    }
    // Three segments' worth, and not two with one that holds nothing beside them.
    #expect(bench.engine.manifest.segments.allSatisfy { $0.end?.index != $0.previousIndex })
    #expect(appended < 100 && bench.engine.manifest.segments.count >= 3)
  }

  private func copy(_ disk: SimulatedDisk) throws -> SimulatedDisk {
    let copy = SimulatedDisk()
    for file in try disk.list() {
      let bytes = try disk.open(file.name, .read).read(file.size, at: 0)
      try copy.open(file.name, .create).write(bytes, at: 0)
    }
    return copy
  }

  @Test func noEntriesAreNoAppend() throws {
    let bench = try Bench()
    #expect(throws: LogError.self) { try bench.engine.append([] as [Bytes]) }
    #expect(bench.engine.lastIndex == 0)
  }

  /// Rows of the tables count as well: empty entries are not free.
  @Test func emptyEntriesFillTheQueueToo() throws {
    let bench = try Bench { $0.pendingBytesMax = 10_000 }
    var taken = 0
    while bench.engine.hasRoom, taken < 10_000 {
      _ = try bench.append("")
      taken += 1
    }
    #expect(taken < 1000)
    try bench.settle()
    let hasRoom = bench.engine.hasRoom
    #expect(hasRoom)
  }
}
