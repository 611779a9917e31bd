// Pages in the wrong place: whole and valid, and not the ones that belong there. Opening does not read
// a sealed segment's batches, so whoever reads them has to notice.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import Testing

@Suite struct MisdirectionTests {
  /// Puts the page at which one frame begins where another begins.
  private func misdirect(
    _ source: PlacedFrame, to target: PlacedFrame, in segment: SegmentFixture
  ) throws {
    let page = try segment.disk.open(segment.name, .read).read(Layout.page, at: source.offset)
    try segment.disk.write(page, to: segment.name, at: target.offset)
  }

  @Test func aPageOfAnotherBatchIsNoHole() throws {
    var log = try LogFixture()
    for i in 0..<5 { try log.segment.entry(durable: UInt32(i)) }
    let sealed = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.marker()
    try misdirect(sealed.frames[1], to: sealed.frames[3], in: sealed)
    #expect(try log.diagnose().findings.isEmpty)
    let readable = try log.readable()
    #expect(readable.entries.map(\.index) == [1, 2, 3, 5, 6])
    #expect(readable.damage == 1)
    let view = try #require(LogView(try log.diagnose(), in: log.disk))
    do {
      try view.replay { _ in true }
      Issue.record("a hole was passed over")
    } catch let error as RecoveryError {
      #expect(error.code == .damaged)
      #expect(error.message.contains("\(sealed.name) at byte \(sealed.frames[3].offset)"))
      #expect(error.message.contains("entry 4 cannot be read"))
    }
  }

  /// Both batches begin with the same index; the log holds the second alone.
  @Test func aPageOfWhatWasTruncatedIsNotRead() throws {
    var log = try LogFixture()
    try log.segment.entry()
    let old = Bytes.filler(100, 77)
    let new = Bytes.filler(100, 78)
    let first = try log.segment.batch([old], durable: 1)
    let second = try log.segment.batch([new], durable: 2, truncateAfter: 1)
    try log.segment.marker()
    let sealed = try log.roll(isSealed: true)
    #expect(try log.readable().entries.map(\.payload).last == new)
    try misdirect(first, to: second, in: sealed)
    #expect(try log.diagnose().findings.isEmpty)
    let readable = try log.readable()
    #expect(readable.entries.map(\.index) == [1] && readable.damage == 1)
  }

  /// A batch is read whole or in part where its location says so, and never beyond.
  @Test func aBatchIsHeldAgainstItsLocation() throws {
    var segment = try SegmentFixture(header: SegmentFixture.header(firstIndex: 50))
    // Of entries 49 to 52 the log takes all but the first.
    try segment.batch([.filler(10), .filler(20), .filler(30), .filler(40)], skip: 1)
    let location = try #require(try segment.scan().batches.first)
    #expect(location.firstIndex == 50 && location.lastIndex == 52)
    #expect(try segment.entries(at: [location]).map(\.index) == [50, 51, 52])
    var clamped = location
    clamped.lastIndex = 51
    #expect(try segment.entries(at: [clamped]).map(\.index) == [50, 51])
    var other = location
    other.ordinal += 1
    var early = location
    early.firstIndex -= 1
    var late = location
    late.lastIndex += 1
    for wrong in [other, early, late] {
      #expect(throws: RecoveryError.self) { try segment.entries(at: [wrong]) }
    }
  }
}
