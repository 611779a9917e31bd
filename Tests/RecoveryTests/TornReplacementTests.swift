// TornReplacementTests: a write that was to replace a suffix, and did not get finished or rotted. What
// opening cuts takes nothing back; what may have been acknowledged is named, with what it replaced.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct TornReplacementTests {
  /// Entries 1 to 6, all vouched for, and behind them a batch for entry 4 that cuts the log behind 3.
  private func replaced() throws -> (log: LogFixture, frame: PlacedFrame) {
    var log = try LogFixture()
    for _ in 1...6 { try log.segment.entry() }
    try log.segment.marker()
    let frame = try log.segment.batch([.filler(3000)], durable: 7, truncateAfter: 3)
    return (log, frame)
  }

  /// The same, torn.
  private func torn() throws -> LogFixture {
    let (log, frame) = try replaced()
    try log.segment.zero(frame.bodyEnd - 1200..<frame.end)
    return log
  }

  private func repair(
    _ log: LogFixture, _ keep: RepairPlan.Keep, accepting: [Loss] = []
  ) throws -> RepairPlan {
    var generator = SeededGenerator(seed: 17)
    let plan = try RepairPlan.make(
      for: try log.diagnose(.everything), in: log.disk, accepting: accepting, keep: keep,
      using: &generator)
    var executor = DiskExecutor(directory: log.disk)
    try executor.run(plan.steps)
    return plan
  }

  @Test func aTornOneTakesNothingBack() throws {
    let log = try torn()
    #expect(try log.diagnose().findings.map(\.verdict) == [.tornBody])
    #expect(try log.indices == Array(1...6))
    try LogFixture.open(log.disk)
    #expect(try log.indices == Array(1...6))
  }

  /// Neither for who reads past damage before it, nor for a repair of that.
  @Test func aTornOneBehindDamageTakesNothingBack() throws {
    let log = try torn()
    try log.segment.flip(at: log.segment.frames[1].offset + Layout.frame + 70)
    #expect(try log.diagnose().findings.map(\.verdict) == [.corruptBatch, .tornBody])
    let read = try log.readable()
    #expect(read.entries.map(\.index) == [1, 3, 4, 5, 6] && read.damage == 1)
    let plan = try repair(log, .after, accepting: [Loss(1...2)])
    #expect(plan.isAccepted && plan.losses == [Loss(1...2)])
    try LogFixture.open(log.disk)
    #expect(try log.indices == [3, 4, 5, 6])
  }

  /// Without a manifest nobody knows that it was not finished: all of it is named.
  @Test func withoutAManifestItNamesWhatItWasToReplace() throws {
    let log = try torn()
    for name in ManifestHeader.names { try log.disk.remove(name) }
    let plan = try repair(log, .before)
    #expect(!plan.isAccepted && plan.losses == [Loss(4...6)])
    #expect(try repair(log, .before, accepting: plan.losses).isAccepted)
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1, 2, 3])
  }

  /// Rot in one that may have been acknowledged: what the log goes on with is older, and that is said.
  @Test func anAmbiguousOneNamesWhatItReplaced() throws {
    let (log, frame) = try replaced()
    try log.segment.flip(at: frame.bodyEnd - 40)
    let finding = try #require(try log.diagnose().findings.first)
    #expect(finding.verdict == .ambiguousTail && finding.uncertain == 4...6)
    #expect(finding.firstIndex == 4 && finding.lastIndex == 6)
    #expect(finding.detail.contains("may have been taken back"))
    #expect(try repair(log, .before).losses == [Loss(4...6)])
  }

  /// What is cut takes nothing back, so it does not say either that damage before it hid nothing: the
  /// entry that is gone stays lost, and whoever gives it up is asked.
  @Test func whatACutFrameWasToTakeBackIsStillLost() throws {
    var log = try LogFixture()
    for _ in 1...5 { try log.segment.entry() }
    try log.segment.marker()
    let torn = try log.segment.batch([.filler(3000)], durable: 6, truncateAfter: 2)
    try log.segment.batch([.filler(100)], durable: 6)
    try log.segment.zero(torn.bodyEnd - 1200..<torn.end)
    try log.segment.zero(log.segment.frames[4].range)
    let findings = try log.diagnose().findings
    #expect(findings.map(\.verdict.refusesOpening) == [true, false])
    #expect(findings[0].firstIndex == 5 && findings[0].lastIndex == nil)
    #expect(try log.readable().entries.map(\.index) == Array(1...4))
    #expect(try log.readable().damage == 1)
    let plan = try repair(log, .before)
    #expect(!plan.isAccepted && plan.losses == [Loss(first: 5)])
  }

  /// The same where the frame went further back than the damage, and brought the log further than that.
  @Test func damageThatWasTakenBackInPartIsLostWhole() throws {
    var log = try LogFixture()
    for _ in 1...4 { try log.segment.entry() }
    let lost = try log.segment.batch((5...9).map { .filler(50, $0) })
    try log.segment.marker()
    let torn = try log.segment.batch([.filler(3000)], durable: 6, truncateAfter: 6)
    try log.segment.batch([.filler(100)], durable: 6)
    try log.segment.zero(torn.bodyEnd - 1200..<torn.end)
    try log.segment.zero(lost.range)
    #expect(try repair(log, .before).losses == [Loss(first: 5)])
  }

  /// It says of those before it that they stood, and of no others.
  @Test func aCutTruncationClearsNoDoubtBehindItself() throws {
    var log = try LogFixture()
    for _ in 1...4 { try log.segment.entry() }
    try log.segment.bare(.marker, durable: 4)
    let torn = try log.segment.batch([.filler(3000)], durable: 5, truncateAfter: 2)
    try log.segment.zero(torn.bodyEnd - 1200..<torn.end)
    try log.segment.flip(at: log.segment.frames[4].offset + 17)
    let findings = try log.diagnose().findings
    #expect(findings.map(\.verdict.refusesOpening) == [true, false])
    #expect(findings[0].uncertain == 3...4)
  }

  /// The frame is gone and the body tells what it brought: it took the place of more than that.
  @Test(arguments: [true, false])
  func aFramelessReplacementNamesAllThatItReplaced(_ hasManifest: Bool) throws {
    let (log, frame) = try replaced()
    try log.segment.flip(at: frame.offset + 17)
    if hasManifest {
      let finding = try #require(try log.diagnose().findings.first)
      #expect(finding.verdict == .ambiguousTail && finding.uncertain == 4...6)
      #expect(finding.firstIndex == 4 && finding.lastIndex == 6)
    } else {
      for name in ManifestHeader.names { try log.disk.remove(name) }
    }
    let plan = try repair(log, .before)
    #expect(!plan.isAccepted && plan.losses == [Loss(4...6)])
  }

  /// The frame that replaced the end of a segment is gone without a trace, and the manifests with it:
  /// the next segment says that it follows a higher term.
  @Test func aReplacementThatTheNextSegmentKnowsOfIsMissing() throws {
    var log = try LogFixture()
    for _ in 1...3 { try log.segment.batch([.filler(10)], term: 2) }
    let replacement = try log.segment.batch([.filler(10)], term: 3, truncateAfter: 2)
    try log.roll(isSealed: false)
    let first = try #require(log.state.segments.first)
    try log.disk.write(.zeros(replacement.bytes.count), to: first.fileName, at: replacement.offset)
    for name in ManifestHeader.names { try log.disk.remove(name) }
    let plan = try repair(log, .before)
    #expect(!plan.isAccepted && plan.losses == [Loss(3...3)])
    _ = try repair(log, .before, accepting: plan.losses)
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1, 2])
  }

  /// Sectors of free space far behind damage are not part of it.
  @Test func damageEndsWhereItsFrameSays() throws {
    var log = try LogFixture()
    for _ in 1...3 { try log.segment.entry() }
    try log.close()
    let last = log.segment.frames[2]
    try log.segment.flip(at: last.bodyEnd - 3)
    let sector = (last.end + 5 * Layout.page) / Layout.sector + 2
    log.disk.faults = [.unreadable(file: log.segment.name, sector: sector)]
    let plan = try repair(log, .before)
    #expect(!plan.isAccepted && plan.losses == [Loss(3...3)])
  }

  /// A number that leaves no room: a repair that would not open afterwards is not planned.
  @Test func noRepairIsPlannedThatWouldNotOpen() throws {
    var log = try LogFixture()
    try log.segment.batch([.filler(80)], manifestEdit: Layout.indexMax - 10)
    #expect(try log.diagnose().refusals.map(\.verdict) == [.corruptManifest])
    let before = try log.disk.contents()
    let error = #expect(throws: RecoveryError.self) {
      try repair(log, .before, accepting: [Loss(first: 1)])
    }
    #expect(error?.message.contains("leaves no room") == true)
    #expect(try log.disk.contents() == before)
  }

  /// Who waits behind damage without an end is told, and does not wait for ever.
  @Test func aFollowerBehindDamageIsTold() throws {
    var log = try LogFixture()
    for _ in 1...3 { try log.segment.entry() }
    try log.close()
    try log.segment.zero(log.segment.frames[2].range)
    #expect(try log.diagnose().refusals.first?.verdict == .corruptBatch)
    var follower = LogFollower(log.disk, from: 100)
    #expect(throws: RecoveryError.self) {
      _ = try follower.poll(onTruncation: { _ in }, into: { _ in true })
    }
  }

  /// Of the frame before the torn one nothing is left: the torn one says that it was there.
  @Test func whatLayBeforeATornFrameIsNamedByAll() throws {
    var log = try LogFixture()
    for _ in 1...6 { try log.segment.entry() }
    let torn = try log.segment.batch([.filler(3000)], durable: 6)
    try log.segment.zero(torn.bodyEnd - 1200..<torn.end)
    try log.segment.zero(log.segment.frames[5].range)
    let findings = try log.diagnose().findings
    #expect(findings.map(\.verdict) == [.corruptBatch, .tornBody])
    #expect(findings[0].firstIndex == 6 && findings[0].lastIndex == 6)
    let read = try log.readable()
    #expect(read.entries.map(\.index) == Array(1...5) && read.damage == 1)
    var follower = LogFollower(log.disk, from: 1)
    #expect(throws: RecoveryError.self) {
      while try follower.poll(onTruncation: { _ in }, into: { _ in true }) {}
    }
    #expect(try repair(log, .before).losses == [Loss(6...6)])
  }

  // MARK: Beside a writer

  /// The log grows between two looks, and what is said of the damage with it: it is the same damage.
  @Test func damageIsConfirmedThoughTheLogHasGrown() throws {
    var log = try LogFixture()
    for _ in 1...6 { try log.segment.entry() }
    try log.segment.marker()
    let last = log.segment.frames[5]
    let noise = Bytes([UInt8](repeating: 0xEE, count: last.bytes.count))
    try log.disk.write(noise, to: log.segment.name, at: last.offset)
    let watched = WatchedDisk(log.disk, locked: [true])
    let look = try DirectoryLook(
      watched,
      pause: {
        do { try log.segment.entry() } catch { Issue.record(error) }
      })
    #expect(log.segment.lastIndex > 6)
    #expect(look.findings.map(\.verdict) == [.corruptBatch])
    let view = try #require(LogView(look, in: watched))
    #expect(throws: RecoveryError.self) { try view.replay { _ in true } }
  }

  /// The file as it was when the scan began, and as a busy writer has left it when the scan reads it once
  /// more: two frames have come, and the second vouches for the first.
  private final class GrowingFile: ForwardingFile, @unchecked Sendable {
    let file: any StorageFile
    private let hidden: Range<Int>
    private var reads = 0

    init(_ file: any StorageFile, hiding hidden: Range<Int>) {
      self.file = file
      self.hidden = hidden
    }

    func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes {
      let bytes = try file.read(count, at: offset)
      reads += 1
      guard reads == 1 else { return bytes }
      var seen = bytes.array
      for i in hidden where i >= offset && i < offset + seen.count { seen[i - offset] = 0 }
      return Bytes(seen)
    }
  }

  @Test(arguments: [100, 6000])
  func framesThatComeWhileAScanIsUnderWayAreNoDamage(_ bytes: Int) throws {
    // The first window does not hold the whole file, so that what lies behind is read later.
    var segment = try SegmentFixture(capacity: 4 << 20)
    try segment.entry()
    let first = try segment.entry(bytes, durable: 1)
    try segment.entry(100, durable: 2)
    for hidden in [first.offset..<segment.end, first.offset + 3000..<segment.end]
    where hidden.lowerBound < first.bodyEnd {
      let file = GrowingFile(try segment.disk.open(segment.name, .read), hiding: hidden)
      let scan = try SegmentScan.scan(
        file, header: segment.header, capacity: segment.capacity)
      #expect(scan.breaks.allSatisfy { $0.shape == .zeros || $0.later == .none })
      #expect(scan.batches.count == 3 || scan.batches.count == 1)
    }
  }
}
