// DamagedBatches: what is left of the batches that cannot be read as a whole.
//
// What must always hold: an entry comes from the frame that was written last for its index, as far as
// frames can be read; each is held against its own checksum. A file is walked once, and only if
// something is missing in it.

import LogFormat
import Recovery
import StorageIO

/// Entries of damaged batches, segment by segment.
struct DamagedBatches {
  private let inspection: Inspection
  private var segments: [String: DamagedSegment] = [:]

  init(_ inspection: Inspection) { self.inspection = inspection }

  /// The entries in `range` that can be read though their batch cannot, in order.
  mutating func entries(in range: ClosedRange<LogIndex>) throws -> [Entry] {
    guard let group = inspection.manifest?.group else { return [] }
    var entries: [Entry] = []
    for segment in inspection.segments {
      let record = segment.record
      let first = max(record.firstIndex, range.lowerBound)
      let last = min(record.end?.index ?? .max, range.upperBound)
      guard first <= last, segment.fileBytes != nil, !segment.isUnopenable,
        segment.header == .valid || segment.header == .damaged
      else { continue }
      var damaged: DamagedSegment
      if let known = segments[record.fileName] {
        damaged = known
      } else {
        let file = try inspection.directory.open(record.fileName, .read)
        damaged = try DamagedSegment(file, record, header: record.header(group: group))
      }
      entries += try damaged.entries(in: first...last)
      segments[record.fileName] = damaged
    }
    return entries
  }
}

/// The damaged batches of one segment.
private struct DamagedSegment {
  private struct Place {
    let frame: Frame
    let offset: Int
    let firstIndex: LogIndex
    var lastIndex: LogIndex
  }

  private var reader: SegmentReader
  private var places: [Place] = []

  init(
    _ file: any StorageFile, _ record: SegmentRecord, header: SegmentHeader
  ) throws(StorageError) {
    reader = try SegmentReader(file, header: header)
    let end = record.end?.offset ?? reader.fileBytes
    var lastOrdinal: UInt32 = 0
    var walk = try FrameWalk(file, header: header)
    while let piece = try walk.next() {
      // A frame that comes a second time lies where a device put it, and not where it was written.
      guard case .frame(let frame, let body, let offset) = piece, frame.ordinal > lastOrdinal,
        offset < end
      else { continue }
      lastOrdinal = frame.ordinal
      if let index = frame.truncateAfter { truncate(after: index) }
      switch body {
      case .none, .damaged(nil, _, _): break
      case .batch(let batch, _):
        truncate(after: batch.header.firstIndex + LogIndex(frame.skip) - 1)
      case .damaged(let header?, let rows, _):
        let first = header.firstIndex + LogIndex(frame.skip)
        truncate(after: first - 1)
        guard !rows.isEmpty, frame.skip < header.count else { continue }
        places.append(
          Place(frame: frame, offset: offset, firstIndex: first, lastIndex: header.lastIndex))
      }
    }
  }

  /// What is written later takes the place of what it overlaps.
  private mutating func truncate(after index: LogIndex) {
    while let last = places.last, last.firstIndex > index { places.removeLast() }
    guard let last = places.indices.last else { return }
    places[last].lastIndex = min(places[last].lastIndex, index)
  }

  mutating func entries(in range: ClosedRange<LogIndex>) throws(StorageError) -> [Entry] {
    var entries: [Entry] = []
    for place in places {
      let first = max(place.firstIndex, range.lowerBound)
      let last = min(place.lastIndex, range.upperBound)
      guard first <= last else { continue }
      entries += try reader.intactEntries(of: place.frame, at: place.offset, in: first...last)
    }
    return entries
  }
}
