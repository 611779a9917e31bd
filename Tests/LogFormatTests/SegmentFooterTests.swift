// SegmentFooterTests: what a sealed segment says about itself, in two parts with a checksum each.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

struct SegmentFooterTests {
  private static let header = Sample.header()

  private static func footer(runs: Int, batches: Int) -> SegmentFooter {
    SegmentFooter(
      offset: Layout.page * (batches + 1), lastOrdinal: UInt32(batches) + 2,
      lastChecksum: 0xFACE_0001, lastIndex: 100 + LogIndex(batches * 3), lastTerm: 9,
      digest: 0xD16E_5701,
      termRuns: (0..<runs).map { TermRun(firstIndex: 101 + LogIndex($0), term: 5 + Term($0)) },
      batches: (0..<batches).map {
        BatchLocation(
          offset: Layout.page * ($0 + 1), ordinal: UInt32($0) + 1,
          firstIndex: 101 + LogIndex($0 * 3), lastIndex: 103 + LogIndex($0 * 3))
      })
  }

  private static let sizes = [(0, 0), (1, 1), (3, 5), (2, 300), (200, 2)]

  private func decode(
    _ bytes: Bytes, header: SegmentHeader = Self.header, batchIndex: Bool = true
  ) throws -> SegmentFooter {
    try SegmentFooter(decoding: bytes.span, header: header, batchIndex: batchIndex)
  }

  private func trailerOffset(_ bytes: Bytes) throws -> Int {
    try SegmentFooter.offset(trailer: bytes.span)
  }

  @Test(arguments: sizes)
  func aFooterComesBackAsItWent(_ runs: Int, _ batches: Int) throws {
    let footer = Self.footer(runs: runs, batches: batches)
    let bytes = footer.encoded(header: Self.header)
    #expect(bytes.count % Layout.page == 0)
    #expect(bytes.count == SegmentFooter.size(termRuns: runs, batches: batches))
    #expect(try decode(bytes) == footer)
    #expect(try trailerOffset(bytes) == footer.offset)
    // A reader that has only the end of the file finds the footer too.
    #expect(try trailerOffset(bytes[bytes.count - 16..<bytes.count]) == footer.offset)
  }

  @Test func openingNeedsNoBatchIndex() throws {
    let footer = Self.footer(runs: 3, batches: 5)
    let bytes = footer.encoded(header: Self.header)
    var expected = footer
    expected.batches = []
    #expect(try decode(bytes, batchIndex: false) == expected)
    // Nor does rot in it matter to an opening.
    let fixedEnd = 168 + 16 * 3
    let rotten = bytes.flipped(at: fixedEnd + 20)
    #expect(try decode(rotten, batchIndex: false) == expected)
    #expect(refusal { try decode(rotten) } == .badChecksum)
    #expect(try decode(bytes[0..<fixedEnd], batchIndex: false) == expected)
  }

  @Test(arguments: [true, false])
  func everyFlippedBitIsNoticedOrHarmless(_ batchIndex: Bool) throws {
    let bytes = Self.footer(runs: 3, batches: 5).encoded(header: Self.header)
    let expected = try decode(bytes, batchIndex: batchIndex)
    let unnoticed = bytes.unnoticedFlips { bytes in
      guard let footer = try? decode(bytes, batchIndex: batchIndex) else { return true }
      return footer == expected
    }
    #expect(unnoticed == [])
  }

  @Test func eachPartIsGuarded() {
    let bytes = Self.footer(runs: 3, batches: 5).encoded(header: Self.header)
    let guarded = 0..<168 + 16 * 3 + 16 * 5
    #expect(bytes.unnoticedFlips(in: guarded) { b in refusal { try decode(b) } != nil } == [])
    let trailer = bytes.count - 16..<bytes.count
    #expect(
      bytes.unnoticedFlips(in: trailer) { b in refusal { try trailerOffset(b) } != nil } == [])
    // Between the two there is nothing but zeros.
    #expect(bytes[guarded.upperBound..<trailer.lowerBound].isZero)
  }

  @Test func aFooterBelongsToItsSegment() {
    let bytes = Self.footer(runs: 1, batches: 1).encoded(header: Self.header)
    let others = [
      Sample.header(uid: UID(high: 3, low: 5)), Sample.header(firstIndex: 102),
      Sample.header(purpose: .rebuilt),
    ]
    for other in others {
      #expect(refusal { try decode(bytes, header: other) } == .inconsistent)
    }
  }

  // MARK: Hostile bytes

  /// A field of the fixed part falsified, and its checksum put right.
  private func falsified<T: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: Bytes, at offset: Int, with value: T
  ) -> Bytes {
    bytes.replacing(at: offset, with: value).sealed(at: 8, covering: 12..<168 + 16 * 3)
  }

  @Test func countsAreBoundedBeforeTheyAreBelieved() {
    let bytes = Self.footer(runs: 3, batches: 5).encoded(header: Self.header)
    #expect(refusal { try decode(bytes.replacing(at: 12, with: UInt32.max)) } == .truncated)
    #expect(refusal { try decode(falsified(bytes, at: 16, with: UInt32.max)) } == .truncated)
    // More than there are, and yet within the bytes: the checksums tell.
    #expect(refusal { try decode(falsified(bytes, at: 16, with: UInt32(6))) } == .badChecksum)
    #expect(refusal { try decode(falsified(bytes, at: 12, with: UInt32(4))) } == .badChecksum)
  }

  @Test func offsetsAreBounded() {
    let bytes = Self.footer(runs: 3, batches: 5).encoded(header: Self.header)
    for offset in [UInt64.max, UInt64(Layout.segmentBytesMax) + 1] {
      #expect(refusal { try decode(falsified(bytes, at: 24, with: offset)) } == .outOfRange)
      let at = bytes.count - 16
      let trailer = bytes.replacing(at: at, with: offset).sealed(at: at + 8, covering: at..<at + 8)
      #expect(refusal { try trailerOffset(trailer) } == .outOfRange)
    }
  }

  @Test func aBatchWithoutEntriesIsRefused() {
    let bytes = Self.footer(runs: 3, batches: 5).encoded(header: Self.header)
    let index = 168 + 16 * 3
    let changed = bytes.replacing(at: index + 16 + 12, with: UInt32(0))
      .sealed(at: 20, covering: index..<index + 16 * 5)
    #expect(refusal { try decode(changed.sealed(at: 8, covering: 12..<index)) } == .inconsistent)
  }

  @Test func everyShorterFooterIsTruncated() {
    let bytes = Self.footer(runs: 3, batches: 5).encoded(header: Self.header)
    for count in 0..<168 + 16 * 3 + 16 * 5 {
      #expect(refusal { try decode(bytes[0..<count]) } == .truncated, "\(count) bytes")
    }
    for count in 0..<16 { #expect(refusal { try trailerOffset(bytes[0..<count]) } == .truncated) }
    #expect(refusal { try decode(Bytes([UInt8](repeating: 0, count: 4096))) } == .badMagic)
    #expect(refusal { try trailerOffset(Bytes([UInt8](repeating: 0, count: 16))) } == .badMagic)
  }
}
