// BatchBuilder: gathers entries into one batch, each payload copied once, to where it stays.
//
// The builder leaves room for the frame in front, so that what it finishes is written as it lies.
// What must always hold: entries follow each other without a gap, terms never fall, and nothing that
// the format cannot hold is taken (`fits` says so before, `append` insists).

public import ByteBuffers

/// Whether batches are compressed.
public enum Compression: Sendable, Hashable, CaseIterable {
  /// LZ4 from 4 KiB up, where it saves at least an eighth.
  case automatic
  case none
  /// LZ4 wherever it saves anything.
  case lz4
}

public struct BatchBuilder: ~Copyable {
  public let group: UID
  public let firstIndex: LogIndex
  private var firstTerm: Term = 0
  public private(set) var lastTerm: Term = 0
  private var termRuns: [TermRun] = []
  public private(set) var count = 0
  private var writer: ByteWriter
  private var table: ByteWriter

  private static var front: Int { Layout.frame + Layout.bodyHeader }

  /// Begins a batch whose first entry will have index `firstIndex`.
  public init(group: UID, firstIndex: LogIndex, capacity: Int = 4096) {
    self.group = group
    self.firstIndex = firstIndex
    writer = ByteWriter(capacity: capacity)
    writer.fill(0, count: Self.front)
    table = ByteWriter(capacity: 64)
  }

  public var isEmpty: Bool { count == 0 }
  public var nextIndex: LogIndex { firstIndex + LogIndex(count) }
  /// Bytes of all payloads so far, raw.
  public var rawBytes: Int { writer.count - Self.front }
  /// Bytes that the batch takes in a file, padding included, if it is stored raw.
  public var framedBytes: Int { Layout.pages(writer.count + table.count) }

  /// The same, and what its terms take in the segment's footer, two of which have room there anyway.
  public var segmentBytes: Int {
    framedBytes + Layout.pages(max(0, termRuns.count - 2) * SegmentFooter.termRunBytes)
  }

  /// Bytes that a batch takes in a file at most if it holds one entry of `payload` bytes.
  public static func framedBytes(payload: Int) -> Int {
    Layout.pages(front + payload + Layout.tableRow)
  }

  /// True when an entry of this size and term can still join.
  public func fits(payload: Int, term: Term, limit: Int) -> Bool {
    guard count > 0 else { return true }
    return count < Layout.batchEntriesMax && rawBytes + payload <= min(limit, Layout.entryBytesMax)
      && term - firstTerm < 1 << 24
  }

  /// Adds an entry behind the last one.
  public mutating func append(_ payload: RawSpan, kind: EntryKind, term: Term) {
    precondition(count == 0 || term >= lastTerm, "terms fall within a batch")
    precondition(
      fits(payload: payload.byteCount, term: term, limit: Layout.entryBytesMax),
      "an entry that the batch has no room for")
    precondition(payload.byteCount <= Layout.entryBytesMax, "an entry larger than the format's")
    if count == 0 { firstTerm = term }
    if count == 0 || term != lastTerm {
      termRuns.append(TermRun(firstIndex: nextIndex, term: term))
    }
    lastTerm = term
    count += 1
    writer.bytes(payload)
    table.u32(UInt32(term - firstTerm) << 8 | UInt32(kind.rawValue))
    table.u32(UInt32(payload.byteCount))
    table.u32(CRC32C.checksum(payload))
  }

  /// Closes the batch. The result's body begins at `Layout.frame`: the frame is still zeros.
  public consuming func finish(_ compression: Compression) -> FramedBatch {
    precondition(count > 0, "a batch without entries")
    let raw = rawBytes
    var codec = Codec.none
    if let packed = compressed(compression) {
      writer = packed
      codec = .lz4
    }
    let payload = Self.front..<writer.count
    let payloadChecksum = writer.crc32c(payload)
    writer.bytes(of: table)
    var at = Layout.frame + 4
    writer.replace(at: at, with: codec.rawValue)
    at += 4
    writer.replace(at: at, with: group.high)
    writer.replace(at: at + 8, with: group.low)
    writer.replace(at: at + 16, with: firstIndex)
    writer.replace(at: at + 24, with: firstTerm)
    writer.replace(at: at + 32, with: UInt32(count))
    writer.replace(at: at + 36, with: UInt32(raw))
    writer.replace(at: at + 40, with: UInt32(payload.count))
    writer.replace(at: at + 44, with: payloadChecksum)
    writer.replace(at: at + 48, with: table.crc32c(0..<table.count))
    let header = Layout.frame + 4..<Layout.frame + Layout.bodyHeader
    let checksum = writer.crc32c(header)
    writer.replace(at: Layout.frame, with: checksum)
    return FramedBatch(
      writer: writer, bodyChecksum: checksum, firstIndex: firstIndex, count: count,
      termRuns: termRuns)
  }

  /// The batch so far with its payloads compressed, or nil where that gains too little.
  private func compressed(_ compression: Compression) -> ByteWriter? {
    let raw = rawBytes
    let limit: Int
    switch compression {
    case .none: return nil
    case .lz4: limit = raw - 1
    case .automatic: limit = raw >= 4096 ? raw - raw / 8 : 0
    }
    guard limit > 0, compression == .lz4 || isWorthTrying else { return nil }
    var packed = ByteWriter(capacity: Self.front + limit + table.count + Layout.page)
    packed.fill(0, count: Self.front)
    let payload = writer.span.extracting(Self.front..<writer.count)
    guard LZ4.compress(payload, into: &packed, limit: limit) else { return nil }
    return packed
  }
}

extension BatchBuilder {
  /// False when samples of a large batch do not get smaller: trying it whole would cost as much time as
  /// its write.
  private var isWorthTrying: Bool {
    let raw = rawBytes
    let sample = 4096
    let samples = min(3, raw / (4 * sample))
    guard samples > 0 else { return true }
    for i in 0..<samples {
      let start = Self.front + (raw - sample) * (2 * i + 1) / (2 * samples)
      var packed = ByteWriter(capacity: sample)
      let piece = writer.span.extracting(start..<start + sample)
      if LZ4.compress(piece, into: &packed, limit: sample - sample / 8) { return true }
    }
    return false
  }
}

/// A finished body behind room for its frame, still owned, so that the frame can be filled in.
public struct FramedBatch: ~Copyable {
  var writer: ByteWriter
  /// The body header's checksum, which vouches for the whole body.
  public let bodyChecksum: UInt32
  public let firstIndex: LogIndex
  public let count: Int
  /// The terms of its entries; the first run begins with the first entry.
  public let termRuns: [TermRun]

  public var lastIndex: LogIndex { firstIndex + LogIndex(count) - 1 }
  public var bodyBytes: Int { writer.count - Layout.frame }

  /// A copy of the body: what travels.
  public var body: Bytes { Bytes(copying: writer.span.extracting(Layout.frame..<writer.count)) }

  /// A batch that came from elsewhere, to be framed here: a body read from another file.
  public init(adopting batch: Batch) throws(FormatError) {
    writer = ByteWriter(capacity: Layout.pages(Layout.frame + batch.bytes.count))
    writer.fill(0, count: Layout.frame)
    writer.bytes(batch.bytes.span)
    bodyChecksum = batch.header.checksum
    firstIndex = batch.header.firstIndex
    count = batch.header.count
    var runs: [TermRun] = []
    for (i, row) in try batch.rows().enumerated() where runs.last?.term != row.term {
      runs.append(TermRun(firstIndex: batch.header.firstIndex + LogIndex(i), term: row.term))
    }
    termRuns = runs
  }

  init(
    writer: consuming ByteWriter, bodyChecksum: UInt32, firstIndex: LogIndex, count: Int,
    termRuns: [TermRun]
  ) {
    self.writer = writer
    self.bodyChecksum = bodyChecksum
    self.firstIndex = firstIndex
    self.count = count
    self.termRuns = termRuns
  }
}
