// ManifestFile: the manifest's bytes. A header, then numbered, chained edits.
//
//   header, 512 bytes          offset size
//                                   0    8  magic "RLMANIF" 0x01
//                                   8    4  CRC32C of bytes 12 ..< 512
//                                  12    4  major, minor version (u16 each)
//                                  16   12  feature bits (u32 each)
//                                  28    4  zero
//                                  32   16  group
//                                  48   16  incarnation
//                                  64    8  number of the first edit in this file
//                                  72       zero up to 512
//   edit, whole sectors             0    4  magic "RLE1"
//                                   4    4  CRC32C of bytes 8 ..< 24 + n
//                                   8    4  n, bytes of the changes
//                                  12    4  the previous edit's checksum; the header's for the first
//                                  16    8  number
//                                  24    n  changes: u8 kind, then its fields
//                                           0xA5 up to the sector
//   behind the last edit: zeros, written when the file was made, so that an edit needs no space.
//
// What must always hold: the first edit of a file says everything (a file is rewritten whole by
// making one edit of the whole state); edits are numbered on over all rewritings, and within a file
// without a gap, so that of two copies the one with the higher last number is the newer.

public import ByteBuffers

/// One thing that happened to the set of files. An edit is a list of these, applied as one.
public enum ManifestChange: Hashable, Sendable {
  case identity(group: UID, incarnation: UID)
  /// The directory was opened for writing.
  case opened(Boot)
  /// The directory was closed, everything up to this frame of the last segment being durable.
  case closed(UID, ordinal: UInt32)
  /// A segment follows the last one.
  case added(SegmentRecord)
  /// The log leaves this segment here.
  case ended(UID, SegmentEnd, isCut: Bool)
  case sealed(UID, SegmentSeal)
  /// The log begins here.
  case first(LogIndex, previousTerm: Term)
  /// This segment is no longer part of the log; its file may be deleted.
  case dropped(UID)
  /// A file that was dropped before this manifest was rewritten.
  case droppedName(SegmentName)
  /// The dropped file is gone.
  case forgotten(SegmentName)
}

/// The header of a manifest copy.
public struct ManifestHeader: Hashable, Sendable {
  static let magic: UInt64 = 0x0146_494E_414D_4C52  // "RLMANIF\u{1}"

  /// The names of the two copies.
  public static let names = ["MANIFEST-0", "MANIFEST-1"]
  /// A manifest being rewritten; never read.
  public static let temporaryName = "MANIFEST.tmp"

  public var major: UInt16 = FormatVersion.major
  public var minor: UInt16 = FormatVersion.minor
  public var features = FeatureBits()
  public var group: UID
  public var incarnation: UID
  public var firstNumber: UInt64
  public private(set) var checksum: UInt32 = 0

  public init(group: UID, incarnation: UID, firstNumber: UInt64) {
    self.group = group
    self.incarnation = incarnation
    self.firstNumber = firstNumber
    checksum = encoded().checksum
  }

  func encoded() -> (bytes: Bytes, checksum: UInt32) {
    var writer = ByteWriter(capacity: Layout.manifestHeader)
    writer.u64(Self.magic)
    writer.u32(0)
    writer.u16(major)
    writer.u16(minor)
    writer.u32(features.compatible)
    writer.u32(features.readOnlyCompatible)
    writer.u32(features.incompatible)
    writer.u32(0)
    writer.uid(group)
    writer.uid(incarnation)
    writer.u64(firstNumber)
    writer.fill(0, count: Layout.manifestHeader - writer.count)
    let checksum = writer.crc32c(12..<Layout.manifestHeader)
    writer.replace(at: 8, with: checksum)
    return (writer.finish(), checksum)
  }

  public init(decoding bytes: RawSpan) throws(FormatError) {
    guard bytes.byteCount >= Layout.manifestHeader else {
      throw FormatError(.truncated, "a manifest header needs \(Layout.manifestHeader) bytes")
    }
    var reader = ByteReader(bytes)
    guard try reader.u64() == Self.magic else { throw FormatError(.badMagic, "not a manifest") }
    checksum = try reader.u32()
    guard CRC32C.checksum(bytes.extracting(12..<Layout.manifestHeader)) == checksum else {
      throw FormatError(.badChecksum, "the manifest header's checksum is wrong", at: 8)
    }
    major = try reader.u16()
    minor = try reader.u16()
    features.compatible = try reader.u32()
    features.readOnlyCompatible = try reader.u32()
    features.incompatible = try reader.u32()
    try reader.skip(4)
    group = try reader.uid()
    incarnation = try reader.uid()
    firstNumber = try reader.counter()
    guard features.access(major: major) != .refuse else {
      throw FormatError(
        .unsupported, "format \(major).\(minor) with \(features), newer than this program", at: 12)
    }
  }
}

/// A numbered list of changes that happened at once.
public struct ManifestEdit: Hashable, Sendable {
  static let magic: UInt32 = 0x3145_4C52  // "RLE1"
  static let fixedBytes = 24

  public var number: UInt64
  public var changes: [ManifestChange]

  public init(number: UInt64, changes: [ManifestChange]) {
    self.number = number
    self.changes = changes
  }

  /// Refuses changes that are too many for one edit.
  ///
  /// A segment takes some 120 bytes, and 16 for each change of the leader. So this is reached with two
  /// million segments: 130 TB at 64 MiB, 35 GB at the 16 KiB that is the least a segment may have.
  public static func requireEncodable(_ changes: [ManifestChange]) throws(FormatError) {
    let count = bytes(of: changes)
    guard count <= Layout.editBytesMax else {
      throw FormatError(
        .outOfRange,
        "\(count) bytes of changes in one edit, of \(Layout.editBytesMax) at most: compact the log, "
          + "or use larger segments")
    }
  }

  private static func bytes(of changes: [ManifestChange]) -> Int {
    var writer = ByteWriter(capacity: Layout.sector)
    for change in changes { writer.change(change) }
    return writer.count
  }

  /// The edit as whole sectors, and its checksum.
  ///
  /// - Precondition: the changes are not too many (`requireEncodable`).
  public func encoded(previousChecksum: UInt32) -> (bytes: Bytes, checksum: UInt32) {
    var writer = ByteWriter(capacity: Layout.sector)
    writer.u32(Self.magic)
    writer.u32(0)
    writer.u32(0)
    writer.u32(previousChecksum)
    writer.u64(number)
    for change in changes { writer.change(change) }
    let count = writer.count - Self.fixedBytes
    precondition(
      count <= Layout.editBytesMax,
      "a manifest edit of \(count) bytes, which no reader would take: the log has too many segments"
    )
    writer.replace(at: 8, with: UInt32(count))
    let checksum = writer.crc32c(8..<writer.count)
    writer.replace(at: 4, with: checksum)
    writer.pad(to: Layout.sector, with: Layout.padding)
    return (writer.finish(), checksum)
  }

  /// Decodes the edit at the front of `bytes`; `extent` is how many bytes it takes, padding included.
  public static func decode(
    _ bytes: RawSpan
  ) throws(FormatError) -> (
    edit: ManifestEdit, previousChecksum: UInt32, checksum: UInt32, extent: Int
  ) {
    var reader = ByteReader(bytes)
    guard try reader.u32() == magic else { throw FormatError(.badMagic, "no edit begins here") }
    let checksum = try reader.u32()
    let count = Int(try reader.u32())
    let previous = try reader.u32()
    let number = try reader.counter()
    guard count <= Layout.editBytesMax else {
      throw FormatError(.outOfRange, "an edit of \(count) bytes", at: 8)
    }
    let end = fixedBytes + count
    guard bytes.byteCount >= end else { throw FormatError(.truncated, "the structure ends early") }
    guard CRC32C.checksum(bytes.extracting(8..<end)) == checksum else {
      throw FormatError(.badChecksum, "the edit's checksum is wrong", at: 4)
    }
    var changes: [ManifestChange] = []
    var fields = ByteReader(bytes.extracting(fixedBytes..<end))
    while fields.remaining > 0 { changes.append(try decodeChange(&fields)) }
    let extent = (end + Layout.sector - 1) / Layout.sector * Layout.sector
    return (ManifestEdit(number: number, changes: changes), previous, checksum, extent)
  }

  private static func decodeChange(
    _ reader: inout ByteReader
  ) throws(FormatError) -> ManifestChange {
    let kind = try reader.u8()
    switch kind {
    case 1: return .identity(group: try reader.uid(), incarnation: try reader.uid())
    case 2: return .opened(Boot(counter: try reader.counter(), random: try reader.u64()))
    case 3: return .closed(try reader.uid(), ordinal: try reader.u32())
    case 4: return .added(try reader.record())
    case 5: return .ended(try reader.uid(), try reader.end(), isCut: try reader.u8() != 0)
    case 6: return .sealed(try reader.uid(), try reader.seal())
    case 7: return .first(try reader.counter(), previousTerm: try reader.counter())
    case 8: return .dropped(try reader.uid())
    case 9: return .droppedName(try reader.name())
    case 10: return .forgotten(try reader.name())
    default: throw FormatError(.unsupported, "a manifest change of kind \(kind)")
    }
  }
}

/// A whole manifest copy with one edit that says everything, and room for more behind it.
public struct ManifestImage: Sendable {
  public let bytes: Bytes
  /// The checksum that the next edit is chained to.
  public let checksum: UInt32
  /// Where the next edit goes.
  public let end: Int

  /// - Parameter room: bytes of zeros behind the edit, at the least.
  public init(state: ManifestState, number: UInt64, room: Int) {
    let header = ManifestHeader(
      group: state.group, incarnation: state.incarnation, firstNumber: number)
    let edit = ManifestEdit(number: number, changes: state.changes)
      .encoded(previousChecksum: header.checksum)
    let used = Layout.manifestHeader + edit.bytes.count
    var writer = ByteWriter(capacity: Layout.pages(used + room))
    let front = header.encoded().bytes
    writer.bytes(front.span)
    writer.bytes(edit.bytes.span)
    writer.fill(0, count: Layout.pages(used + room) - used)
    bytes = writer.finish()
    checksum = edit.checksum
    end = used
  }
}

extension ByteWriter {
  fileprivate mutating func change(_ change: ManifestChange) {
    switch change {
    case .identity(let group, let incarnation):
      u8(1)
      uid(group)
      uid(incarnation)
    case .opened(let boot):
      u8(2)
      u64(boot.counter)
      u64(boot.random)
    case .closed(let uid, let ordinal):
      u8(3)
      self.uid(uid)
      u32(ordinal)
    case .added(let record):
      u8(4)
      self.record(record)
    case .ended(let uid, let end, let isCut):
      u8(5)
      self.uid(uid)
      self.end(end)
      u8(isCut ? 1 : 0)
    case .sealed(let uid, let seal):
      u8(6)
      self.uid(uid)
      self.seal(seal)
    case .first(let index, let previousTerm):
      u8(7)
      u64(index)
      u64(previousTerm)
    case .dropped(let uid):
      u8(8)
      self.uid(uid)
    case .droppedName(let name):
      u8(9)
      self.name(name)
    case .forgotten(let name):
      u8(10)
      self.name(name)
    }
  }

  private mutating func name(_ name: SegmentName) {
    u64(name.sequence)
    u64(name.firstIndex)
  }

  private mutating func seal(_ seal: SegmentSeal) {
    u64(UInt64(seal.size))
    u32(seal.digest)
  }

  private mutating func end(_ end: SegmentEnd) {
    u32(end.ordinal)
    u64(UInt64(end.offset))
    u64(end.index)
    u64(end.term)
    u32(end.checksum)
    u32(UInt32(end.termRuns.count))
    for run in end.termRuns {
      u64(run.firstIndex)
      u64(run.term)
    }
  }

  private mutating func record(_ record: SegmentRecord) {
    uid(record.uid)
    u64(record.sequence)
    u64(record.salt)
    u64(record.firstIndex)
    u64(record.previousTerm)
    u32(record.headerChecksum)
    u8(record.purpose.rawValue)
    u64(UInt64(record.capacity))
    u32(record.durableThrough)
    u8((record.end == nil ? 0 : 1) | (record.seal == nil ? 0 : 2) | (record.isCut ? 4 : 0))
    if let end = record.end { self.end(end) }
    if let seal = record.seal { self.seal(seal) }
  }
}

extension ByteReader {
  @_lifetime(self: copy self)
  fileprivate mutating func name() throws(FormatError) -> SegmentName {
    SegmentName(sequence: try counter(), firstIndex: try counter())
  }

  @_lifetime(self: copy self)
  private mutating func size() throws(FormatError) -> Int {
    let value = try u64()
    guard value <= UInt64(Layout.segmentBytesMax) * 2 else {
      throw FormatError(.outOfRange, "a segment of \(value) bytes")
    }
    return Int(value)
  }

  @_lifetime(self: copy self)
  fileprivate mutating func seal() throws(FormatError) -> SegmentSeal {
    SegmentSeal(size: try size(), digest: try u32())
  }

  @_lifetime(self: copy self)
  fileprivate mutating func end() throws(FormatError) -> SegmentEnd {
    var end = SegmentEnd(
      ordinal: try u32(), offset: try size(), index: try counter(), term: try counter(),
      checksum: try u32(), termRuns: [])
    for _ in 0..<(try u32()) {
      end.termRuns.append(TermRun(firstIndex: try counter(), term: try counter()))
    }
    return end
  }

  @_lifetime(self: copy self)
  fileprivate mutating func record() throws(FormatError) -> SegmentRecord {
    let uid = try self.uid()
    let sequence = try counter()
    let salt = try u64()
    let firstIndex = try counter()
    let previousTerm = try counter()
    let headerChecksum = try u32()
    let purposeByte = try u8()
    let capacity = try size()
    let durableThrough = try u32()
    let flags = try u8()
    guard let purpose = SegmentPurpose(rawValue: purposeByte), firstIndex >= 1, flags < 8,
      sequence <= Layout.sequenceMax
    else {
      throw FormatError(.inconsistent, "a segment record out of range")
    }
    return try SegmentRecord(
      uid: uid, sequence: sequence, salt: salt, firstIndex: firstIndex, previousTerm: previousTerm,
      headerChecksum: headerChecksum, purpose: purpose, capacity: capacity,
      durableThrough: durableThrough,
      end: flags & 1 != 0 ? end() : nil, seal: flags & 2 != 0 ? seal() : nil, isCut: flags & 4 != 0)
  }
}
