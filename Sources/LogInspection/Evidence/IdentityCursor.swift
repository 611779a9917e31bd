// IdentityCursor: what each index of a log holds, in order.
//
// What must always hold: an entry is told only if its payload was read and is what its checksum says;
// one that cannot be verified is unreadable, whatever its table says of it. The index that is asked
// for only grows; one batch and the places of one segment's batches are in memory.

import ByteBuffers
import LogFormat
import Recovery
import StorageIO

/// What an entry is told by.
struct EntryIdentity: Hashable {
  var term: Term
  var kind: EntryKind
  /// Bytes of the payload.
  var length: Int
  /// CRC32C of the payload.
  var checksum: UInt32
}

struct IdentityCursor {
  enum Reading {
    case entry(EntryIdentity)
    /// From the index that was asked for up to this one nothing can be read.
    case unreadable(through: LogIndex)
  }

  let firstIndex: LogIndex
  let lastIndex: LogIndex
  private let inspection: Inspection
  private let segments: [SegmentEvidence]
  private let lasts: [LogIndex]
  private var position = 0
  private var open: OpenSegment?

  init(_ inspection: Inspection) throws {
    self.inspection = inspection
    segments = inspection.segments
    lasts = try zip(segments, inspection.summaries()).map { segment, summary in
      max(summary.lastIndex, segment.firstDamagedIndex(inspection) ?? 0)
    }
    firstIndex = inspection.manifest?.firstIndex ?? 1
    lastIndex = max(lasts.last ?? 0, firstIndex - 1)
  }

  mutating func read(_ index: LogIndex) throws -> Reading {
    while position < segments.count, lasts[position] < index {
      position += 1
      open = nil
    }
    guard position < segments.count else { return .unreadable(through: .max) }
    let record = segments[position].record
    if index < record.firstIndex { return .unreadable(through: record.firstIndex - 1) }
    if open == nil { open = try OpenSegment(segments[position], in: inspection) }
    guard open != nil else { return .unreadable(through: lasts[position]) }
    return try open!.read(index, last: lasts[position])
  }
}

/// The segment that the cursor is in.
private struct OpenSegment {
  private var reader: SegmentReader
  private let group: UID
  private let batches: [BatchLocation]
  private var position = 0
  /// The entries of the batch at `position`, nil for each that cannot be verified.
  private var entries: [EntryIdentity?]?
  private var entriesFirstIndex: LogIndex = 0

  /// Nil when the file is not there, is another one, or cannot be opened.
  init?(_ segment: SegmentEvidence, in inspection: Inspection) throws {
    guard let manifest = inspection.manifest, !segment.isUnopenable,
      segment.header == .valid || segment.header == .damaged
    else { return nil }
    group = manifest.group
    let header = segment.record.header(group: group)
    do throws(StorageError) {
      let file = try inspection.directory.open(segment.record.fileName, .read)
      batches = try segment.batches(in: file, header: header)
      reader = try SegmentReader(file, header: header)
    } catch {
      guard error.isNotFound else { throw error }
      return nil
    }
  }

  mutating func read(_ index: LogIndex, last: LogIndex) throws -> IdentityCursor.Reading {
    while position < batches.count, batches[position].lastIndex < index {
      position += 1
      entries = nil
    }
    guard position < batches.count else { return .unreadable(through: last) }
    let batch = batches[position]
    if index < batch.firstIndex { return .unreadable(through: min(last, batch.firstIndex - 1)) }
    if entries == nil { try load(batch) }
    guard let entries, index >= entriesFirstIndex, index - entriesFirstIndex < entries.count else {
      return .unreadable(through: min(last, batch.lastIndex))
    }
    let place = Int(index - entriesFirstIndex)
    if let entry = entries[place] { return .entry(entry) }
    let rest = entries[place...].prefix { $0 == nil }.count
    return .unreadable(through: min(last, batch.lastIndex, index + LogIndex(rest) - 1))
  }

  private mutating func load(_ location: BatchLocation) throws {
    entries = []
    guard let frame = try reader.frame(at: location.offset), frame.ordinal == location.ordinal,
      frame.kind == .batch
    else { return }
    let start = location.offset + Layout.frame
    let bytes = try reader.bytes(start..<start + frame.bodyBytes)
    guard let batch = try? Batch(bytes), batch.header.checksum == frame.bodyChecksum,
      batch.header.group == group, let rows = try? batch.rows()
    else { return }
    entriesFirstIndex = batch.header.firstIndex
    entries = zip(rows, batch.verified(rows)).map { row, isVerified in
      isVerified
        ? EntryIdentity(
          term: row.term, kind: row.kind, length: row.length, checksum: row.checksum) : nil
    }
  }
}

extension Batch {
  /// Which of the entries that `rows` tells of have the payload that their checksum says. Where
  /// payloads are stored raw, one that is damaged takes no other with it.
  fileprivate func verified(_ rows: [BatchRow]) -> [Bool] {
    guard header.codec == .none else {
      let isWhole = (try? entries()) != nil
      return rows.map { _ in isWhole }
    }
    var offset = 0
    return rows.map { row in
      defer { offset += row.length }
      return CRC32C.checksum(storedPayload[offset..<offset + row.length].span) == row.checksum
    }
  }
}

extension SegmentEvidence {
  /// The batches that the log has in this file, from the evidence or from the file.
  func batches(
    in file: any StorageFile, header: SegmentHeader
  ) throws(StorageError) -> [BatchLocation] {
    if let known = locations(isRefused: true) { return known }
    return try SegmentIndex.load(record, header: header, from: file).batches
  }

  /// The first entry of damage that is never cut, and of which nobody knows how many it took.
  fileprivate func firstDamagedIndex(_ inspection: Inspection) -> LogIndex? {
    let name = inspection.fileName(record)
    return inspection.findings
      .filter { $0.file == name && $0.verdict.refusesOpening && $0.lastIndex == nil }
      .compactMap(\.firstIndex).max()
  }
}
