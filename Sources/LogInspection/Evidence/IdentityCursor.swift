// IdentityCursor: what each index of a log holds, by its tables alone, in order.
//
// What must always hold: the index that is asked for only grows; one batch and the places of one
// segment's batches are in memory.

import ByteBuffers
import LogFormat
import Recovery
import StorageIO

/// What an entry is told by.
struct EntryIdentity: Hashable {
  var term: Term
  var kind: EntryKind
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
    lasts = try inspection.summaries().map(\.lastIndex)
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
  private let batches: [BatchLocation]
  private var position = 0
  private var rows: [BatchRow]?
  private var rowsFirstIndex: LogIndex = 0

  /// Nil when the file is not there, or is another one.
  init?(_ segment: SegmentEvidence, in inspection: Inspection) throws {
    guard let manifest = inspection.manifest,
      segment.header == .valid || segment.header == .damaged
    else { return nil }
    let header = segment.record.header(group: manifest.group)
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
      rows = nil
    }
    guard position < batches.count else { return .unreadable(through: last) }
    let batch = batches[position]
    if index < batch.firstIndex { return .unreadable(through: min(last, batch.firstIndex - 1)) }
    if rows == nil { try load(batch) }
    guard let rows, index >= rowsFirstIndex, index - rowsFirstIndex < rows.count else {
      return .unreadable(through: min(last, batch.lastIndex))
    }
    let row = rows[Int(index - rowsFirstIndex)]
    return .entry(EntryIdentity(term: row.term, kind: row.kind, checksum: row.checksum))
  }

  private mutating func load(_ location: BatchLocation) throws {
    rows = []
    guard let frame = try reader.frame(at: location.offset) else { return }
    switch try reader.body(of: frame, at: location.offset) {
    case .batch(let batch, let found):
      rows = found
      rowsFirstIndex = batch.header.firstIndex
    case .damaged(let header?, let found, _):
      // The table has a checksum of its own: it speaks for entries whose payload is gone.
      rows = found
      rowsFirstIndex = header.firstIndex
    case .damaged, .none: break
    }
  }
}

extension SegmentEvidence {
  /// The batches that the log has in this file, from the evidence or from the file.
  func batches(
    in file: any StorageFile, header: SegmentHeader
  ) throws(StorageError) -> [BatchLocation] {
    if let known = locations(isRefused: true) { return known }
    return try SegmentIndex.load(record, header: header, from: file)
  }
}
