// SegmentAppender: the active segment as its writer knows it, and the frames that go into it.
//
// What must always hold: ordinals, chain and offsets follow each other without a gap; the state moves
// on only when a write is known to have happened (`commit`), so a failed one leaves no trace.

import ByteBuffers
import LogFormat
import Recovery

/// A frame that is ready to be written, and the state once it is.
struct FramedWrite {
  let bytes: Bytes
  let offset: Int
  /// Where the segment ends once this is written.
  let end: SegmentEnd
  fileprivate let batches: [BatchLocation]
  /// Entries that this write cuts off before it adds its own.
  let truncateAfter: LogIndex?
  /// The batch, if there is one.
  var recent: RecentBatches.Item?
}

struct SegmentAppender {
  private(set) var record: SegmentRecord
  private(set) var end: SegmentEnd
  /// Every frame up to here was synced.
  private(set) var durableOrdinal: UInt32
  private(set) var batches: [BatchLocation]
  /// CRC32C of the file up to `end`.
  private(set) var digest: UInt32
  private let seed: FrameSeed
  /// Spelled once: each write and each sync names it.
  let fileName: String

  init(_ active: ActiveSegment, group: UID) {
    record = active.record
    fileName = active.record.fileName
    end = active.end
    durableOrdinal = active.durableOrdinal
    batches = active.batches
    digest = active.digest
    seed = active.record.header(group: group).seed
  }

  /// A segment that was just activated.
  init(record: SegmentRecord, group: UID) {
    self.init(
      ActiveSegment(
        record: record,
        end: SegmentEnd(
          ordinal: 0, offset: Layout.segmentHeader, index: record.previousIndex,
          term: record.previousTerm, checksum: record.headerChecksum, termRuns: []),
        durableOrdinal: 0, batches: [],
        digest: CRC32C.checksum(record.header(group: group).encoded().span)),
      group: group)
  }

  var isSynced: Bool { durableOrdinal == end.ordinal }

  /// Room for batches: the marker that vouches for the last one has to fit behind them.
  var bytesFree: Int { bytesFreeForMarker - Layout.page }

  /// Room for frames: the footer has to fit behind them.
  var bytesFreeForMarker: Int {
    record.capacity - end.offset
      - SegmentFooter.size(termRuns: end.termRuns.count + 2, batches: batches.count + 1)
  }

  /// Frames a batch.
  func frame(
    _ batch: consuming FramedBatch, truncateAfter: LogIndex?, manifestEdit: UInt64
  ) -> FramedWrite {
    let (first, runs) = (batch.firstIndex, batch.termRuns)
    return frame(
      batch, from: first, runs, truncateAfter: truncateAfter, manifestEdit: manifestEdit)
  }

  /// Frames what the log takes of a batch: its entries from `first` on, of these terms.
  func frame(
    _ batch: consuming FramedBatch, from first: LogIndex, _ runs: [TermRun],
    truncateAfter: LogIndex?, manifestEdit: UInt64
  ) -> FramedWrite {
    let last = batch.lastIndex
    var frame = nextFrame(.batch, truncateAfter: truncateAfter, manifestEdit: manifestEdit)
    frame.skip = Int(first - batch.firstIndex)
    let written = batch.framed(frame, seed: seed)
    var next = advanced(by: written.bytes, written.frame)
    if let truncateAfter { next.termRuns.removeAll { $0.firstIndex > truncateAfter } }
    // A run that goes on is no new run.
    next.termRuns += next.termRuns.last?.term == runs[0].term ? runs.dropFirst() : runs[...]
    next.index = last
    next.term = runs.last!.term
    let location = BatchLocation(
      offset: end.offset, ordinal: next.ordinal, firstIndex: first, lastIndex: last)
    let body = written.bytes[Layout.frame..<Layout.frame + written.frame.bodyBytes]
    return FramedWrite(
      bytes: written.bytes, offset: end.offset, end: next, batches: [location],
      truncateAfter: truncateAfter,
      recent: .init(first: first, last: last, body: body, extent: written.bytes.count))
  }

  /// Frames a truncation that no batch follows.
  func frameTruncation(after index: LogIndex, manifestEdit: UInt64) -> FramedWrite {
    let frame = nextFrame(.truncation, truncateAfter: index, manifestEdit: manifestEdit)
    let written = frame.encoded(seed: seed)
    var next = advanced(by: written.bytes, written.frame)
    next.termRuns.removeAll { $0.firstIndex > index }
    next.index = index
    next.term = next.termRuns.last?.term ?? record.previousTerm
    return FramedWrite(
      bytes: written.bytes, offset: end.offset, end: next, batches: [], truncateAfter: index)
  }

  /// Frames a marker, which vouches for what was synced.
  func frameMarker(manifestEdit: UInt64) -> FramedWrite {
    let frame = nextFrame(.marker, truncateAfter: nil, manifestEdit: manifestEdit)
    let written = frame.encoded(seed: seed)
    return FramedWrite(
      bytes: written.bytes, offset: end.offset, end: advanced(by: written.bytes, written.frame),
      batches: [], truncateAfter: nil)
  }

  private func nextFrame(
    _ kind: FrameKind, truncateAfter: LogIndex?, manifestEdit: UInt64
  ) -> Frame {
    Frame(
      kind: kind, ordinal: end.ordinal + 1, durableOrdinal: durableOrdinal,
      manifestEdit: manifestEdit, previousChecksum: end.checksum, truncateAfter: truncateAfter)
  }

  private func advanced(by bytes: Bytes, _ frame: Frame) -> SegmentEnd {
    var next = end
    next.ordinal = frame.ordinal
    next.offset += bytes.count
    next.checksum = frame.checksum
    return next
  }

  /// The write happened.
  mutating func commit(_ write: FramedWrite) {
    precondition(write.offset == end.offset, "a frame that is not the next one")
    if let index = write.truncateAfter {
      while let last = batches.last, last.lastIndex > index {
        if last.firstIndex > index {
          batches.removeLast()
        } else {
          batches[batches.count - 1].lastIndex = index
        }
      }
    }
    batches += write.batches
    digest = CRC32C.extend(digest, with: write.bytes.span)
    end = write.end
  }

  /// What seals this segment at its present end.
  var footer: SegmentFooter {
    SegmentFooter(
      offset: end.offset, lastOrdinal: end.ordinal, lastChecksum: end.checksum,
      lastIndex: end.index, lastTerm: end.term, digest: digest, termRuns: end.termRuns,
      batches: batches)
  }

  /// Everything that was written when the sync began is durable.
  mutating func commitSync(through ordinal: UInt32) {
    precondition(ordinal <= end.ordinal, "durable past the end")
    durableOrdinal = max(durableOrdinal, ordinal)
  }
}
