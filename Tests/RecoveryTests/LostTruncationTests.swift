// LostTruncationTests: a frame that cannot be read may have taken entries back. Whoever reads those is
// told, unless a later frame says where the log stood behind it.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct LostTruncationTests {
  /// Entries 1-18 in three frames; `frame` is the fourth.
  private func log(
    _ frame: (inout SegmentFixture) throws -> PlacedFrame
  ) throws -> (log: LogFixture, frame: PlacedFrame) {
    var log = try LogFixture()
    for i in 0..<3 {
      try log.segment.batch((0..<6).map { .filler(50, i * 6 + $0) }, durable: UInt32(i))
    }
    let placed = try frame(&log.segment)
    return (log, placed)
  }

  private func bareTruncation() throws -> (log: LogFixture, frame: PlacedFrame) {
    try log { try $0.bare(.truncation, durable: 3, truncateAfter: 10) }
  }

  private func expectUncertain(
    _ log: LogFixture, _ range: ClosedRange<LogIndex>?,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let diagnosis = try log.diagnose(.everything)
    let found = try #require(diagnosis.refusals.first, sourceLocation: sourceLocation)
    #expect(diagnosis.refusals.last?.uncertain == range, sourceLocation: sourceLocation)
    let words = "may have been taken back"
    let isSaid = diagnosis.refusals.contains { $0.detail.contains(words) }
    #expect(isSaid == (range != nil), sourceLocation: sourceLocation)
    #expect(found.verdict == .corruptBatch, sourceLocation: sourceLocation)
    let view = try #require(LogView(diagnosis, in: log.disk), sourceLocation: sourceLocation)
    var told: [String] = []
    try view.replay(onDamage: { told.append($0.message) }) { _ in true }
    #expect(told.contains { $0.contains(words) } == (range != nil), sourceLocation: sourceLocation)
  }

  @Test(arguments: [false, true])
  func aLostBareTruncationIsNamed(_ withMarker: Bool) throws {
    var (log, frame) = try bareTruncation()
    if withMarker { try log.segment.marker() }
    try log.close()
    try log.segment.flip(at: frame.offset + 17)
    try expectUncertain(log, 1...18)
  }

  @Test func aLostReplacementIsNamed() throws {
    var (log, frame) = try log {
      try $0.batch([.filler(90, 1), .filler(90, 2)], durable: 3, truncateAfter: 10)
    }
    try log.close()
    try log.segment.flip(at: frame.offset + 17)
    try log.segment.flip(at: frame.offset + Layout.frame + 9)
    try expectUncertain(log, 1...18)
    // The body alone tells which entries it brought, and so what was taken back.
    try log.segment.flip(at: frame.offset + Layout.frame + 9)
    try expectUncertain(log, nil)
  }

  /// A reader that stops before the damage is told all the same, and gets every entry before.
  @Test func aReaderThatStopsBeforeIsTold() throws {
    var (log, frame) = try bareTruncation()
    try log.close()
    try log.segment.flip(at: frame.offset + 17)
    let view = try #require(LogView(try log.diagnose(), in: log.disk))
    for to: LogIndex in [5, 18, .max] {
      var indices: [LogIndex] = []
      do {
        try view.replay(to: to) { entries in
          indices += entries.map(\.index)
          return true
        }
        Issue.record("entries were served as certain")
      } catch let error as RecoveryError {
        #expect(error.code == .damaged)
        #expect(error.message.contains("entries 1-18 may have been taken back"))
      }
      #expect(indices == Array(1...min(to, 18)))
    }
  }

  /// A later frame that is valid says where the log stood: what it goes on from was not taken back.
  @Test func aLaterFrameSettlesIt() throws {
    var (batch, lost) = try bareTruncation()
    try batch.segment.entry(durable: 4)
    try batch.close()
    try batch.segment.flip(at: lost.offset + 17)
    try expectUncertain(batch, nil)
    #expect(try batch.indices == Array(1...11))
    var (truncation, gone) = try bareTruncation()
    try truncation.segment.bare(.truncation, durable: 4, truncateAfter: 8)
    try truncation.close()
    try truncation.segment.flip(at: gone.offset + 17)
    try expectUncertain(truncation, nil)
    #expect(try truncation.indices == Array(1...8))
  }

  /// One damaged batch in the middle is what it was: nothing before it is in doubt.
  @Test func anOrdinaryDamagedBatchPutsNothingInDoubt() throws {
    for offset in [20, Layout.frame + Layout.bodyHeader + 3] {
      var (log, frame) = try log { try $0.entry(600, durable: 3) }
      try log.segment.entry(durable: 4)
      try log.close()
      try log.segment.flip(at: frame.offset + offset)
      try expectUncertain(log, nil)
      #expect(try log.indices == Array(1...18) + [20])
    }
  }

  /// The frame at the end can be read, and those behind it are gone: one may have been a truncation.
  @Test func framesThatAreGoneWithoutATraceMayHaveTakenBack() throws {
    var (log, frame) = try log { try $0.entry(600, durable: 3) }
    let truncation = try log.segment.bare(.truncation, durable: 4, truncateAfter: 10)
    try log.close()
    try log.segment.flip(at: frame.offset + Layout.frame + Layout.bodyHeader + 3)
    try log.segment.zero(truncation.range)
    try expectUncertain(log, 1...18)
  }

  /// A repair says it too, whatever loss is accepted.
  @Test func aRepairSaysIt() throws {
    var (log, frame) = try bareTruncation()
    try log.close()
    try log.segment.flip(at: frame.offset + 17)
    var generator = SeededGenerator(seed: 3)
    let plan = try RepairPlan.make(
      for: try log.diagnose(.everything), in: log.disk, accepting: [Loss(first: 19)], keep: .before,
      using: &generator)
    #expect(plan.notes.contains { $0.contains("entries 1-18 may have been taken back") })
  }
}
