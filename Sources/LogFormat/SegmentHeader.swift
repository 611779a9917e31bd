// SegmentHeader: the first page of a segment file.
//
//   offset size
//        0    8  magic "RLSEGMT" 0x01
//        8    4  CRC32C of bytes 12 ..< 4096
//       12    4  major, minor version (u16 each)
//       16   12  compatible, read-only-compatible, incompatible feature bits (u32 each)
//       28    1  purpose: 0 roll, 1 copy-forward, 2 shipped, 3 rebuilt
//       29    3  zero
//       32   16  group
//       48   16  UID of this segment
//       64    8  salt of its frames' checksums
//       72    8  sequence: segments are numbered in the order they were made
//       80    8  first index: of the first entry it will hold
//       88    8  term of the entry before that one
//       96       zero up to 4096
//
// What must always hold: the checksum covers the whole page, zeros included. The previous index is
// first index - 1 by definition and is not stored.

public import ByteBuffers

/// Why a segment was made. Only `roll` segments continue a log that no manifest vouches for.
public enum SegmentPurpose: UInt8, Sendable, CaseIterable {
  case roll = 0
  case copyForward = 1
  case shipped = 2
  case rebuilt = 3
}

/// The decoded header of a segment file.
public struct SegmentHeader: Hashable, Sendable {
  static let magic: UInt64 = 0x0154_4D47_4553_4C52  // "RLSEGMT\u{1}"

  public var major: UInt16 = FormatVersion.major
  public var minor: UInt16 = FormatVersion.minor
  public var features = FeatureBits()
  public var purpose: SegmentPurpose
  public var group: UID
  public var uid: UID
  public var salt: UInt64
  public var sequence: UInt64
  public var firstIndex: LogIndex
  /// The term of the entry before the first.
  public var previousTerm: Term
  /// This header's checksum: the chain of frames begins with it.
  public internal(set) var checksum: UInt32 = 0

  public init(
    purpose: SegmentPurpose, group: UID, uid: UID, salt: UInt64, sequence: UInt64,
    firstIndex: LogIndex, previousTerm: Term
  ) {
    self.purpose = purpose
    self.group = group
    self.uid = uid
    self.salt = salt
    self.sequence = sequence
    self.firstIndex = firstIndex
    self.previousTerm = previousTerm
    checksum = encodedChecksum()
  }

  /// True when a newer program wrote this, and this one may read the file but not write it.
  public var isReadOnly: Bool { features.access(major: major) == .readOnly }

  public var previousIndex: LogIndex { firstIndex - 1 }
  public var seed: FrameSeed { FrameSeed(salt: salt) }
  public var fileName: String {
    SegmentName(sequence: sequence, firstIndex: firstIndex).description
  }

  /// The header as the page that begins the file.
  public func encoded() -> Bytes {
    var writer = ByteWriter(capacity: Layout.segmentHeader)
    encode(into: &writer)
    writer.replace(at: 8, with: writer.crc32c(12..<Layout.segmentHeader))
    return writer.finish()
  }

  private func encodedChecksum() -> UInt32 {
    var writer = ByteWriter(capacity: Layout.segmentHeader)
    encode(into: &writer)
    return writer.crc32c(12..<Layout.segmentHeader)
  }

  private func encode(into writer: inout ByteWriter) {
    writer.u64(Self.magic)
    writer.u32(0)
    writer.u16(major)
    writer.u16(minor)
    writer.u32(features.compatible)
    writer.u32(features.readOnlyCompatible)
    writer.u32(features.incompatible)
    writer.u8(purpose.rawValue)
    writer.fill(0, count: 3)
    writer.uid(group)
    writer.uid(uid)
    writer.u64(salt)
    writer.u64(sequence)
    writer.u64(firstIndex)
    writer.u64(previousTerm)
    writer.fill(0, count: Layout.segmentHeader - writer.count)
  }

  /// Decodes and checks the header at the front of `bytes`.
  ///
  /// An unknown version is told from damage: magic and checksum stay where they are in all versions.
  public init(decoding bytes: RawSpan) throws(FormatError) {
    guard bytes.byteCount >= Layout.segmentHeader else {
      throw FormatError(.truncated, "a segment header needs \(Layout.segmentHeader) bytes")
    }
    let purposeByte: UInt8
    let zeros: Bool
    var reader = ByteReader(bytes)
    guard try reader.u64() == Self.magic else {
      throw FormatError(.badMagic, "not a segment file")
    }
    checksum = try reader.u32()
    let covered = bytes.extracting(12..<Layout.segmentHeader)
    guard CRC32C.checksum(covered) == checksum else {
      throw FormatError(.badChecksum, "the segment header's checksum is wrong", at: 8)
    }
    major = try reader.u16()
    minor = try reader.u16()
    features.compatible = try reader.u32()
    features.readOnlyCompatible = try reader.u32()
    features.incompatible = try reader.u32()
    purposeByte = try reader.u8()
    try reader.skip(3)
    group = try reader.uid()
    uid = try reader.uid()
    salt = try reader.u64()
    sequence = try reader.counter()
    firstIndex = try reader.counter()
    previousTerm = try reader.counter()
    zeros = bytes.extracting(reader.offset..<Layout.segmentHeader).isZero
    guard features.access(major: major) != .refuse else {
      throw FormatError(
        .unsupported, "format \(major).\(minor) with \(features), newer than this program", at: 12)
    }
    guard let purpose = SegmentPurpose(rawValue: purposeByte), firstIndex >= 1, zeros || minor > 0
    else {
      throw FormatError(.inconsistent, "the segment header's fields are out of range", at: 28)
    }
    self.purpose = purpose
  }
}

/// The name of a segment file: `<sequence>-<firstIndex>.wal`, both decimal and zero-filled, so that
/// a directory listing is in order.
public struct SegmentName: Hashable, Sendable, CustomStringConvertible {
  public var sequence: UInt64
  public var firstIndex: LogIndex

  public init(sequence: UInt64, firstIndex: LogIndex) {
    self.sequence = sequence
    self.firstIndex = firstIndex
  }

  public var description: String {
    "\(Self.filled(sequence, 10))-\(Self.filled(firstIndex, 20)).wal"
  }

  /// The name that `text` spells, or nil.
  public init?(_ text: String) {
    guard text.hasSuffix(".wal") else { return nil }
    let parts = text.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let sequence = UInt64(parts[0]), let firstIndex = UInt64(parts[1]),
      sequence <= Layout.sequenceMax, firstIndex <= Layout.indexMax
    else { return nil }
    self.init(sequence: sequence, firstIndex: firstIndex)
    guard description == text else { return nil }
  }

  private static func filled(_ value: UInt64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
