// SegmentCopy: batches of one segment, framed anew for another. The bodies stay as they are.
//
// What must always hold: the copy holds exactly the entries that the log holds of these batches: one
// that was cut at its front gets a skip, one that was cut at its end a truncation behind it.

import ByteBuffers
import LogFormat
import StorageIO

struct SegmentCopy {
  private let header: SegmentHeader
  private let seed: FrameSeed
  /// Framed bytes and where they go.
  private(set) var pieces: [(offset: Int, bytes: Bytes)] = []
  private(set) var batches: [BatchLocation] = []
  private(set) var end: SegmentEnd
  /// CRC32C of the copy up to `end`.
  private(set) var digest: UInt32
  /// True when the last batch reaches further than the log.
  private var isOverhanging = false

  init(header: SegmentHeader) {
    self.header = header
    seed = header.seed
    digest = CRC32C.checksum(header.encoded().span)
    end = SegmentEnd(
      ordinal: 0, offset: Layout.segmentHeader, index: header.previousIndex,
      term: header.previousTerm, checksum: header.checksum, termRuns: [])
  }

  /// Adds the batch at `location`, which a scan found valid: read again, and so checked again, down to
  /// the payloads.
  mutating func append(
    _ location: BatchLocation, from file: any StorageFile, seed source: FrameSeed
  ) throws(FormatError) {
    let batch = try file.batch(at: location, seed: source)
    let rows = try batch.rows()
    let skip = Int(location.firstIndex - batch.header.firstIndex)
    let truncation = isOverhanging ? end.index : nil
    let framed = try FramedBatch(adopting: batch)
    let frame = nextFrame(.batch, skip: skip, truncateAfter: truncation)
    let written = framed.framed(frame, seed: seed)
    add(written.bytes, written.frame)
    batches.append(
      BatchLocation(
        offset: pieces.last!.offset, ordinal: written.frame.ordinal,
        firstIndex: location.firstIndex, lastIndex: location.lastIndex))
    for index in location.firstIndex...location.lastIndex {
      let row = rows[Int(index - batch.header.firstIndex)]
      if row.term != end.term || end.termRuns.isEmpty {
        end.termRuns.append(TermRun(firstIndex: index, term: row.term))
        end.term = row.term
      }
    }
    end.index = location.lastIndex
    isOverhanging = location.lastIndex < batch.header.lastIndex
  }

  /// Closes the copy: what hangs over is truncated.
  mutating func finish() {
    guard isOverhanging else { return }
    let frame = nextFrame(.truncation, skip: 0, truncateAfter: end.index)
    let written = frame.encoded(seed: seed)
    add(written.bytes, written.frame)
    isOverhanging = false
  }

  /// What seals the copy at its end.
  var footer: SegmentFooter {
    SegmentFooter(
      offset: end.offset, lastOrdinal: end.ordinal, lastChecksum: end.checksum,
      lastIndex: end.index, lastTerm: end.term, digest: digest, termRuns: end.termRuns,
      batches: batches)
  }

  /// A frame of a copy names no edit and vouches for nothing: when it is written nobody knows whether
  /// the last edit that was read is on the disk. A frame that a writer appends names the edit that
  /// took the segment into the log, or a later one. So the two are told apart if that edit is lost.
  private func nextFrame(_ kind: FrameKind, skip: Int, truncateAfter: LogIndex?) -> Frame {
    Frame(
      kind: kind, ordinal: end.ordinal + 1, durableOrdinal: 0, manifestEdit: 0,
      previousChecksum: end.checksum, skip: skip, truncateAfter: truncateAfter)
  }

  private mutating func add(_ bytes: Bytes, _ frame: Frame) {
    pieces.append((end.offset, bytes))
    digest = CRC32C.extend(digest, with: bytes.span)
    end.offset += bytes.count
    end.ordinal = frame.ordinal
    end.checksum = frame.checksum
  }
}

extension StorageFile {
  /// The batch at `location`, frame, body and payloads checked against each other.
  fileprivate func batch(
    at location: BatchLocation, seed: FrameSeed
  ) throws(FormatError) -> Batch {
    let offset = location.offset
    do {
      // Of padding that does not come nothing is copied.
      let page = try readTolerantly(Layout.page, at: offset).bytes
      let frame = try Frame(decoding: page.span, seed: seed)
      let bytes =
        frame.extent > page.count ? try readTolerantly(frame.extent, at: offset).bytes : page
      guard bytes.count >= Layout.frame + frame.bodyBytes else {
        throw FormatError(.truncated, "the file ends within a batch", at: offset)
      }
      let batch = try Batch(bytes[Layout.frame..<Layout.frame + frame.bodyBytes])
      guard batch.header.checksum == frame.bodyChecksum else {
        throw FormatError(.inconsistent, "the body is not the one that the frame names", at: offset)
      }
      guard frame.ordinal == location.ordinal, batch.header.firstIndex <= location.firstIndex,
        location.lastIndex <= batch.header.lastIndex
      else {
        throw FormatError(
          .inconsistent, "frame \(frame.ordinal) where frame \(location.ordinal) was", at: offset)
      }
      try batch.verifyChecksums()
      return batch
    } catch let error as FormatError {
      throw error
    } catch {
      throw FormatError(.truncated, "\(error)", at: offset)
    }
  }
}
