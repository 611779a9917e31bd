// Batch: the body that travels. The unit of group commit, of integrity, of replication, of repair.
//
// The same bytes everywhere: on the leader's disk, on the wire, on the follower's disk.
//
//   offset size
//        0    4  CRC32C of bytes 4 ..< 64
//        4    1  codec: 0 none, 1 LZ4 block
//        5    3  zero
//        8   16  group
//       24    8  index of the first entry
//       32    8  term of the first entry
//       40    4  count of entries
//       44    4  bytes of all payloads, raw
//       48    4  bytes of all payloads, as stored
//       52    4  CRC32C of the payloads as stored
//       56    4  CRC32C of the table
//       60    4  zero
//       64    n  payloads as stored
//     64+n 12*c  table, a row an entry: u8 kind, u24 term above the first's; u32 length of the raw
//                payload; u32 its CRC32C
//
// What must always hold: the header's checksum covers group and first index, so a body never passes
// for another's; table and payload have checksums of their own, so index, term and checksum of each
// entry survive the rot of its payload. Terms never fall within a batch.

public import ByteBuffers

/// How payloads are stored in a batch.
public enum Codec: UInt8, Sendable, CaseIterable {
  case none = 0
  case lz4 = 1
}

/// The fields in front of a batch, checked against their checksum and bounds.
public struct BatchHeader: Hashable, Sendable {
  public var codec: Codec
  public var group: UID
  public var firstIndex: LogIndex
  public var firstTerm: Term
  public var count: Int
  /// Bytes of all payloads, raw.
  public var rawBytes: Int
  /// Bytes of all payloads, as stored.
  public var storedBytes: Int
  public var payloadChecksum: UInt32
  public var tableChecksum: UInt32
  /// The checksum of this header: with the two above it vouches for the whole body.
  public var checksum: UInt32

  public var lastIndex: LogIndex { firstIndex + LogIndex(count) - 1 }
  public var indices: ClosedRange<LogIndex> { firstIndex...lastIndex }
  /// Bytes of the whole body.
  public var bodyBytes: Int { Layout.bodyHeader + storedBytes + count * Layout.tableRow }

  /// Decodes and checks the header at the front of `bytes`.
  public init(decoding bytes: RawSpan) throws(FormatError) {
    var reader = ByteReader(bytes)
    checksum = try reader.u32()
    let codecByte = try reader.u8()
    let reservedA = (try reader.u8(), try reader.u16())
    group = try reader.uid()
    firstIndex = try reader.counter()
    firstTerm = try reader.counter()
    count = Int(try reader.u32())
    rawBytes = Int(try reader.u32())
    storedBytes = Int(try reader.u32())
    payloadChecksum = try reader.u32()
    tableChecksum = try reader.u32()
    let reservedB = try reader.u32()
    guard CRC32C.checksum(bytes.extracting(4..<Layout.bodyHeader)) == checksum else {
      throw FormatError(.badChecksum, "the batch header's checksum is wrong")
    }
    guard let codec = Codec(rawValue: codecByte), reservedA == (0, 0), reservedB == 0 else {
      throw FormatError(.unsupported, "a batch with codec \(codecByte)", at: 4)
    }
    self.codec = codec
    guard count >= 1, count <= Layout.batchEntriesMax else {
      throw FormatError(.outOfRange, "a batch of \(count) entries", at: 40)
    }
    guard firstIndex >= 1 else {
      throw FormatError(.outOfRange, "a batch at index \(firstIndex)", at: 24)
    }
    guard rawBytes <= Layout.entryBytesMax, storedBytes <= rawBytes,
      codec == .lz4 || storedBytes == rawBytes
    else {
      throw FormatError(
        .outOfRange, "a batch with \(rawBytes) payload bytes stored as \(storedBytes)", at: 44)
    }
  }
}

/// One row of a batch's table.
public struct BatchRow: Hashable, Sendable {
  public var term: Term
  public var kind: EntryKind
  /// Bytes of the raw payload.
  public var length: Int
  /// CRC32C of the raw payload.
  public var checksum: UInt32
}

/// A batch: its bytes, with the header already decoded and checked.
public struct Batch: Sendable {
  public let header: BatchHeader
  /// The body, whole.
  public let bytes: Bytes

  /// Takes the body at the front of `bytes`; only the header is checked.
  public init(_ bytes: Bytes) throws(FormatError) {
    header = try BatchHeader(decoding: bytes.span)
    guard bytes.count >= header.bodyBytes else {
      throw FormatError(.truncated, "a batch of \(header.bodyBytes) bytes, \(bytes.count) present")
    }
    self.bytes = bytes[0..<header.bodyBytes]
  }

  /// The payloads as they are stored.
  public var storedPayload: Bytes {
    bytes[Layout.bodyHeader..<Layout.bodyHeader + header.storedBytes]
  }

  private var tableRange: Range<Int> {
    Layout.bodyHeader + header.storedBytes..<header.bodyBytes
  }

  /// Checks payload and table against their checksums without decoding them.
  public func verifyChecksums() throws(FormatError) {
    guard CRC32C.checksum(storedPayload.span) == header.payloadChecksum else {
      throw FormatError(.badChecksum, "the payload's checksum is wrong", at: Layout.bodyHeader)
    }
    try verifyTable()
  }

  private func verifyTable() throws(FormatError) {
    guard CRC32C.checksum(bytes[tableRange].span) == header.tableChecksum else {
      throw FormatError(
        .badChecksum, "the table's checksum is wrong", at: tableRange.lowerBound)
    }
  }

  /// The table, checked: index, term and checksum of each entry, readable even where a payload
  /// is not.
  public func rows() throws(FormatError) -> [BatchRow] {
    try verifyTable()
    var rows: [BatchRow] = []
    rows.reserveCapacity(header.count)
    var total = 0
    var term = header.firstTerm
    var reader = ByteReader(bytes[tableRange].span)
    for i in 0..<header.count {
      let word = try reader.u32()
      let row = BatchRow(
        term: header.firstTerm &+ Term(word >> 8),
        kind: EntryKind(rawValue: UInt8(truncatingIfNeeded: word)),
        length: Int(try reader.u32()), checksum: try reader.u32())
      guard row.term >= term, i > 0 || row.term == header.firstTerm else {
        throw FormatError(
          .inconsistent, "terms fall within a batch",
          at: tableRange.lowerBound + i * Layout.tableRow)
      }
      term = row.term
      total += row.length
      rows.append(row)
    }
    guard total == header.rawBytes else {
      throw FormatError(
        .inconsistent, "lengths in the table add up to \(total), not \(header.rawBytes)",
        at: tableRange.lowerBound)
    }
    return rows
  }

  /// The entries whose index lies in `range`, each checked against its checksum.
  ///
  /// Payloads are slices: of this batch's bytes where it is stored raw, of one decompressed run
  /// otherwise.
  public func entries(
    in range: ClosedRange<LogIndex> = 1...LogIndex.max
  ) throws(FormatError) -> [Entry] {
    let rows = try rows()
    let raw = try rawPayload()
    var entries: [Entry] = []
    entries.reserveCapacity(rows.count)
    var offset = 0
    for (i, row) in rows.enumerated() {
      let index = header.firstIndex + LogIndex(i)
      if range.contains(index) {
        let payload = raw[offset..<offset + row.length]
        guard CRC32C.checksum(payload.span) == row.checksum else {
          throw FormatError(
            .badChecksum, "the payload of entry \(index) does not match its checksum",
            at: Layout.bodyHeader + (header.codec == .none ? offset : 0))
        }
        entries.append(
          Entry(
            index: index, term: row.term, kind: row.kind, payload: payload,
            checksum: row.checksum))
      }
      offset += row.length
    }
    return entries
  }

  /// The payloads one behind the other, decompressed if need be.
  private func rawPayload() throws(FormatError) -> Bytes {
    switch header.codec {
    case .none: return storedPayload
    case .lz4:
      // Hostile input must not reach the decompressor's arithmetic: check first.
      guard CRC32C.checksum(storedPayload.span) == header.payloadChecksum else {
        throw FormatError(.badChecksum, "the payload's checksum is wrong", at: Layout.bodyHeader)
      }
      return try LZ4.decompress(storedPayload.span, rawBytes: header.rawBytes)
    }
  }

  /// Checks everything that can be checked: both checksums, the table, every payload.
  public func verify() throws(FormatError) {
    try verifyChecksums()
    _ = try entries()
  }
}
