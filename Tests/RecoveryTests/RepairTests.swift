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
    accepting: [Loss] = []
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
      let accepted = try repair(log.disk, keep, accepting: [Loss(first: 1)])
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
    func losses(_ range: ClosedRange<LogIndex>) -> [Loss] { [Loss(range)] }
    func losses(from first: LogIndex) -> [Loss] { [Loss(first: first)] }
    let expected: [(Wound, before: [Loss], after: [Loss])] = [
      (.activeMiddle, losses(9...11), losses(1...9)),
      (.activeEnd, losses(11...11), losses(11...11)), (.marker, [], []),
      (.truncation, losses(10...11), losses(10...11)),
      (.sealedMiddle, losses(2...11), losses(1...2)),
      (.endedMiddle, losses(6...11), losses(1...6)),
      (.endedEnd, losses(7...11), losses(1...7)),
      (.missingSealed, losses(1...4), losses(1...4)),
      (.missingEnded, losses(5...11), losses(1...7)),
      // Entries 8-11 were there, and nothing is left that says so.
      (.missingActive, losses(from: 8), losses(from: 8)),
      (.otherFile, losses(5...11), losses(1...7)), (.lostManifest, [], []),
      (.lostManifestAndFirst, [], []), (.lostManifestAndMiddle, losses(5...11), losses(1...7)),
      (.lostManifestAndLast, [], []), (.lostManifestAndDamage, losses(2...11), losses(1...2)),
      // A marker, but nothing is left that says that it was none of a hundred entries.
      (.lostManifestAndTornTail, losses(from: 12), losses(from: 12)),
      (.lostManifestAndBadFooter, [], []), (.lostManifestAndHalfAFooter, [], []),
    ]
    #expect(expected.count == Wound.allCases.count)
    for (wound, before, after) in expected {
      for (keep, losses) in [(RepairPlan.Keep.before, before), (.after, after)] {
        let log = try wounded(wound)
        if isLost(wound) { try loseManifests(log.disk) }
        let plan = try repair(log.disk, keep)
        #expect(plan.losses == losses, "\(wound), \(keep)")
        // Where the sides differ, the plan says what each would cost.
        let choices = before == after ? [] : [before, after]
        #expect(plan.choices.map(\.losses) == choices, "\(wound), \(keep)")
      }
    }
  }

  // MARK: Losses without an end

  /// Ten entries, each synced before the next, and one batch of a hundred, closed behind it.
  private func batchOfAHundred(isMarked: Bool = true) throws -> LogFixture {
    var log = try LogFixture()
    for i in 0..<10 { try log.segment.entry(durable: UInt32(i)) }
    try log.segment.batch((0..<100).map { .filler(90, $0) }, durable: 10)
    if isMarked { try log.segment.marker() }
    try log.close()
    return log
  }

  /// The frame of a batch is broken, and nothing but a marker follows: the body says what it held.
  @Test(arguments: [true, false])
  func aBodyWithoutItsFrameSaysWhatIsGone(_ isMarked: Bool) throws {
    let log = try batchOfAHundred(isMarked: isMarked)
    try log.segment.flip(at: log.segment.frames[10].offset + 40)
    let found = try #require(try log.diagnose().refusals.first)
    #expect(found.verdict == .corruptBatch && found.indices == "entries 11-110")
    #expect(try repair(log.disk).losses == [Loss(11...110)])
    #expect(try !repair(log.disk, accepting: [Loss(11...109)]).isAccepted)
    #expect(try repair(log.disk, accepting: [Loss(11...110)]).isAccepted)
    #expect(try log.indices == Array(1...10))
    try expectToGoOn(log.disk, with: try entries(log.disk))
  }

  /// Frame and body are broken: nobody can know how many entries there were.
  @Test(arguments: [true, false])
  func aLossWithoutAnEndIsAcceptedAsSuch(_ isMarked: Bool) throws {
    let log = try batchOfAHundred(isMarked: isMarked)
    try log.segment.flip(at: log.segment.frames[10].offset + 40)
    try log.segment.flip(at: log.segment.frames[10].offset + Layout.frame + 24)
    let found = try #require(try log.diagnose().refusals.first)
    #expect(found.verdict == .corruptBatch && found.indices == "entries from 11 on")
    #expect(try log.readable().damage == 1)
    let untouched = try log.disk.contents()
    let plan = try repair(log.disk)
    #expect(plan.losses == [Loss(first: 11)] && !plan.isAccepted)
    #expect(plan.reasons.contains { $0.hasPrefix("entries from 11 on are given up") })
    for named in [Loss(11...11), Loss(11...110), Loss(1...1000), Loss(first: 12)] {
      #expect(try !repair(log.disk, accepting: [named]).isAccepted, "\(named)")
    }
    #expect(try log.disk.contents() == untouched)
    #expect(try repair(log.disk, accepting: [Loss(first: 11)]).isAccepted)
    #expect(try log.indices == Array(1...10))
    try expectToGoOn(log.disk, with: try entries(log.disk))
  }

  /// A sound body of this log, where another one was: it does not go on where the log ends, or not
  /// up to where the next frame begins. It says nothing.
  @Test(arguments: [true, false])
  func aBodyThatDoesNotBelongSaysNothing(_ isEarlier: Bool) throws {
    let log = try batchOfAHundred()
    let broken = log.segment.frames[10]
    var builder = BatchBuilder(
      group: log.segment.header.group, firstIndex: isEarlier ? 3 : 11)
    for i in 0..<3 { builder.append(Bytes.filler(50, i).span, kind: .data, term: 0) }
    let frame = Frame(
      kind: .batch, ordinal: 11, durableOrdinal: 10, manifestEdit: 1, previousChecksum: 0)
    let other = builder.finish(.none).framed(frame, seed: FrameSeed(salt: 1))
    try log.disk.write(other.bytes, to: log.segment.name, at: broken.offset)
    let found = try #require(try log.diagnose().refusals.first)
    #expect(found.indices == "entries from 11 on")
    #expect(try repair(log.disk).losses == [Loss(first: 11)])
  }

  /// What a frame took back that cannot be read stays gone: its body says from where on.
  @Test func aBodyWithoutItsFrameSaysWhatItReplaced() throws {
    var log = try LogFixture()
    for i in 0..<6 { try log.segment.entry(durable: UInt32(i)) }
    let replaced = try log.segment.batch(
      [.filler(80, 1), .filler(80, 2)], durable: 6, truncateAfter: 4)
    try log.segment.entry(durable: 7)
    try log.segment.marker()
    try log.segment.flip(at: replaced.offset + 40)
    #expect(try log.diagnose().refusals.first?.indices == "entries 5-6")
    #expect(try log.indices == [1, 2, 3, 4, 7])
    #expect(try repair(log.disk).losses == [Loss(5...7)])
    #expect(try repair(log.disk, .after).losses == [Loss(1...6)])
    #expect(try repair(log.disk, accepting: [Loss(5...7)]).isAccepted)
    try expectToGoOn(log.disk, with: try entries(log.disk))
  }

  /// A frame that vouches for what is gone says no more than that it was there.
  @Test func damageBeforeACutTailHasNoEnd() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    let gone = try log.segment.batch([.filler(90), .filler(90)], durable: 3)
    try log.segment.marker()
    try log.segment.entry(6000, durable: 5)
    try log.segment.zero(gone.range)
    // The last frame is torn, and with it goes what would say which entry it began with.
    try log.segment.zeroSector(0, of: log.segment.frames[5])
    #expect(try log.diagnose().refusals.first?.indices == "entries from 4 on")
    #expect(try repair(log.disk).losses == [Loss(first: 4)])
  }

  /// Zeros where the manifest knows that there was a frame.
  @Test func zerosBelowTheMarkAreALossWithoutAnEnd() throws {
    let log = try batchOfAHundred(isMarked: false)
    try log.segment.zero(log.segment.frames[10].range)
    let found = try #require(try log.diagnose().refusals.first)
    #expect(found.verdict == .corruptBatch && found.indices == "entries from 11 on")
    #expect(try repair(log.disk).losses == [Loss(first: 11)])
    // A reader says it too, and does not end as if the log did.
    let readable = try log.readable()
    #expect(readable.entries.count == 10 && readable.damage == 1)
  }

  @Test func aReaderNamesWhatAMissingFileHeld() throws {
    let log = try wounded(.missingActive)
    let readable = try log.readable()
    #expect(readable.entries.map(\.index) == Array(1...7) && readable.damage == 1)
  }

  /// Without a manifest a segment whose header cannot be read is more than a file to tidy up.
  @Test func aSegmentWithoutAHeaderIsALoss() throws {
    let log = try wounded(.lostManifest)
    try loseManifests(log.disk)
    try log.segment.flip(at: 40)
    #expect(try repair(log.disk).losses == [Loss(first: 8)])
    let first = try #require(try log.disk.list().first { SegmentName($0.name) != nil })
    let both = try wounded(.lostManifest)
    try loseManifests(both.disk)
    try both.disk.flip(first.name, at: 40)
    #expect(try repair(both.disk).losses == [Loss(1...4)])
    #expect(try repair(both.disk, accepting: [Loss(1...4)]).isAccepted)
    try expectToGoOn(both.disk, with: try entries(both.disk))
  }

  /// A segment gets its footer once another one goes on behind it: if none is there, it is lost.
  @Test func aSealedSegmentIsNeverTheLast() throws {
    var log = try LogFixture()
    for i in 0..<4 { try log.segment.entry(durable: UInt32(i)) }
    try log.roll(isSealed: true)
    try log.segment.entry()
    try log.disk.remove(log.segment.name)
    try loseManifests(log.disk)
    #expect(try repair(log.disk).losses == [Loss(first: 5)])
  }

  // MARK: What a device does not deliver

  /// A sector that fails today may be read tomorrow, or on another device: it is given up by whoever
  /// names what it may hold, and by nobody else.
  @Test(arguments: [0, 1, 3])
  func aFailedSectorIsGivenUpByNameAlone(_ sector: Int) throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(6000, durable: UInt32(i)) }
    try log.segment.marker()
    let failed = log.segment.frames[1].offset / Layout.sector + sector
    log.disk.faults = [.unreadable(file: log.segment.name, sector: failed)]
    for named in [[], [Loss(1...1)], [Loss(3...9)]] {
      do {
        _ = try repair(log.disk, accepting: named)
        Issue.record("a repair was planned around a failing device")
      } catch let error as RecoveryError {
        #expect(error.code == .storage)
        #expect(error.message.contains("byte \(failed * Layout.sector)"))
        #expect(error.message.contains("accept the loss of 2 by name"))
      }
    }
    log.disk.faults = []
    #expect(try repair(log.disk).isNothing)
    log.disk.faults = [.unreadable(file: log.segment.name, sector: failed)]
    let plan = try repair(log.disk, .after, accepting: [Loss(1...2)])
    #expect(plan.isAccepted && plan.losses == [Loss(1...2)])
    try LogFixture.open(log.disk)
    #expect(try log.indices == [3])
  }

  /// What is not delivered of free space holds nothing, and stands in the way of no other repair.
  @Test func freeSpaceThatFailsIsNoObstacle() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(6000, durable: UInt32(i)) }
    let end = try log.segment.marker().end
    try log.segment.flip(at: log.segment.frames[1].offset + 2000)
    let free = (end + Layout.page) / Layout.sector
    log.disk.faults = [.unreadable(file: log.segment.name, sector: free)]
    let plan = try repair(log.disk, .after, accepting: [Loss(1...2)])
    #expect(plan.isAccepted && plan.losses == [Loss(1...2)])
    try LogFixture.open(log.disk)
    #expect(try log.indices == [3])
  }

  /// Of the free space behind a torn end a sector fails that can hold a frame: what that would say
  /// nobody knows, so the log does not open, until what it may say is given up by name. One that can
  /// hold none is in nobody's way.
  @Test(arguments: [0, 1, 7])
  func aTornEndBeforeAFailedSector(_ sector: Int) throws {
    var log = try LogFixture()
    try log.segment.entry()
    let last = try log.segment.entry(2000, durable: 1)
    try log.segment.zero(last.bodyEnd - 600..<last.end)
    let failed = (last.end + Layout.page) / Layout.sector + sector
    log.disk.faults = [.unreadable(file: log.segment.name, sector: failed)]
    if sector == 0 {
      #expect(try log.diagnose().refusals.map(\.verdict) == [.inputOutput])
      #expect(throws: RecoveryError.self) { try repair(log.disk) }
      let plan = try repair(log.disk, accepting: [Loss(first: 2)])
      #expect(plan.isAccepted && plan.losses == [Loss(first: 2)])
    } else {
      #expect(try log.diagnose().refusals.isEmpty)
      #expect(try log.diagnose().findings.map(\.verdict) == [.tornBody])
      let faults = log.disk.faults
      let image = log.disk
      let plan = try repair(image)
      #expect(plan.isAccepted && plan.losses.isEmpty)
      log.disk.faults = faults
    }
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1])
  }

  /// Without a manifest as well: a header that fails is not one that is gone.
  @Test func aFailedHeaderIsNoLoss() throws {
    let log = try wounded(.lostManifest)
    try loseManifests(log.disk)
    log.disk.faults = [.unreadable(file: log.segment.name, sector: 0)]
    do {
      _ = try repair(log.disk, accepting: [Loss(first: 1)])
      Issue.record("a repair was planned around a failing device")
    } catch let error as RecoveryError {
      #expect(error.code == .storage)
    }
  }

  // MARK: A lost vote

  /// It is no entry, and opening goes on without it: the plan says so, and what is to be done first.
  @Test func aLostVoteIsExplained() throws {
    let log = try wounded(.lostManifest)
    for name in VoteFile.names { try log.disk.flip(name, at: 30) }
    let plan = try repair(log.disk)
    #expect(plan.losses.isEmpty && plan.isAccepted && !plan.steps.isEmpty)
    #expect(plan.notes.count == 1 && plan.notes[0].contains("vote-0 or vote-1"))
    // And with the manifest gone as well, which nobody can hold the votes against.
    let both = try wounded(.lostManifest)
    try loseManifests(both.disk)
    for name in VoteFile.names { try both.disk.flip(name, at: 30) }
    #expect(try repair(both.disk).notes.contains { $0.contains("vote-0 or vote-1") })
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
