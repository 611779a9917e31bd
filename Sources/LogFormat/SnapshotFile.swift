// SnapshotFile: a state machine's state as of an index, in one file that never changes.
//
//   offset size
//        0    8  magic "RLSNAP\0" 0x01
//        8    4  CRC32C of bytes 12 ..< 104 + n
//       12    4  major, minor version (u16 each)
//       16   16  group
//       32   16  the snapshot's own name
//       48    8  the last index that went into it; 0 for that of genesis
//       56    8  the term of that entry
//       64    8  the entry of the configuration in force there
//       72    8  d: bytes of the state
//       80    4  CRC32C of the state
//       84    4  n: bytes of the configuration
//       88   16  zero
//      104    n  the configuration, in the words of whoever wrote it
//  104 + n    d  the state
//
// What must always hold: the name says index and term, the header says them again, and every byte is
// covered by a checksum. The file travels as it lies.

public import ByteBuffers

/// The name of a snapshot's file: `snapshot-<index>-<term>`.
public struct SnapshotName: Hashable, Sendable, Comparable, CustomStringConvertible {
  public var index: LogIndex
  public var term: Term

  public init(index: LogIndex, term: Term) {
    self.index = index
    self.term = term
  }

  /// The name that `text` spells, exactly as it is given.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "snapshot", let index = LogIndex(parts[1]),
      let term = Term(parts[2])
    else { return nil }
    self.init(index: index, term: term)
    guard description == text else { return nil }
  }

  public var description: String { "snapshot-\(index)-\(term)" }

  public static func < (a: SnapshotName, b: SnapshotName) -> Bool {
    (a.index, a.term) < (b.index, b.term)
  }
}

/// What stands in front of the state.
public struct SnapshotHeader: Hashable, Sendable {
  static let magic: UInt64 = 0x0100_5041_4E53_4C52  // "RLSNAP\0\u{1}"
  static let fixedBytes = 104
  /// Bytes of a configuration at most.
  public static let configurationBytesMax = 2 << 20

  public var group: UID
  public var uid: UID
  public var name: SnapshotName
  public var configurationIndex: LogIndex
  public var configuration: Bytes
  public var stateBytes: Int
  public var stateChecksum: UInt32

  public init(
    group: UID, uid: UID, name: SnapshotName, configurationIndex: LogIndex, configuration: Bytes,
    state: Bytes
  ) {
    self.group = group
    self.uid = uid
    self.name = name
    self.configurationIndex = configurationIndex
    self.configuration = configuration
    stateBytes = state.count
    stateChecksum = CRC32C.checksum(state.span)
  }

  /// Where the state begins.
  public var bytes: Int { Self.fixedBytes + configuration.count }
  /// Bytes of the whole file.
  public var fileBytes: Int { bytes + stateBytes }

  public var encoded: Bytes {
    precondition(configuration.count <= Self.configurationBytesMax, "a configuration without end")
    var writer = ByteWriter(capacity: bytes)
    writer.u64(Self.magic)
    writer.u32(0)
    writer.u16(FormatVersion.major)
    writer.u16(FormatVersion.minor)
    writer.uid(group)
    writer.uid(uid)
    writer.u64(name.index)
    writer.u64(name.term)
    writer.u64(configurationIndex)
    writer.u64(UInt64(stateBytes))
    writer.u32(stateChecksum)
    writer.u32(UInt32(configuration.count))
    writer.fill(0, count: Self.fixedBytes - writer.count)
    writer.bytes(configuration.span)
    let checksum = writer.crc32c(12..<writer.count)
    writer.replace(at: 8, with: checksum)
    return writer.finish()
  }

  /// Decodes and checks the header at the front of a file.
  public init(decoding bytes: RawSpan) throws(FormatError) {
    var reader = ByteReader(bytes)
    guard try reader.u64() == Self.magic else {
      throw FormatError(.badMagic, "not a snapshot")
    }
    let checksum = try reader.u32()
    let major = try reader.u16()
    try reader.skip(2)
    group = try reader.uid()
    uid = try reader.uid()
    name = SnapshotName(index: try reader.counter(), term: try reader.counter())
    configurationIndex = try reader.counter()
    stateBytes = Int(try reader.counter())
    stateChecksum = try reader.u32()
    let length = Int(try reader.u32())
    try reader.skip(16)
    guard length <= Self.configurationBytesMax else {
      throw FormatError(.outOfRange, "a configuration of \(length) bytes", at: 84)
    }
    configuration = Bytes(copying: try reader.span(length))
    guard CRC32C.checksum(bytes.extracting(12..<Self.fixedBytes + length)) == checksum else {
      throw FormatError(.badChecksum, "the snapshot's header does not match its checksum", at: 8)
    }
    guard major == FormatVersion.major else {
      throw FormatError(.unsupported, "a snapshot of format \(major)", at: 12)
    }
    guard configurationIndex <= name.index else {
      throw FormatError(.inconsistent, "a configuration from behind the snapshot's end", at: 64)
    }
  }
}
