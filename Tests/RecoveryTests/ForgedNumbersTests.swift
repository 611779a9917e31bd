// ForgedNumbersTests: numbers with a sound checksum that no writer wrote. They are out of order, and
// neither end in an overflow nor take memory on their word.

import ByteBuffers
import LogFormat
import Simulation
import StorageIO
import TestSupport
import Testing

import Recovery

@Suite struct ForgedNumbersTests {
  /// A frame that is gone, with a body that may be believed, behind the highest ordinal there is.
  @Test(arguments: [.max - 1, .max - 2, 1 << 31, 1000] as [UInt32])
  func anOrdinalThatTheFileHasNoRoomForIsOutOfOrder(_ ordinal: UInt32) throws {
    var segment = try SegmentFixture()
    let first = try segment.entry()
    let forged = try segment.batch([.filler(90, 1)], ordinal: ordinal)
    let lost = try segment.batch([.filler(90, 2)], ordinal: 3)
    try segment.flip(at: first.offset + 17)
    try segment.flip(at: lost.offset + 17)
    let scan = try segment.scan()
    #expect(scan.breaks.contains { $0.offset == first.offset })
    #expect(
      scan.batches.isEmpty && !scan.batchesBehindBreak.contains { $0.offset == forged.offset })
    // In the chain, too.
    try segment.restore(first)
    let chained = try segment.scan()
    #expect(chained.end.ordinal == 1)
    #expect(chained.breaks.first?.shape == .outOfOrder)
  }

  /// A sound trailer far behind what it names.
  @Test(arguments: [0, 1, 1 << 20, .max] as [UInt32])
  func aFooterThatDoesNotEndWhereTheFileDoesIsNotRead(_ count: UInt32) throws {
    let disk = SimulatedDisk()
    let segment = try SegmentFixture(on: disk)
    let size = 512 << 10
    let file = try disk.open(segment.name, .update)
    try file.extendWithZeros(to: size)
    var front = ByteWriter(capacity: 24)
    front.u64(0x0152_544F_4F46_4C52)
    front.u32(0)
    front.u32(count)
    front.u32(count)
    front.u32(0)
    try file.write(front.finish(), at: Layout.segmentHeader)
    var offset = ByteWriter(capacity: 8)
    offset.u64(UInt64(Layout.segmentHeader))
    let checksum = offset.finish().checksum
    var trailer = ByteWriter(capacity: 16)
    trailer.u64(UInt64(Layout.segmentHeader))
    trailer.u32(checksum)
    trailer.u32(0x3154_4C52)
    try file.write(trailer.finish(), at: size - 16)
    let counting = CountingDirectory(disk)
    for batchIndex in [true, false] {
      #expect(throws: FormatError.self) {
        try SegmentFooter.read(
          try counting.open(segment.name, .read), size: size, header: segment.header,
          batchIndex: batchIndex)
      }
    }
    #expect(counting.bytesRead[segment.name] == 2 * (16 + Layout.page))
  }

  /// One of more than a page is read whole.
  @Test func aFooterOfManyTermsIsRead() throws {
    var segment = try SegmentFixture(capacity: 1 << 20)
    for term in 1...200 { try segment.batch([.filler(1)], term: Term(term)) }
    let scan = try segment.scan()
    let footer = scan.footer.encoded(header: segment.header)
    let size = scan.end.offset + footer.count
    #expect(footer.count > Layout.page)
    try segment.disk.write(footer, to: segment.name, at: scan.end.offset)
    try segment.cut(to: size)
    let read = try SegmentFooter.read(
      try segment.disk.open(segment.name, .read), size: size, header: segment.header)
    #expect(read == scan.footer)
  }
}
