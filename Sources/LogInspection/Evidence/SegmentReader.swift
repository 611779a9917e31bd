// SegmentReader: frames and batches of one segment file, and what lies between them.
//
// What must always hold: one bounded piece of the file is in memory at a time; every byte of the
// file belongs to exactly one piece that `FrameWalk` hands out.

import ByteBuffers
import LogFormat
import Recovery
import StorageIO

struct SegmentReader {
  let fileBytes: Int
  private let file: any StorageFile
  private let header: SegmentHeader
  private let seed: FrameSeed
  private var start = 0
  private var window = Bytes()

  private static let windowBytes = 1 << 20

  init(_ file: any StorageFile, header: SegmentHeader) throws(StorageError) {
    self.file = file
    self.header = header
    seed = header.seed
    fileBytes = try file.size()
  }

  /// The bytes of `range`, fewer at the end of the file. Sectors that the device does not deliver
  /// look like damage, never like zeros.
  mutating func bytes(_ range: Range<Int>) throws(StorageError) -> Bytes {
    let end = min(range.upperBound, fileBytes)
    guard range.lowerBound < end else { return Bytes() }
    if range.lowerBound < start || end > start + window.count {
      let count = max(range.count, Self.windowBytes)
      window = try file.readTolerantly(
        min(count, fileBytes - range.lowerBound), at: range.lowerBound
      ).bytes
      start = range.lowerBound
    }
    let upper = min(end, start + window.count)
    guard range.lowerBound < upper else { return Bytes() }
    return window[range.lowerBound - start..<upper - start]
  }

  /// The frame at `offset`, if a valid one of this segment begins there.
  mutating func frame(at offset: Int) throws(StorageError) -> Frame? {
    let page = try bytes(offset..<offset + Layout.frame)
    return try? Frame(decoding: page.span, seed: seed)
  }

  /// The body behind `frame`: a batch of this log, checked, or what is wrong with it.
  mutating func body(of frame: Frame, at offset: Int) throws(StorageError) -> Body {
    guard frame.kind == .batch else { return .none }
    let bytes = try bytes(offset..<offset + Layout.frame + frame.bodyBytes)
    var rows: [BatchRow] = []
    var header: BatchHeader?
    do throws(FormatError) {
      let batch = try Batch(bytes[min(Layout.frame, bytes.count)..<bytes.count])
      guard batch.header.checksum == frame.bodyChecksum, batch.header.group == self.header.group
      else { throw FormatError(.inconsistent, "the body is not the one that the frame names") }
      header = batch.header
      rows = try batch.rows()
      try batch.verifyChecksums()
      return .batch(batch, rows)
    } catch {
      return .damaged(header, rows, error)
    }
  }

  /// The entries in `range` of a batch whose payload is damaged: those that their own checksum in
  /// the table vouches for. None where the table, or its header, is damaged as well.
  ///
  /// A batch that is stored raw loses no more than the entries that rotted. A compressed one is a
  /// single block: it decompresses as a whole or not at all, so nothing of it is left.
  mutating func intactEntries(
    of frame: Frame, at offset: Int, in range: ClosedRange<LogIndex>
  ) throws(StorageError) -> [Entry] {
    let bytes = try bytes(offset..<offset + Layout.frame + frame.bodyBytes)
    guard let batch = try? Batch(bytes[min(Layout.frame, bytes.count)..<bytes.count]),
      batch.header.checksum == frame.bodyChecksum, batch.header.group == header.group,
      batch.header.codec == .none, let rows = try? batch.rows()
    else { return [] }
    var entries: [Entry] = []
    var start = 0
    for (i, row) in rows.enumerated() {
      let index = batch.header.firstIndex + LogIndex(i)
      let payload = batch.storedPayload[start..<start + row.length]
      start += row.length
      guard range.contains(index), i >= frame.skip,
        CRC32C.checksum(payload.span) == row.checksum
      else { continue }
      entries.append(
        Entry(
          index: index, term: row.term, kind: row.kind, payload: payload, checksum: row.checksum))
    }
    return entries
  }

  /// What follows a frame.
  enum Body {
    case none
    case batch(Batch, [BatchRow])
    /// Header and table as far as they can be read: they have checksums of their own.
    case damaged(BatchHeader?, [BatchRow], FormatError)
  }
}

/// Takes a segment file apart, front to back.
struct FrameWalk {
  enum Piece {
    case frame(Frame, SegmentReader.Body, at: Int)
    case footer(Range<Int>)
    /// Bytes that are neither a frame nor zeros.
    case damage(Range<Int>)
    case zeros(Range<Int>)
  }

  private var reader: SegmentReader
  private var offset = Layout.segmentHeader
  private let footerOffset: Int?
  private var pending: Piece?

  init(_ file: any StorageFile, header: SegmentHeader) throws(StorageError) {
    reader = try SegmentReader(file, header: header)
    let size = reader.fileBytes
    let trailer = try reader.bytes(max(0, size - 16)..<size)
    let footer = try? SegmentFooter.offset(trailer: trailer.span)
    footerOffset = footer.flatMap { $0 >= Layout.segmentHeader && $0 < size ? $0 : nil }
  }

  mutating func next() throws(StorageError) -> Piece? {
    if let piece = pending.take() { return piece }
    guard offset < reader.fileBytes else { return nil }
    if offset == footerOffset {
      defer { offset = reader.fileBytes }
      return .footer(offset..<reader.fileBytes)
    }
    if let frame = try reader.frame(at: offset) {
      let at = offset
      offset += frame.extent
      return .frame(frame, try reader.body(of: frame, at: at), at: at)
    }
    return try gap()
  }

  /// Everything up to the next valid frame, the footer or the end: first what is not zero.
  private mutating func gap() throws(StorageError) -> Piece {
    let start = offset
    var dataEnd = start
    while true {
      let page = try reader.bytes(offset..<offset + Layout.page)
      offset = min(offset + Layout.page, reader.fileBytes)
      if !page.span.isZero { dataEnd = offset }
      // A file that got shorter while we read it has no more bytes to give.
      if page.isEmpty { offset = reader.fileBytes }
      if offset >= reader.fileBytes || offset == footerOffset { break }
      if try reader.frame(at: offset) != nil { break }
    }
    if dataEnd == start { return .zeros(start..<offset) }
    if dataEnd < offset { pending = .zeros(dataEnd..<offset) }
    return .damage(start..<dataEnd)
  }
}
