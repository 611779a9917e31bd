// How much is read: what recovery costs must not grow with the damage, nor opening with the log.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import Testing

@Suite struct ReadCountTests {
  enum Damage: CaseIterable {
    case zeroedFrame, flippedFrame, flippedBody
  }

  /// Every second frame is damaged, and none vouches for any: each break has to know that, and where
  /// the next frame begins.
  @Test(arguments: Damage.allCases)
  func aScanReadsAFileAFewTimesHoweverManyBreaksThereAre(_ damage: Damage) throws {
    var segment = try SegmentFixture(capacity: 2 << 20)
    // The last frame is whole, or damage of the one before could not be told from the end.
    let count = 301
    for _ in 0..<count { try segment.entry() }
    for frame in segment.frames where frame.frame.ordinal % 2 == 0 {
      switch damage {
      case .zeroedFrame: try segment.zero(frame.range)
      case .flippedFrame: try segment.flip(at: frame.offset + 30)
      case .flippedBody: try segment.flip(at: frame.bodyEnd - 20)
      }
    }
    let counting = CountingDirectory(segment.disk)
    let scan = try SegmentScan.scan(
      try counting.open(segment.name, .read), header: segment.header, capacity: segment.capacity)
    #expect(scan.batches.map(\.ordinal) == [1])
    #expect(scan.batchesBehindBreak.map(\.ordinal) == (1...150).map { 2 * $0 + 1 })
    let breaks = scan.breaks.filter { $0.shape != .zeros }
    #expect(breaks.map(\.ordinal) == (1...150).map { 2 * $0 })
    #expect(breaks.allSatisfy { $0.later == .notVouching })
    #expect(breaks.allSatisfy { $0.resumesAt == $0.offset + Layout.page })
    #expect(
      breaks.allSatisfy { $0.firstIndex == LogIndex($0.ordinal) && $0.lastIndex == $0.firstIndex })
    let read = try #require(counting.bytesRead[segment.name])
    #expect(read <= 4 * segment.capacity, "\(read) bytes of a file of \(segment.capacity)")
  }

  /// A log with a sealed segment of `count` batches.
  private func log(_ count: Int) throws -> (log: LogFixture, sealed: SegmentFixture) {
    var log = try LogFixture()
    for _ in 0..<count { try log.segment.entry() }
    try log.segment.marker()
    let sealed = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.marker()
    return (log, sealed)
  }

  @Test(arguments: [1, 400])
  func openingReadsTwoPagesOfASealedSegment(_ count: Int) throws {
    let (log, sealed) = try log(count)
    let counting = CountingDirectory(log.disk)
    let evidence = try DirectoryEvidence.gather(counting)
    #expect(Diagnosis(evidence).findings.isEmpty)
    let footer = try #require(evidence.segments.first?.footer)
    #expect(footer.lastIndex == LogIndex(count) && footer.batches.isEmpty)
    let read = try #require(counting.bytesRead[sealed.name])
    #expect(read <= Layout.segmentHeader + Layout.page + 16, "\(read) bytes")
    // Who wants to know where the batches lie says so.
    let more = try DirectoryEvidence.gather(log.disk, depth: .batchIndexes)
    #expect(more.segments.first?.footer?.batches.count == count)
    #expect(try log.indices == Array(1...LogIndex(count) + 1))
  }

  /// Terms that change at every entry take more than a page of the footer, and opening needs them.
  @Test func openingReadsAllTerms() throws {
    var log = try LogFixture()
    for i in 0..<300 { try log.segment.batch([.filler(10, i)], term: Term(i + 1)) }
    try log.segment.marker()
    try log.roll(isSealed: true)
    let footer = try #require(try log.diagnose().evidence.segments.first?.footer)
    #expect(footer.termRuns.count == 300 && footer.batches.isEmpty)
    #expect(try log.diagnose().findings.isEmpty)
  }

  /// What opening does not read of a footer is found when every byte is read, and costs no entry.
  @Test func aDamagedBatchIndexIsFoundWhenEverythingIsRead() throws {
    let (log, sealed) = try log(5)
    // Behind the fixed part and one run of terms.
    try sealed.flip(at: sealed.end + 168 + 16 + 5)
    #expect(try log.diagnose().findings.isEmpty)
    #expect(try log.diagnose(.batchIndexes).findings.map(\.verdict) == [.healedFooter])
    #expect(try log.diagnose(.everything).findings.map(\.verdict) == [.healedFooter])
    let readable = try log.readable()
    #expect(readable.entries.map(\.index) == [1, 2, 3, 4, 5, 6] && readable.damage == 0)
  }
}
