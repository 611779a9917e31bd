// RepairTests: a directory that does not open is made to open again, and nothing is given up unless
// it was named. Each log is written on afterwards, over several segments, as production does it.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

/// A log under its engine, driven by hand.
final class WrittenLog {
  private(set) var engine: LogEngine
  private var writer: DiskExecutor
  private var background: DiskExecutor

  static var options: EngineOptions {
    var options = EngineOptions()
    options.segmentBytes = 64 << 10
    options.segmentBytesFirst = 64 << 10
    options.manifestRoom = 8 << 10
    options.reserveBytes = 0
    options.compression = .none
    return options
  }

  init(_ disk: SimulatedDisk, seed: UInt64 = 3) throws {
    let plan = try LogOpener.open(disk, options: Self.options, seed: seed)
    engine = LogEngine(plan.opened, options: Self.options, seed: seed + 1)
    writer = DiskExecutor(directory: disk)
    background = DiskExecutor(directory: disk)
  }

  var activeName: String { engine.active.record.fileName }
  /// How often the log has gone on in a new segment since it was opened.
  private(set) var rolls = 0

  /// Appends entries one by one, each acknowledged before the next.
  func append(_ count: Int, of payload: Bytes = .filler(100)) throws {
    for _ in 0..<count {
      let term = engine.lastTerm
      _ = try engine.append(payload.span, term: term)
      try settle()
    }
  }

  func close() throws {
    _ = try engine.close()
    try settle()
  }

  private func settle() throws {
    while true {
      if let job = engine.nextJob(.writer, now: .zero) {
        let before = activeName
        try writer.run(job.steps)
        engine.completed(job.id, nil, now: .zero)
        rolls += activeName == before ? 0 : 1
      } else if let job = engine.nextJob(.background, now: .zero) {
        try background.run(job.steps)
        engine.completed(job.id, nil, now: .zero)
      } else {
        return
      }
    }
  }
}

/// What is done to a log before it is repaired.
enum Wound: CaseIterable {
  case activeMiddle, activeEnd, marker, truncation
  case sealedMiddle, endedMiddle, endedEnd
  case missingSealed, missingEnded, missingActive
  case otherFile
  case lostManifest, lostManifestAndFirst, lostManifestAndMiddle, lostManifestAndLast
  case lostManifestAndDamage, lostManifestAndTornTail, lostManifestAndBadFooter
  case lostManifestAndHalfAFooter
}

struct RepairTests {
  // MARK: Helpers

  /// Almost a segment, so that a few fill the largest that a repair makes, and roll behind it.
  private static let large = Bytes.filler(50_000)

  /// Entries 1-4 in a sealed segment, 5-7 in one that ended without a seal, 8-11 in the active one.
  private func wounded(_ wound: Wound) throws -> LogFixture {
    var log = try LogFixture()
    for i in 0..<4 { try log.segment.entry(durable: UInt32(i)) }
    let sealed = try log.roll(isSealed: true)
    for i in 0..<3 { try log.segment.entry(6000, durable: UInt32(i)) }
    let ended = try log.roll(isSealed: false)
    try log.segment.entry()
    try log.segment.entry(durable: 1)
    let marker = try log.segment.marker()
    try log.segment.entry(durable: 3)
    try log.segment.entry(durable: 4)
    if wound == .truncation {
      try log.segment.batch([.filler(70, 1), .filler(70, 2)], durable: 5, truncateAfter: 9)
    }
    try log.segment.marker()
    switch wound {
    case .activeMiddle: try log.segment.flip(at: log.segment.frames[1].bodyEnd - 20)
    case .activeEnd: try log.segment.flip(at: log.segment.frames[4].bodyEnd - 20)
    case .marker: try log.segment.flip(at: marker.offset + 20)
    case .truncation: try log.segment.flip(at: log.segment.frames[5].bodyEnd - 30)
    case .sealedMiddle: try sealed.flip(at: sealed.frames[1].bodyEnd - 20)
    case .endedMiddle: try ended.zero(ended.frames[1].range)
    case .endedEnd: try ended.zero(ended.frames[2].range)
    case .missingSealed: try log.disk.remove(sealed.name)
    case .missingEnded: try log.disk.remove(ended.name)
    case .missingActive: try log.disk.remove(log.segment.name)
    case .otherFile:
      try log.disk.remove(ended.name)
      try log.disk.make(ended.name, try log.disk.bytes(of: sealed.name))
    case .lostManifest: break
    case .lostManifestAndFirst: try log.disk.remove(sealed.name)
    case .lostManifestAndMiddle: try log.disk.remove(ended.name)
    case .lostManifestAndLast: try log.disk.remove(log.segment.name)
    case .lostManifestAndDamage: try sealed.flip(at: sealed.frames[1].bodyEnd - 20)
    case .lostManifestAndTornTail: try log.segment.zeroSector(0, of: log.segment.frames[5])
    case .lostManifestAndBadFooter: try log.disk.flip(sealed.name, at: sealed.end + 30)
    case .lostManifestAndHalfAFooter: try ended.flip(at: ended.end + 3)
    }
    return log
  }

  private func isLost(_ wound: Wound) -> Bool { "\(wound)".hasPrefix("lostManifest") }

  private func repair(
    _ disk: SimulatedDisk, _ keep: RepairPlan.Keep = .before,
    accepting: ClosedRange<LogIndex>? = nil
  ) throws -> RepairPlan {
    var generator = SeededGenerator(seed: 17)
    let plan = try RepairPlan.make(
      for: try LogFixture.diagnose(disk, depth: .everything), in: disk, accepting: accepting,
      keep: keep, using: &generator)
    var executor = DiskExecutor(directory: disk)
    try executor.run(plan.steps)
    return plan
  }

  private func entries(
    _ disk: SimulatedDisk, _ depth: DirectoryEvidence.Depth = .opening
  ) throws -> [Entry] {
    let diagnosis = try LogFixture.diagnose(disk, depth: depth)
    let view = try #require(LogView(diagnosis, in: disk))
    var entries: [Entry] = []
    try view.replay(onDamage: { _ in }) { more in
      entries += more
      return true
    }
    return entries
  }

  /// Expects a manifest that makes sense, and whose last segment can be gone on in.
  private func expectSoundState(
    _ disk: SimulatedDisk, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let evidence = try LogFixture.diagnose(disk).evidence
    let state = try #require(evidence.manifest?.state, sourceLocation: sourceLocation)
    try state.validate()
    let last = try #require(state.segments.last, sourceLocation: sourceLocation)
    let isOpen = last.end == nil && !last.isCut && last.seal == nil
    #expect(isOpen, "\(comment)", sourceLocation: sourceLocation)
    for record in state.segments.dropLast() {
      let isSound = record.end != nil && (record.seal == nil || !record.isCut)
      #expect(isSound, "\(comment)", sourceLocation: sourceLocation)
    }
  }

  /// Opens the log, appends over several segments, closes it, and looks at every byte.
  private func expectToGoOn(
    _ disk: SimulatedDisk, with kept: [Entry], _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let log = try WrittenLog(disk)
    try log.append(26, of: Self.large)
    let rolls = log.rolls
    #expect(rolls > 3, "\(comment)", sourceLocation: sourceLocation)
    try log.close()
    let findings = try LogFixture.diagnose(disk, depth: .everything).findings
    #expect(findings.isEmpty, "\(comment)", sourceLocation: sourceLocation)
    let after = try entries(disk)
    #expect(Array(after.prefix(kept.count)) == kept, "\(comment)", sourceLocation: sourceLocation)
    #expect(after.count == kept.count + 26, "\(comment)", sourceLocation: sourceLocation)
    for (a, b) in zip(after, after.dropFirst()) where a.index + 1 != b.index {
      Issue.record("a gap behind entry \(a.index): \(comment)", sourceLocation: sourceLocation)
    }
    // And once more, from what it wrote itself.
    let again = try WrittenLog(disk, seed: 11)
    try again.append(1)
    #expect(try entries(disk).count == kept.count + 27, sourceLocation: sourceLocation)
  }

  private func loseManifests(_ disk: SimulatedDisk) throws {
    for name in ManifestHeader.names { try disk.remove(name) }
  }

  // MARK: Every repair

  /// Whatever is wrong, and whichever side is kept: what was readable and is not named as a loss is
  /// there, and the log goes on.
  @Test(arguments: Wound.allCases, RepairPlan.Keep.allCases)
  func whatIsRepairedGoesOn(_ wound: Wound, _ keep: RepairPlan.Keep) throws {
    let log = try wounded(wound)
    let readable = try entries(log.disk, .everything)
    if isLost(wound) { try loseManifests(log.disk) }
    let untouched = try log.disk.contents()
    let plan = try repair(log.disk, keep)
    if !plan.losses.isEmpty {
      #expect(!plan.isAccepted && plan.steps.isEmpty)
      #expect(try log.disk.contents() == untouched)
      let accepted = try repair(log.disk, keep, accepting: 1...1000)
      #expect(accepted.isAccepted && accepted.losses == plan.losses)
    }
    try expectSoundState(log.disk, "\(wound), \(keep)")
    let kept = try entries(log.disk)
    let expected = readable.filter { entry in !plan.losses.contains { $0.contains(entry.index) } }
    #expect(kept == expected, "\(wound), \(keep): \(kept.map(\.index)), lost \(plan.losses)")
    try expectToGoOn(log.disk, with: kept, "\(wound), \(keep)")
  }

  /// The same, to the number: a plan that names everything would pass above.
  @Test func aLossIsNoLargerThanItMustBe() throws {
    let expected: [(Wound, before: [ClosedRange<LogIndex>], after: [ClosedRange<LogIndex>])] = [
      (.activeMiddle, [9...11], [1...9]), (.activeEnd, [11...11], [11...11]), (.marker, [], []),
      (.truncation, [10...11], [10...11]), (.sealedMiddle, [2...11], [1...2]),
      (.endedMiddle, [6...11], [1...6]), (.endedEnd, [7...11], [1...7]),
      (.missingSealed, [1...4], [1...4]), (.missingEnded, [5...11], [1...7]),
      (.missingActive, [8...8], [8...8]), (.otherFile, [5...11], [1...7]), (.lostManifest, [], []),
      (.lostManifestAndFirst, [], []), (.lostManifestAndMiddle, [5...11], [1...7]),
      (.lostManifestAndLast, [], []), (.lostManifestAndDamage, [2...11], [1...2]),
      (.lostManifestAndTornTail, [12...12], [12...12]), (.lostManifestAndBadFooter, [], []),
      (.lostManifestAndHalfAFooter, [], []),
    ]
    #expect(expected.count == Wound.allCases.count)
    for (wound, before, after) in expected {
      for (keep, losses) in [(RepairPlan.Keep.before, before), (.after, after)] {
        let log = try wounded(wound)
        if isLost(wound) { try loseManifests(log.disk) }
        #expect(try repair(log.disk, keep).losses == losses, "\(wound), \(keep)")
      }
    }
  }

  // MARK: A lost manifest

  /// Every segment was rebuilt as a cut one: its log trapped at the seal after the next roll.
  @Test func aRebuiltManifestSaysWhatTheOldOneSaid() throws {
    let log = try wounded(.lostManifest)
    let kept = try entries(log.disk)
    #expect(kept.map(\.index) == Array(1...11))
    try loseManifests(log.disk)
    let plan = try repair(log.disk)
    #expect(plan.isAccepted && plan.losses.isEmpty)
    let state = try #require(try log.diagnose().evidence.manifest).state
    #expect(state.segments.map(\.uid) == log.state.segments.map(\.uid))
    #expect(state.segments.map(\.end) == log.state.segments.map(\.end))
    // Sealed, to be sealed, and to be written on: as they were.
    #expect(state.segments.map(\.seal) == log.state.segments.map(\.seal))
    #expect(state.segments.map(\.isCut) == [false, false, false])
    #expect(state.incarnation == log.state.incarnation)
    try expectToGoOn(log.disk, with: kept)
  }

  /// A segment was copied after a crash; the manifest is lost before and after the copy joined it.
  @Test(arguments: [true, false])
  func aCopyTakesItsSourcesPlaceOnce(_ isAppendedTo: Bool) throws {
    let disk = SimulatedDisk()
    var log = try WrittenLog(disk)
    try log.append(3)
    log = try WrittenLog(disk, seed: 7)
    if isAppendedTo { try log.append(2) }
    let kept = try entries(disk)
    #expect(kept.count == (isAppendedTo ? 5 : 3))
    try loseManifests(disk)
    #expect(try repair(disk).losses.isEmpty)
    #expect(try entries(disk) == kept)
    try expectToGoOn(disk, with: kept)
  }

  /// A suffix was cut off in a new segment: the old entries are no loss, and do not come back.
  @Test func whatWasTruncatedIsNoLoss() throws {
    var log = try LogFixture()
    for i in 0..<6 { try log.segment.entry(durable: UInt32(i)) }
    try log.segment.marker()
    let ended = try log.roll(isSealed: true)
    let header = SegmentFixture.header(
      firstIndex: 4, salt: 5, sequence: 9, group: log.state.group)
    var next = try SegmentFixture(on: log.disk, header: header)
    try next.entry(50)
    try next.marker()
    try log.disk.remove(log.segment.name)
    try loseManifests(log.disk)
    #expect(try repair(log.disk).losses.isEmpty)
    let kept = try entries(log.disk)
    #expect(kept.map(\.index) == [1, 2, 3, 4] && kept[3].payload.count == 50)
    let state = try #require(try log.diagnose().evidence.manifest).state
    #expect(state.segments[0].uid == ended.header.uid && state.segments[0].seal != nil)
    try expectToGoOn(log.disk, with: kept)
  }

  /// A segment that was begun for a truncation and holds nothing takes nothing back.
  @Test func anEmptySegmentTakesNothingBack() throws {
    var log = try LogFixture()
    for i in 0..<6 { try log.segment.entry(durable: UInt32(i)) }
    try log.segment.marker()
    _ = try SegmentFixture(
      on: log.disk,
      header: SegmentFixture.header(firstIndex: 4, salt: 5, sequence: 9, group: log.state.group))
    let kept = try entries(log.disk)
    try loseManifests(log.disk)
    #expect(try repair(log.disk).losses.isEmpty)
    #expect(try entries(log.disk) == kept && kept.count == 6)
    try expectToGoOn(log.disk, with: kept)
  }

  @Test func segmentsOfTwoGroupsAreNoLog() throws {
    let log = try wounded(.lostManifest)
    var other = try SegmentFixture(
      on: log.disk, header: SegmentFixture.header(sequence: 7, group: UID(high: 1, low: 1)))
    try other.entry()
    try loseManifests(log.disk)
    do {
      _ = try repair(log.disk)
      Issue.record("two groups were made one log")
    } catch let error as RecoveryError {
      #expect(error.code == .foreign)
    }
  }

  /// Row P is one finding: its segments are no orphans.
  @Test func aLostManifestIsReportedOnce() throws {
    let log = try wounded(.lostManifest)
    try loseManifests(log.disk)
    #expect(try log.diagnose(.everything).findings.map(\.verdict) == [.manifestLost])
  }

  // MARK: Edits that are gone

  /// What a writer appended to a copy was deleted with it, when both manifests were older ones.
  @Test func aCopyThatWasAppendedToIsNeverDeleted() throws {
    let disk = SimulatedDisk()
    var log = try WrittenLog(disk)
    try log.append(3)
    let older = try ManifestHeader.names.map { (name: $0, bytes: try disk.bytes(of: $0)) }
    log = try WrittenLog(disk, seed: 7)
    let copy = log.activeName
    try log.append(2)
    let kept = try entries(disk)
    #expect(kept.count == 5)
    for (name, bytes) in older {
      try disk.remove(name)
      try disk.make(name, bytes)
    }
    let before = try disk.contents()
    #expect(before[copy] != nil)
    #expect(try LogFixture.diagnose(disk).refusals.map(\.verdict) == [.corruptManifest])
    #expect(throws: LogError.self) {
      _ = try LogOpener.open(disk, options: WrittenLog.options, seed: 5)
    }
    #expect(try disk.contents() == before)
    let plan = try repair(disk)
    #expect(plan.losses.isEmpty)
    #expect(try entries(disk) == kept)
    try expectToGoOn(disk, with: kept)
  }

  /// A log with an entry that nobody vouches for, and its opening, cut short before the manifest.
  private func halfOpened() throws -> (log: LogFixture, copy: String) {
    var log = try LogFixture()
    try log.segment.entry()
    try log.segment.entry(durable: 1)
    var generator = SeededGenerator(seed: 4)
    let plan = try OpeningPlan.make(
      for: try log.diagnose(), in: log.disk, options: LogFixture.options, using: &generator)
    let copy = plan.opened.active.record.fileName
    #expect(copy != log.segment.name)
    var executor = DiskExecutor(directory: log.disk)
    for step in plan.steps {
      if case .rename = step { break }
      try executor.run(step)
    }
    #expect(try log.disk.list().contains { $0.name == copy })
    return (log, copy)
  }

  @Test func anUnfinishedCopyOfWhatIsThereIsDeleted() throws {
    let (log, copy) = try halfOpened()
    #expect(try log.diagnose().findings.allSatisfy { $0.verdict == .leftover })
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1, 2])
    #expect(try log.disk.list().allSatisfy { $0.name != copy })
    #expect(throws: StorageError.self) { try log.disk.bytes(of: "quarantine/\(copy)") }
  }

  /// The source had it in the page cache alone: nobody can tell that from a lost edit.
  @Test func anUnfinishedCopyOfWhatIsGoneIsKept() throws {
    let (log, copy) = try halfOpened()
    try log.segment.zero(log.segment.frames[1].range)
    let bytes = try log.disk.bytes(of: copy)
    let found = try #require(try log.diagnose().findings.first { $0.file == copy })
    #expect(found.verdict == .orphan)
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1])
    #expect(try log.disk.bytes(of: "quarantine/\(copy)") == bytes)
  }

  /// Another lost edit: a segment was begun, and goes on where the log ends for all that is known.
  @Test func aForgottenSegmentJoinsTheLog() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    var next = try log.nextSegment()
    try next.entry()
    try next.entry()
    var third = try SegmentFixture(
      on: log.disk,
      header: SegmentFixture.header(
        firstIndex: 6, salt: 6, sequence: next.header.sequence + 1, group: log.state.group))
    try third.entry()
    #expect(try log.diagnose().refusals.map(\.verdict) == [.unknownContinues])
    #expect(try repair(log.disk).losses.isEmpty)
    try expectSoundState(log.disk)
    let kept = try entries(log.disk)
    #expect(kept.map(\.index) == [1, 2, 3, 4, 5, 6])
    try expectToGoOn(log.disk, with: kept)
  }

  // MARK: What is kept aside

  /// What opening would mend is mended behind copies, byte for byte.
  @Test func whatIsMendedIsSavedFirst() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    try log.roll(isSealed: false)
    try log.segment.entry()
    try log.segment.entry(durable: 1)
    try log.disk.flip(VoteFile.names[0], at: 30)
    let before = try log.disk.contents()
    let number = log.position.number
    let plan = try repair(log.disk)
    #expect(plan.isAccepted && plan.losses.isEmpty)
    let after = try log.disk.contents()
    var saved = 0
    for (name, bytes) in before where after[name] != bytes {
      saved += 1
      let copy = "quarantine/\(name).before-edit-\(number + 1)"
      #expect(try log.disk.bytes(of: copy) == bytes, "\(name)")
    }
    #expect(saved >= 5)
    #expect(try log.indices == [1, 2, 3, 4, 5])
    // In the order in which it must be: no file is changed before its copy is durable.
    let firstChange = plan.steps.firstIndex { if case .write = $0 { true } else { false } }
    let lastCopy = plan.steps.lastIndex { if case .copy = $0 { true } else { false } }
    let synced = plan.steps.firstIndex(of: .syncDirectory("quarantine"))
    let order = [try #require(lastCopy), try #require(synced), try #require(firstChange)]
    #expect(order == order.sorted())
  }

  /// A number that comes again does not overwrite what was set aside under it.
  @Test func quarantineKeepsBothFilesOfOneName() throws {
    let log = try LogFixture()
    var stray = try SegmentFixture(
      on: log.disk,
      header: SegmentFixture.header(firstIndex: 7, salt: 3, sequence: 9, group: log.state.group))
    try stray.entry()
    let bytes = try log.disk.bytes(of: stray.name)
    try log.disk.make("quarantine/\(stray.name)", Bytes("set aside before"))
    try LogFixture.open(log.disk)
    #expect(try log.disk.bytes(of: "quarantine/\(stray.name)") == Bytes("set aside before"))
    #expect(try log.disk.bytes(of: "quarantine/\(stray.name).2") == bytes)
  }

  // MARK: Rows

  /// The frames are all valid, and the file is still not what was sealed.
  @Test func aDigestThatIsWrongIsAFooterToMend() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    let sealed = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.marker()
    try sealed.flip(at: sealed.frames[1].end - 1)
    #expect(try log.diagnose().findings.isEmpty)
    #expect(try log.diagnose(.everything).findings.map(\.verdict) == [.healedFooter])
    _ = try repair(log.disk)
    #expect(try log.diagnose(.everything).findings.isEmpty)
    #expect(try log.indices == [1, 2, 3, 4])
  }

  /// What a writer is doing right now is nothing to report.
  @Test func filesOfALiveWriterAreClean() throws {
    var log = try LogFixture()
    try log.segment.entry()
    try log.segment.marker()
    var next = try log.nextSegment()
    try next.batch([.filler(10)], manifestEdit: log.position.number + 1)
    _ = try SegmentFixture(
      on: log.disk,
      header: SegmentFixture.header(firstIndex: 3, salt: 8, sequence: 7, group: log.state.group))
    try log.disk.make("spare-4", .zeros(100))
    try log.disk.make(ManifestHeader.temporaryName, .zeros(100))
    #expect(try LogFixture.diagnose(log.disk, isLive: true).findings.isEmpty)
    #expect(try log.diagnose().refusals.map(\.verdict) == [.corruptManifest, .unknownContinues])
  }

  /// A newer program allows to read a segment and not to write it.
  @Test(arguments: [true, false])
  func aReadOnlySegmentIsReadAndNotWritten(_ isActive: Bool) throws {
    var log = try LogFixture()
    let newer = log.segment.header.encoded().replacing(at: 20, with: UInt32(1) << 4)
      .sealed(at: 8, covering: 12..<Layout.segmentHeader)
    let header = try SegmentHeader(decoding: newer.span)
    #expect(header.isReadOnly)
    var state = log.state
    state.segments[0].headerChecksum = header.checksum
    try log.rewrite(state)
    try log.disk.write(newer, to: log.segment.name, at: 0)
    log.segment = try SegmentFixture(
      on: log.disk, header: header, capacity: log.segment.capacity, exists: true)
    try log.segment.entry()
    try log.segment.entry(durable: 1)
    if !isActive {
      try log.roll(isSealed: false)
      try log.segment.entry()
    }
    #expect(try log.indices == (isActive ? [1, 2] : [1, 2, 3]))
    try log.expectRefusal(.unsupported)
    do {
      _ = try repair(log.disk)
    } catch let error as RecoveryError {
      #expect(error.code == .unsupported)
      return
    }
    // Nothing is wrong with it, so there is nothing to repair, but for what only opening writes.
    #expect(try log.diagnose(.everything).findings.isEmpty)
  }
}
