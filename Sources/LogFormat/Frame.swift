// Frame: what one file says about one batch. It never travels.
//
//   offset size
//        0    4  magic "RLF1"
//        4    4  CRC32C of the segment's salt followed by bytes 8 ..< 64
//        8    1  kind: 1 batch, 2 marker, 3 truncation; with the top bit set it may be ignored
//        9    1  flags: bit 0, the log is truncated before the batch is added; any other bit, and
//                anything but zero in the reserved bytes, is a newer program's
//       10    2  zero
//       12    4  bytes of the body, 0 without one
//       16    4  ordinal: this is the n-th frame of its segment, from 1
//       20    4  durable ordinal: every frame up to here was synced before this one was written
//       24    8  number of the last manifest edit durable in both copies; 0 in a frame of a copy
//       32    4  the previous frame's checksum; the segment header's for the first
//       36    4  the body header's checksum, 0 without a body
//       40    4  blank sectors: those of the padded frame and body with at most one bit set
//       44    4  skip: entries at the front of the body that this log does not take
//       48    8  truncateAfter: the log ends at this index before the batch is added
//       56    8  zero
//
// What must always hold: the checksum is salted with the segment, so no frame of another file, or of
// another life of this one, is ever taken for one of ours; the chain makes order and content of
// all earlier frames part of each one; a frame is evidence even where its body is torn.

public import ByteBuffers

/// What a frame carries.
public struct FrameKind: RawRepresentable, Hashable, Sendable {
  public var rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A batch of entries.
  public static let batch = FrameKind(rawValue: 1)
  /// Nothing but a durable ordinal.
  public static let marker = FrameKind(rawValue: 2)
  /// A truncation that no batch follows yet.
  public static let truncation = FrameKind(rawValue: 3)

  /// True for a kind that a reader who does not know it may pass over.
  public var isIgnorable: Bool { rawValue & 0x80 != 0 }
  public var isKnown: Bool { self == .batch || self == .marker || self == .truncation }
}

/// The salt of a segment, folded once into the seed of all its frames' checksums.
public struct FrameSeed: Hashable, Sendable {
  let crc: UInt32

  public init(salt: UInt64) {
    var writer = ByteWriter(capacity: 8)
    writer.u64(salt)
    crc = CRC32C.checksum(writer.span)
  }
}

/// The decoded frame of one batch, marker or truncation.
public struct Frame: Hashable, Sendable {
  static let magic: UInt32 = 0x3146_4C52  // "RLF1"

  public var kind: FrameKind
  /// Bytes of the body behind the frame.
  public var bodyBytes: Int
  public var ordinal: UInt32
  public var durableOrdinal: UInt32
  public var manifestEdit: UInt64
  public var previousChecksum: UInt32
  public var bodyChecksum: UInt32
  /// Sectors, padding included, that were written with at most one bit set.
  public var blankSectors: Int
  /// Entries at the front of the body that this log does not take.
  public var skip: Int
  /// Where the log ends before the body is added, if it is truncated.
  public var truncateAfter: LogIndex?
  /// This frame's own checksum; set by encoding or decoding.
  public internal(set) var checksum: UInt32 = 0

  public init(
    kind: FrameKind, bodyBytes: Int = 0, ordinal: UInt32, durableOrdinal: UInt32,
    manifestEdit: UInt64, previousChecksum: UInt32, bodyChecksum: UInt32 = 0, blankSectors: Int = 0,
    skip: Int = 0, truncateAfter: LogIndex? = nil
  ) {
    self.kind = kind
    self.bodyBytes = bodyBytes
    self.ordinal = ordinal
    self.durableOrdinal = durableOrdinal
    self.manifestEdit = manifestEdit
    self.previousChecksum = previousChecksum
    self.bodyChecksum = bodyChecksum
    self.blankSectors = blankSectors
    self.skip = skip
    self.truncateAfter = truncateAfter
  }

  /// Bytes from this frame to where the next one begins.
  public var extent: Int { Layout.pages(Layout.frame + bodyBytes) }

  /// Decodes and checks the frame at the front of `bytes`.
  public init(decoding bytes: RawSpan, seed: FrameSeed) throws(FormatError) {
    var reader = ByteReader(bytes)
    let magic = try reader.u32()
    checksum = try reader.u32()
    kind = FrameKind(rawValue: try reader.u8())
    let flags = try reader.u8()
    let reservedA = try reader.u16()
    bodyBytes = Int(try reader.u32())
    ordinal = try reader.u32()
    durableOrdinal = try reader.u32()
    manifestEdit = try reader.counter()
    previousChecksum = try reader.u32()
    bodyChecksum = try reader.u32()
    blankSectors = Int(try reader.u32())
    skip = Int(try reader.u32())
    let truncation = try reader.counter()
    truncateAfter = flags & 1 != 0 ? truncation : nil
    let reservedB = try reader.u64()
    guard magic == Self.magic else { throw FormatError(.badMagic, "no frame begins here") }
    guard CRC32C.extend(seed.crc, with: bytes.extracting(8..<Layout.frame)) == checksum else {
      throw FormatError(.badChecksum, "the frame's checksum is wrong", at: 4)
    }
    // The bytes are what was written. What a frame that may be ignored says there is its own business.
    guard !kind.isKnown || (flags & ~1 == 0 && reservedA == 0 && reservedB == 0) else {
      throw FormatError(.unsupported, "a frame with flags that this program does not know", at: 9)
    }
    guard bodyBytes <= Layout.bodyBytesMax, ordinal >= 1, ordinal < .max, durableOrdinal < ordinal,
      (kind == .batch) == (bodyBytes > 0) || !kind.isKnown,
      kind != .truncation || truncateAfter != nil
    else { throw FormatError(.inconsistent, "the fields of a frame contradict each other") }
  }

  /// Writes this frame into the 64 bytes at `offset` and returns its checksum.
  func encode(into writer: inout ByteWriter, at offset: Int, seed: FrameSeed) -> UInt32 {
    writer.replace(at: offset, with: Self.magic)
    writer.replace(at: offset + 8, with: kind.rawValue)
    writer.replace(at: offset + 9, with: UInt8(truncateAfter == nil ? 0 : 1))
    writer.replace(at: offset + 10, with: UInt16(0))
    writer.replace(at: offset + 12, with: UInt32(bodyBytes))
    writer.replace(at: offset + 16, with: ordinal)
    writer.replace(at: offset + 20, with: durableOrdinal)
    writer.replace(at: offset + 24, with: manifestEdit)
    writer.replace(at: offset + 32, with: previousChecksum)
    writer.replace(at: offset + 36, with: bodyChecksum)
    writer.replace(at: offset + 40, with: UInt32(blankSectors))
    writer.replace(at: offset + 44, with: UInt32(skip))
    writer.replace(at: offset + 48, with: truncateAfter ?? 0)
    writer.replace(at: offset + 56, with: UInt64(0))
    let checksum = writer.crc32c(offset + 8..<offset + Layout.frame, extending: seed.crc)
    writer.replace(at: offset + 4, with: checksum)
    return checksum
  }

  /// The bytes of a frame without a body, padded to the page, and its checksum.
  public consuming func encoded(seed: FrameSeed) -> (bytes: Bytes, frame: Frame) {
    precondition(bodyBytes == 0, "a frame with a body is encoded with it")
    var writer = ByteWriter(capacity: Layout.page)
    writer.fill(0, count: Layout.frame)
    writer.pad(to: Layout.page, with: Layout.padding)
    blankSectors = 0
    checksum = encode(into: &writer, at: 0, seed: seed)
    return (writer.finish(), self)
  }
}

extension FramedBatch {
  /// Puts `frame` in front of the body and pads to the page. Body size, body checksum and the count
  /// of blank sectors are filled in here.
  public consuming func framed(_ frame: Frame, seed: FrameSeed) -> (bytes: Bytes, frame: Frame) {
    var frame = frame
    frame.bodyBytes = bodyBytes
    frame.bodyChecksum = bodyChecksum
    writer.pad(to: Layout.page, with: Layout.padding)
    // The first sector holds the magic, so the count does not depend on the frame's content.
    frame.blankSectors = writer.span
      .extracting(Layout.sector..<writer.count)
      .pieces(of: Layout.sector, withAtMostBits: 1)
    frame.checksum = frame.encode(into: &writer, at: 0, seed: seed)
    return (writer.finish(), frame)
  }
}
