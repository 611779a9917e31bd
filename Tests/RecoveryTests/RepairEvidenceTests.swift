// RepairEvidenceTests: what a repair may take for the whole log, for durable, or for a file of the log,
// and what opening does with a directory that was a log once.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct RepairEvidenceTests {
  private func repair(
    _ disk: SimulatedDisk, _ keep: RepairPlan.Keep = .before, accepting: [Loss] = []
  ) throws -> RepairPlan {
    var generator = SeededGenerator(seed: 17)
    let plan = try RepairPlan.make(
      for: try LogFixture.diagnose(disk, depth: .everything), in: disk, accepting: accepting,
      keep: keep, using: &generator)
    var executor = DiskExecutor(directory: disk)
    try executor.run(plan.steps)
    return plan
  }

  private func loseManifests(_ disk: SimulatedDisk) throws {
    for name in ManifestHeader.names { try disk.remove(name) }
  }

  // MARK: A log that lost its manifests is no log that was never started

  /// Compacted to its end and closed: no frame is left, and no vote was given.
  @Test func aCompactedLogWithoutAFrameIsNotUnborn() throws {
    let disk = SimulatedDisk()
    let generation = VoteFile(
      generation: 0, state: HardState(), incarnation: UID(high: 1, low: 1),
      group: SegmentFixture.group)
    for name in VoteFile.names { try disk.make(name, generation.encoded()) }
    let header = SegmentFixture.header(firstIndex: 2001, previousTerm: 3, sequence: 4)
    _ = try SegmentFixture(on: disk, header: header)
    #expect(try LogFixture.diagnose(disk).refusals.map(\.verdict) == [.manifestLost])
    #expect(throws: RecoveryError.self) { try LogFixture.open(disk) }
    #expect(try repair(disk).isAccepted)
    let opened = try LogFixture.open(disk).opened
    #expect(opened.manifest.firstIndex == 2001 && opened.manifest.previousTerm == 3)
  }

  /// A segment that is not the first, though nothing but its name is left; and the reserve, which is
  /// made by a log that is open.
  @Test func whatOnlyALogMakesIsATraceOfOne() throws {
    let names = [
      SegmentName(sequence: 2, firstIndex: 1), SegmentName(sequence: 1, firstIndex: 9),
    ].map(\.description)
    for name in names + [DirectoryEvidence.Names.reserve] {
      let disk = SimulatedDisk()
      try disk.make(name, .zeros(8192))
      let verdicts = try LogFixture.diagnose(disk).refusals.map(\.verdict)
      #expect(verdicts == [.manifestLost], "\(name)")
    }
  }

  /// Wherever the first start is cut short before its first rename, it starts over.
  @Test func aStartThatDidNotGetFinishedIsNoLog() throws {
    let disk = SimulatedDisk()
    var generator = SeededGenerator(seed: 5)
    let plan = try OpeningPlan.make(
      for: try LogFixture.diagnose(disk), in: disk, options: LogFixture.options,
      using: &generator)
    var executor = DiskExecutor(directory: disk)
    var steps = 0
    for step in plan.steps {
      #expect(try LogFixture.diagnose(disk).isUnborn, "before \(step)")
      if case .rename = step { break }
      try executor.run(step)
      steps += 1
    }
    #expect(steps > 8)
  }

  // MARK: A segment that is not whole

  /// Nine entries, and no manifest.
  private func nine() throws -> LogFixture {
    var log = try LogFixture()
    for i in 0..<9 { try log.segment.entry(durable: UInt32(i)) }
    try loseManifests(log.disk)
    return log
  }

  @Test func aSegmentThatWasCutOffIsNotWhole() throws {
    #expect(try repair(try nine().disk).losses.isEmpty)
    let sizes = [0, 1, 100]
    for more in sizes {
      let log = try nine()
      try log.segment.cut(to: log.segment.frames[4].end + more)
      let loss = Loss(first: 6)
      #expect(try repair(log.disk).losses == [loss], "\(more)")
      #expect(try repair(log.disk, accepting: [Loss(6...9)]).steps.isEmpty)
      #expect(try repair(log.disk, accepting: [loss]).isAccepted)
      #expect(try log.indices == [1, 2, 3, 4, 5])
    }
  }

  /// The frame says how far its batch went, and nobody how far the log did.
  @Test func aSegmentThatEndsWithinABatchIsNotWhole() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    let last = try log.segment.entry(20_000, durable: 3)
    try log.segment.entry(durable: 4)
    try loseManifests(log.disk)
    try log.segment.cut(to: last.offset + 3 * Layout.page)
    #expect(try repair(log.disk).losses == [Loss(first: 4)])
  }

  /// A segment that was full to the last page that a writer uses.
  @Test func aFullSegmentIsWhole() throws {
    let disk = SimulatedDisk()
    let log = try WrittenLog(disk)
    var count = 0
    while log.rolls == 0 {
      try log.append(1)
      count += 1
    }
    let state = try #require(try LogFixture.diagnose(disk).evidence.manifest?.state)
    try disk.remove(state.segments[1].fileName)
    // As it was before the roll.
    let full = state.segments[0]
    let end = try #require(full.end)
    try disk.open(full.fileName, .update).truncate(to: end.offset)
    try disk.open(full.fileName, .update).extendWithZeros(to: full.capacity)
    try loseManifests(disk)
    #expect(count > 2)
    #expect(try repair(disk).losses.isEmpty)
  }

  /// A segment's name, and nothing in the file: a writer gives no file that name before its header.
  @Test(arguments: [0, 100, 8192])
  func aSegmentOfZerosIsALoss(_ size: Int) throws {
    let log = try nine()
    let name = SegmentName(sequence: 2, firstIndex: 10).description
    try log.disk.make(name, .zeros(size))
    #expect(try repair(log.disk).losses == [Loss(first: 10)])
    #expect(try repair(log.disk, accepting: [Loss(first: 10)]).isAccepted)
    #expect(try log.disk.bytes(of: "quarantine/\(name)").count == size)
    #expect(try log.indices == Array(1...9))
  }

  /// Three entries and a damaged batch of two, and no manifest.
  private func damagedAtItsEnd() throws -> LogFixture {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    let gone = try log.segment.batch([.filler(50), .filler(50)], durable: 3)
    try loseManifests(log.disk)
    try log.segment.flip(at: gone.bodyEnd - 1)
    return log
  }

  /// A repair that was cut short leaves no file that the next one takes for a lost segment.
  @Test func whatACutShortRepairLeavesIsNoLoss() throws {
    #expect(try repair(try damagedAtItsEnd().disk).losses == [Loss(4...5)])
    let count = try repair(try damagedAtItsEnd().disk, accepting: [Loss(4...5)]).steps.count
    for stop in 0..<count {
      let log = try damagedAtItsEnd()
      let disk = log.disk
      var generator = SeededGenerator(seed: 17)
      let plan = try RepairPlan.make(
        for: try LogFixture.diagnose(disk, depth: .everything), in: disk,
        accepting: [Loss(4...5)], keep: .before, using: &generator)
      var executor = DiskExecutor(directory: disk)
      try executor.run(Array(plan.steps.prefix(stop)))
      #expect(try repair(disk, accepting: [Loss(4...5)]).isAccepted, "\(stop) of \(count) steps")
      try LogFixture.open(disk)
      #expect(try log.indices == [1, 2, 3], "\(stop) of \(count) steps")
    }
  }

  // MARK: What only the page cache may have

  /// Entry 3 is above the mark and valid. A sync would not tell whether the disk has it.
  @Test func whatIsAboveTheMarkIsMadeAnew() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    let last = try log.segment.entry(durable: 2)
    try loseManifests(log.disk)
    try log.segment.flip(at: last.bodyEnd - 1)
    let old = log.segment.name
    let plan = try repair(log.disk, accepting: [Loss(4...4)])
    #expect(plan.losses == [Loss(4...4)] && plan.isAccepted)
    let isTrusted = plan.steps.contains { $0 == .sync(old) }
    #expect(!isTrusted)
    let state = try #require(try log.diagnose().evidence.manifest).state
    #expect(state.segments.allSatisfy { $0.fileName != old })
    #expect(state.segments[0].purpose == .rebuilt && state.segments[0].end?.index == 3)
    #expect(try log.indices == [1, 2, 3])
  }

  /// What a later frame vouches for stays where it is, though that frame lies behind the damage.
  @Test func whatIsVouchedForStays() throws {
    var log = try LogFixture()
    for i in 0..<4 { try log.segment.entry(durable: UInt32(i)) }
    try log.segment.marker()
    try log.segment.flip(at: log.segment.frames[3].bodyEnd - 1)
    let plan = try repair(log.disk, accepting: [Loss(4...4)])
    #expect(plan.losses == [Loss(4...4)] && plan.isAccepted)
    let state = try #require(try log.diagnose().evidence.manifest).state
    #expect(state.segments[0].fileName == log.segment.name)
    #expect(state.segments[0].durableThrough == 3)
    #expect(try log.indices == [1, 2, 3])
  }

  // MARK: What opening cuts without asking

  /// Entries 2 and 3 in an ambiguous tail: a repair that cuts it asks first.
  @Test func anAmbiguousTailIsALoss() throws {
    var log = try LogFixture()
    try log.segment.entry()
    let tail = try log.segment.batch([.filler(50, 1), .filler(50, 2)], durable: 1)
    try log.segment.flip(at: tail.bodyEnd - 1)
    #expect(try log.diagnose().findings.map(\.verdict) == [.ambiguousTail])
    let untouched = try log.disk.contents()
    for accepted in [[], [Loss(2...2)], [Loss(3...9)], [Loss(1...1), Loss(3...9)]] {
      let plan = try repair(log.disk, accepting: accepted)
      #expect(plan.losses == [Loss(2...3)] && !plan.isAccepted && plan.steps.isEmpty)
      #expect(plan.notes.contains { $0.contains("entries 2-3") && $0.contains("does not ask") })
    }
    #expect(try log.disk.contents() == untouched)
    #expect(try repair(log.disk, accepting: [Loss(2...3)]).isAccepted)
    #expect(try log.indices == [1])
  }

  /// Beside damage that is repaired it is left to the next opening, and named all the same.
  @Test func anAmbiguousTailIsNamedBesideOtherDamage() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.entry(durable: UInt32(i)) }
    let ended = try log.roll(isSealed: true)
    try log.segment.entry()
    let tail = try log.segment.batch([.filler(50, 1), .filler(50, 2)], durable: 1)
    try log.segment.flip(at: tail.bodyEnd - 1)
    try log.disk.remove(ended.name)
    let plan = try repair(log.disk, .after)
    #expect(plan.losses == [Loss(1...3), Loss(5...6)])
    #expect(plan.notes.contains { $0.contains("left to the next opening") })
    #expect(try repair(log.disk, .after, accepting: [Loss(1...6)]).isAccepted)
    try LogFixture.open(log.disk)
    #expect(try log.indices == [4])
  }

  // MARK: A footer that only a look at every byte contradicts

  /// Opening neither sees nor mends it, and the words of its row do not say so.
  @Test func paddingThatRottedIsMendedByARepair() throws {
    var log = try LogFixture()
    try log.segment.entry()
    let sealed = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.marker()
    try sealed.flip(at: sealed.frames[0].end - 1)
    try LogFixture.open(log.disk)
    let found = try #require(
      try log.diagnose(.everything).findings.first { $0.verdict == .healedFooter })
    #expect(found.verdict.action.contains("`walinspect repair` does"))
    #expect(try repair(log.disk).losses.isEmpty)
    #expect(try log.diagnose(.everything).findings.isEmpty)
  }
}
