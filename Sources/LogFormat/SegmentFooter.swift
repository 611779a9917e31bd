// SegmentFooter: what a sealed segment says about itself, behind its last frame.
//
//   offset size
//        0    8  magic "RLFOOTR" 0x01
//        8    4  CRC32C of bytes 12 ..< 168 followed by the term runs
//       12    4  count of term runs
//       16    4  count of batches
//       20    4  CRC32C of the batch index
//       24    8  offset of this footer in the file
//       32    4  ordinal of the last frame
//       36    4  checksum of the last frame (the header's when there is none)
//       40    8  last index (first index - 1 when the segment holds no entry)
//       48    8  last term
//       56    4  digest: CRC32C of the file's bytes up to this footer
//       60    4  zero
//       64  104  copy of the header's bytes 8 ..< 96, then 16 bytes zero
//      168 16*r  term runs: first index, term (u64 each)
//          16*b  batch index: page number, ordinal, first index - segment's first, count (u32 each)
//                zeros up to 16 bytes before a page ends, then the trailer:
//            8  offset of this footer; u32 CRC32C of that offset; u32 magic "RLT1"
//
// What must always hold: fixed part and term runs have one checksum, the batch index another, so
// that the one can be read without the other: opening reads the first alone, whoever reads entries
// both. All of it can be rebuilt from the frames.

public import ByteBuffers

/// Where a batch lies in its segment, and which entries of it the log holds.
public struct BatchLocation: Hashable, Sendable {
  /// Byte offset of the frame.
  public var offset: Int
  public var ordinal: UInt32
  /// The first and last entry of the batch that belong to the log; a batch is stored whole, and
  /// readers clamp.
  public var firstIndex: LogIndex
  public var lastIndex: LogIndex

  public init(offset: Int, ordinal: UInt32, firstIndex: LogIndex, lastIndex: LogIndex) {
    self.offset = offset
    self.ordinal = ordinal
    self.firstIndex = firstIndex
    self.lastIndex = lastIndex
  }
}

/// From `firstIndex` on, up to the next run, entries have `term`.
public struct TermRun: Hashable, Sendable {
  public var firstIndex: LogIndex
  public var term: Term

  public init(firstIndex: LogIndex, term: Term) {
    self.firstIndex = firstIndex
    self.term = term
  }
}

/// The decoded footer of a sealed segment.
public struct SegmentFooter: Hashable, Sendable {
  static let magic: UInt64 = 0x0152_544F_4F46_4C52  // "RLFOOTR\u{1}"
  static let trailerMagic: UInt32 = 0x3154_4C52  // "RLT1"
  static let fixedBytes = 168
  static let headerCopy = 8..<96
  static let trailerBytes = 16
  package static let termRunBytes = 16

  /// Where the footer lies: the end of the last frame.
  public var offset: Int
  public var lastOrdinal: UInt32
  public var lastChecksum: UInt32
  public var lastIndex: LogIndex
  public var lastTerm: Term
  /// CRC32C of the file up to the footer.
  public var digest: UInt32
  public var termRuns: [TermRun]
  public var batches: [BatchLocation]

  public init(
    offset: Int, lastOrdinal: UInt32, lastChecksum: UInt32, lastIndex: LogIndex, lastTerm: Term,
    digest: UInt32, termRuns: [TermRun], batches: [BatchLocation]
  ) {
    self.offset = offset
    self.lastOrdinal = lastOrdinal
    self.lastChecksum = lastChecksum
    self.lastIndex = lastIndex
    self.lastTerm = lastTerm
    self.digest = digest
    self.termRuns = termRuns
    self.batches = batches
  }

  /// Bytes that a footer for so many runs and batches takes, trailer and padding included.
  public static func size(termRuns: Int, batches: Int) -> Int {
    Layout.pages(fixedBytes + termRunBytes * termRuns + 16 * batches + trailerBytes)
  }

  public func encoded(header: SegmentHeader) -> Bytes {
    let size = Self.size(termRuns: termRuns.count, batches: batches.count)
    var index = ByteWriter(capacity: 16 * batches.count)
    for batch in batches {
      index.u32(UInt32(batch.offset / Layout.page))
      index.u32(batch.ordinal)
      index.u32(UInt32(batch.firstIndex - header.firstIndex))
      index.u32(UInt32(batch.lastIndex - batch.firstIndex + 1))
    }
    var writer = ByteWriter(capacity: size)
    writer.u64(Self.magic)
    writer.u32(0)
    writer.u32(UInt32(termRuns.count))
    writer.u32(UInt32(batches.count))
    writer.u32(CRC32C.checksum(index.span))
    writer.u64(UInt64(offset))
    writer.u32(lastOrdinal)
    writer.u32(lastChecksum)
    writer.u64(lastIndex)
    writer.u64(lastTerm)
    writer.u32(digest)
    writer.u32(0)
    let copy = header.encoded()[Self.headerCopy]
    writer.bytes(copy.span)
    writer.fill(0, count: Self.fixedBytes - writer.count)
    for run in termRuns {
      writer.u64(run.firstIndex)
      writer.u64(run.term)
    }
    let checksum = writer.crc32c(12..<writer.count)
    writer.replace(at: 8, with: checksum)
    writer.bytes(of: index)
    writer.fill(0, count: size - Self.trailerBytes - writer.count)
    var where_ = ByteWriter(capacity: 8)
    where_.u64(UInt64(offset))
    writer.u64(UInt64(offset))
    writer.u32(CRC32C.checksum(where_.span))
    writer.u32(Self.trailerMagic)
    return writer.finish()
  }

  /// Decodes the footer at the front of `bytes`.
  ///
  /// - Parameters:
  ///   - header: the segment's header, for what is stored relative to it.
  ///   - batchIndex: false leaves `batches` empty and its checksum unread.
  public init(
    decoding bytes: RawSpan, header: SegmentHeader, batchIndex: Bool = true
  ) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard try reader.u64() == Self.magic else { throw FormatError(.badMagic, "no footer here") }
    let checksum = try reader.u32()
    let runs = Int(try reader.u32())
    let count = Int(try reader.u32())
    let indexChecksum = try reader.u32()
    let fixedEnd = Self.fixedBytes + 16 * runs
    guard bytes.byteCount >= fixedEnd else {
      throw FormatError(.truncated, "the structure ends early")
    }
    guard CRC32C.checksum(bytes.extracting(12..<fixedEnd)) == checksum else {
      throw FormatError(.badChecksum, "the footer's checksum is wrong", at: 8)
    }
    let at = try reader.u64()
    guard at <= UInt64(Layout.segmentBytesMax) else {
      throw FormatError(.outOfRange, "the footer claims offset \(at)", at: 24)
    }
    offset = Int(at)
    lastOrdinal = try reader.u32()
    lastChecksum = try reader.u32()
    lastIndex = try reader.counter()
    lastTerm = try reader.counter()
    digest = try reader.u32()
    try reader.skip(4)
    let copy = try reader.span(Self.headerCopy.count)
    guard copy.isSame(as: header.encoded()[Self.headerCopy].span) else {
      throw FormatError(.inconsistent, "the footer belongs to another segment", at: 64)
    }
    try reader.skip(Self.fixedBytes - reader.offset)
    termRuns = []
    for _ in 0..<runs {
      termRuns.append(TermRun(firstIndex: try reader.counter(), term: try reader.counter()))
    }
    batches = []
    guard batchIndex else { return }
    let index = try reader.span(16 * count)
    guard CRC32C.checksum(index) == indexChecksum else {
      throw FormatError(.badChecksum, "the batch index's checksum is wrong", at: fixedEnd)
    }
    var rows = ByteReader(index)
    batches.reserveCapacity(count)
    for _ in 0..<count {
      let page = Int(try rows.u32())
      let ordinal = try rows.u32()
      let first = header.firstIndex + LogIndex(try rows.u32())
      let entries = try rows.u32()
      guard entries > 0 else {
        throw FormatError(.inconsistent, "a batch without entries", at: fixedEnd)
      }
      batches.append(
        BatchLocation(
          offset: page * Layout.page, ordinal: ordinal, firstIndex: first,
          lastIndex: first + LogIndex(entries) - 1))
    }
  }

  /// Bytes that the footer at `offset` takes, from the counts at its front; no checksum is looked at.
  ///
  /// - Throws: `FormatError` if this is no footer, or one of more batches and terms than fit in the
  ///   bytes in front of it. A frame takes a page, an entry at least its row in a table, and a manifest
  ///   has the terms as well.
  public static func size(front bytes: RawSpan, at offset: Int) throws(FormatError) -> Int {
    var reader = ByteReader(bytes)
    guard try reader.u64() == Self.magic else { throw FormatError(.badMagic, "no footer here") }
    try reader.skip(4)
    let runs = Int(try reader.u32())
    let batches = Int(try reader.u32())
    guard batches <= offset / Layout.page,
      runs <= min(offset / Layout.tableRow, Layout.editBytesMax / 16)
    else {
      throw FormatError(
        .outOfRange, "a footer of \(batches) batches and \(runs) runs of terms at \(offset)",
        at: 12)
    }
    return size(termRuns: runs, batches: batches)
  }

  /// Where the footer begins, from the last bytes of the file.
  public static func offset(trailer bytes: RawSpan) throws(FormatError) -> Int {
    guard bytes.byteCount >= trailerBytes else {
      throw FormatError(.truncated, "the structure ends early")
    }
    var reader = ByteReader(bytes.extracting(last: trailerBytes))
    let offset = try reader.u64()
    let checksum = try reader.u32()
    guard try reader.u32() == trailerMagic else { throw FormatError(.badMagic, "no trailer") }
    var where_ = ByteWriter(capacity: 8)
    where_.u64(offset)
    guard CRC32C.checksum(where_.span) == checksum else {
      throw FormatError(.badChecksum, "the trailer's checksum is wrong")
    }
    guard offset <= UInt64(Layout.segmentBytesMax) else {
      throw FormatError(.outOfRange, "the trailer claims offset \(offset)")
    }
    return Int(offset)
  }
}
