// RepairLossTests: logs drawn from a seed, damaged in several places, and repaired. Whatever was in
// the log before is in it afterwards, byte for byte, or the repair named it as given up.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

/// A log, closed or stopped in the middle of a write, and every entry that it holds.
private struct DrawnLog {
  var log: LogFixture
  /// In order, the active one last.
  var segments: [SegmentFixture] = []
  private(set) var entries: [Entry] = []
  /// True when the last write, which was to replace a suffix, did not get finished.
  private(set) var isTorn = false

  init(using generator: inout SeededGenerator) throws {
    log = try LogFixture()
    let count = 1 + generator.below(4)
    for i in 0..<count {
      let batches = generator.below(i + 1 == count ? 5 : 4) + (i + 1 == count ? 0 : 1)
      for _ in 0..<batches { try Self.batch(&log.segment, &generator) }
      if i + 1 < count {
        segments.append(try log.roll(isSealed: generator.below(3) > 0))
      } else {
        segments.append(log.segment)
      }
    }
    if generator.below(3) > 0 {
      try log.close()
    } else {
      try tear(&generator)
    }
    let read = try log.readable()
    #expect(read.damage == 0)
    entries = read.entries
  }

  /// Everything before is vouched for, and stands.
  private mutating func tear(_ generator: inout SeededGenerator) throws {
    let (first, last) = (log.segment.header.firstIndex, log.segment.lastIndex)
    guard last >= first else { return try log.close() }
    try log.segment.marker()
    let torn = try log.segment.batch(
      [.filler(3000)], durable: log.segment.ordinal,
      truncateAfter: first - 1 + LogIndex(generator.below(Int(last - first) + 1)))
    try log.segment.zero(torn.bodyEnd - 1200..<torn.end)
    segments[segments.count - 1] = log.segment
    isTorn = true
  }

  private static func batch(
    _ segment: inout SegmentFixture, _ generator: inout SeededGenerator
  ) throws {
    let synced = segment.ordinal
    if generator.below(5) == 0 {
      try segment.bare(.marker, durable: synced)
    } else {
      let bytes = generator.below(5) == 0 ? 5000 : 80
      let count = bytes > 80 ? 1 : 1 + generator.below(4)
      let seed = generator.below(200)
      try segment.batch((0..<count).map { .filler(bytes, seed + $0) }, durable: synced)
    }
  }
}

/// What is done to a log. Nothing here leaves what a crash leaves: all but a torn write is vouched for.
private enum Injury: CaseIterable {
  case frame, frameAndBody, body, zeros, header, footer, missing

  /// True for damage that nobody can see once no manifest says what was there.
  var needsManifest: Bool { self == .zeros || self == .missing }

  /// - Returns: false where there is nothing to damage like this.
  func inflict(
    on segment: SegmentFixture, _ disk: SimulatedDisk, _ generator: inout SeededGenerator
  ) throws -> Bool {
    guard try disk.list().contains(where: { $0.name == segment.name }) else { return false }
    if self == .missing {
      try disk.remove(segment.name)
      return true
    }
    if self == .header {
      try segment.flip(at: 12 + generator.below(80), bit: generator.below(8))
      return true
    }
    if self == .footer {
      let size = try disk.open(segment.name, .read).size()
      guard size < segment.capacity else { return false }
      try segment.flip(at: size - 1 - generator.below(16))
      return true
    }
    guard !segment.frames.isEmpty else { return false }
    let placed = segment.frames[generator.below(segment.frames.count)]
    switch self {
    case .frame, .frameAndBody:
      try segment.flip(at: placed.offset + 8 + generator.below(48), bit: generator.below(8))
      if self == .frameAndBody {
        try segment.flip(at: placed.offset + Layout.frame + 4 + generator.below(56))
      }
    case .body:
      guard placed.frame.bodyBytes > 0 else { return false }
      try segment.flip(at: placed.offset + Layout.frame + generator.below(placed.frame.bodyBytes))
    case .zeros: try segment.zero(placed.range)
    case .header, .footer, .missing: break
    }
    return true
  }
}

@Suite struct RepairLossTests {
  private func repair(
    _ disk: SimulatedDisk, _ keep: RepairPlan.Keep, accepting: [Loss]
  ) throws -> RepairPlan {
    var generator = SeededGenerator(seed: 17)
    return try RepairPlan.make(
      for: try LogFixture.diagnose(disk, depth: .everything), in: disk, accepting: accepting,
      keep: keep, using: &generator)
  }

  /// Opens the log and reads it.
  private func opened(_ disk: SimulatedDisk, _ place: String) throws -> [Entry] {
    try LogFixture.open(disk)
    let diagnosis = try LogFixture.diagnose(disk, depth: .everything)
    #expect(diagnosis.refusals.isEmpty, "\(place): \(diagnosis.refusals)")
    let view = try #require(LogView(diagnosis, in: disk))
    var entries: [Entry] = []
    try view.replay { more in
      entries += more
      return true
    }
    return entries
  }

  /// A drawn log, damaged: the same for the same seed.
  private func damaged(_ seed: UInt64) throws -> (drawn: DrawnLog, what: String) {
    var generator = SeededGenerator(seed: seed)
    let drawn = try DrawnLog(using: &generator)
    let hasManifest = generator.below(3) > 0
    var what: [String] = []
    for _ in 0..<1 + generator.below(3) {
      let injury = Injury.allCases[generator.below(Injury.allCases.count)]
      let segment = drawn.segments[generator.below(drawn.segments.count)]
      guard hasManifest || !injury.needsManifest else { continue }
      if try injury.inflict(on: segment, drawn.log.disk, &generator) {
        what.append("\(injury) in \(segment.name)")
      }
    }
    if !hasManifest {
      for name in ManifestHeader.names { try drawn.log.disk.remove(name) }
      what.append("no manifest")
    }
    return (drawn, what.joined(separator: ", "))
  }

  @Test(arguments: RepairPlan.Keep.allCases)
  func everyEntryIsThereOrNamed(_ keep: RepairPlan.Keep) throws {
    var repaired = 0
    var torn = 0
    var open = 0
    for seed in UInt64(0)..<250 {
      let (drawn, what) = try damaged(seed)
      let disk = drawn.log.disk
      let place = "seed \(seed), \(what), keep \(keep)"
      let plan: RepairPlan
      do {
        plan = try repair(disk, keep, accepting: [Loss(first: 1)])
      } catch let error as RecoveryError {
        // No header is left that says whose log this was, or none of it was ever written.
        let isUnborn = error.code == .noLog && drawn.entries.isEmpty
        #expect(error.code == .lost || isUnborn, "\(place): \(error)")
        continue
      }
      var executor = DiskExecutor(directory: disk)
      try executor.run(plan.steps)
      let kept = try opened(disk, place)
      let byIndex = Dictionary(kept.map { ($0.index, $0) }, uniquingKeysWith: { $1 })
      for entry in drawn.entries {
        let isNamed = plan.losses.contains { $0.contains(entry.index) }
        #expect(isNamed || byIndex[entry.index] == entry, "\(place): entry \(entry.index)")
      }
      // And nothing is in the log that was not.
      #expect(Set(kept).isSubset(of: drawn.entries), "\(place)")
      torn += drawn.isTorn ? 1 : 0
      repaired += plan.losses.isEmpty ? 0 : 1
      open += plan.losses.contains(where: \.isOpenEnded) ? 1 : 0
    }
    #expect(
      repaired >= 80 && open >= 10 && torn >= 40,
      "\(repaired) with a loss, \(open) without an end, \(torn) torn")
  }

  /// The ranges that a plan asks for are enough, and nothing less is.
  @Test func aLossIsAcceptedByItsNameAlone() throws {
    var tried = 0
    var apart = 0
    for seed in UInt64(1000)..<1080 {
      let (drawn, what) = try damaged(seed)
      guard let plan = try? repair(drawn.log.disk, .before, accepting: []), !plan.losses.isEmpty
      else { continue }
      tried += 1
      apart += plan.losses.count > 1 ? 1 : 0
      func isAccepted(_ accepted: [Loss]) throws -> Bool {
        try repair(drawn.log.disk, .before, accepting: accepted).isAccepted
      }
      #expect(!plan.isAccepted && plan.steps.isEmpty, "\(what)")
      #expect(try isAccepted(plan.losses), "\(what): \(plan.losses)")
      for (i, loss) in plan.losses.enumerated() {
        var named = plan.losses
        named.remove(at: i)
        #expect(try !isAccepted(named), "\(what): without \(loss)")
        #expect(
          try !isAccepted(named + [Loss(first: loss.first + 1, last: loss.last)]), "\(what)")
        let shorter = (loss.last ?? 1000) - 1
        guard shorter >= loss.first else { continue }
        #expect(try !isAccepted(named + [Loss(loss.first...shorter)]), "\(what): \(loss)")
      }
    }
    #expect(tried >= 20 && apart >= 3, "\(tried) with a loss, \(apart) with several")
  }
}
