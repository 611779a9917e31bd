// OpeningPlanner, the tail: what nothing vouches for is written again before it is relied on.
//
// What must always hold: the segment that the log leaves keeps its bytes, as evidence.

import ByteBuffers
import LogFormat
import StorageIO

extension OpeningPlanner {
  /// Goes on in the active segment if all of it is known durable, else starts a new one with a copy
  /// of what is not.
  mutating func settleTail(
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> ActiveSegment {
    guard let segment = evidence.segments.last, let scan = segment.scan else {
      throw RecoveryError(.damaged, "\(evidence.path): the manifest names no active segment")
    }
    let record = state.segments.last!
    let mark = max(record.durableThrough, scan.durableOrdinal)
    // A log that ends before it begins goes on in a segment that begins where it does; and one of
    // which something was not delivered in another file: the digest of this one is not known, and its
    // space is not to be relied on.
    let isUntouched =
      scan.breaks.allSatisfy { $0.shape == .zeros } && scan.end.index >= state.previousIndex
      && scan.failure == nil
    if isUntouched, mark >= scan.end.ordinal, scan.fileBytes == record.capacity {
      var end = scan.end
      end.termRuns = scan.termRuns
      return ActiveSegment(
        record: record, end: end, durableOrdinal: scan.end.ordinal, batches: scan.batches,
        digest: scan.digest)
    }
    if isUntouched, scan.fileBytes == record.capacity, scan.holdsOnlyMarkers(after: mark),
      let active = try goOnBehindMarkers(scan, record, mark: mark)
    {
      return active
    }
    return try copyForward(scan, record, mark: min(mark, scan.end.ordinal), using: &generator)
  }

  /// Writes the markers behind `mark` once more, so that they are on the disk and not only in the
  /// page cache, and goes on behind them. They carry nothing that a torn write could take away.
  private mutating func goOnBehindMarkers(
    _ scan: SegmentScan, _ record: SegmentRecord, mark: UInt32
  ) throws(RecoveryError) -> ActiveSegment? {
    let start = scan.end(at: mark).offset
    let bytes: Bytes
    do {
      bytes = try directory.open(record.fileName, .read).read(scan.end.offset - start, at: start)
    } catch {
      // Their padding does not come: the log goes on in another place.
      if error.isReadFailure { return nil }
      throw RecoveryError(error)
    }
    guard bytes.count == scan.end.offset - start else { return nil }
    steps += [.write(record.fileName, bytes, at: start), .sync(record.fileName)]
    var end = scan.end
    end.termRuns = scan.termRuns
    return ActiveSegment(
      record: record, end: end, durableOrdinal: end.ordinal, batches: scan.batches,
      digest: scan.digest)
  }

  private mutating func copyForward(
    _ scan: SegmentScan, _ record: SegmentRecord, mark: UInt32,
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> ActiveSegment {
    let kept = scan.end(at: mark).offset - Layout.segmentHeader
    let keep = kept <= options.copyWholeBytesMax ? 0 : mark
    let end = scan.end(at: keep)
    // What was compacted may have been cut with the tail: the log then begins anew where it did.
    let isCompactedAway = scan.end.index < state.firstIndex - 1
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .copyForward, group: state.group, uid: state.freshUID(using: &generator),
      salt: generator.next(), sequence: lastSequence,
      firstIndex: isCompactedAway ? state.firstIndex : end.index + 1,
      previousTerm: isCompactedAway ? state.previousTerm : end.term)
    let copy = try copied(
      scan, record, after: isCompactedAway ? scan.end.ordinal : keep, to: header)
    let room = max(options.segmentBytes, Layout.pages(copy.end.offset + options.segmentBytes / 4))
    let next = SegmentRecord(header: header, capacity: room, durableThrough: copy.end.ordinal)
    steps.append(.create(next.fileName, zeros: room))
    steps.append(.write(next.fileName, header.encoded(), at: 0))
    for piece in copy.pieces { steps.append(.write(next.fileName, piece.bytes, at: piece.offset)) }
    steps += [.sync(next.fileName), .syncDirectory(nil)]
    if isCompactedAway {
      for segment in state.segments { require(.dropped(segment.uid)) }
    } else {
      require(.ended(record.uid, end, isCut: true))
    }
    require(.added(next))
    return ActiveSegment(
      record: next, end: copy.end, durableOrdinal: copy.end.ordinal, batches: copy.batches,
      digest: copy.digest)
  }

  /// The batches behind the frame `ordinal`, framed for the segment with `header`.
  private func copied(
    _ scan: SegmentScan, _ record: SegmentRecord, after ordinal: UInt32, to header: SegmentHeader
  ) throws(RecoveryError) -> SegmentCopy {
    var copy = SegmentCopy(header: header)
    let file: any StorageFile
    do {
      file = try directory.open(record.fileName, .read)
    } catch {
      throw RecoveryError(error)
    }
    for location in scan.batches where location.ordinal > ordinal {
      do throws(FormatError) {
        try copy.append(location, from: file, seed: scan.header.seed)
      } catch {
        // It was valid when it was scanned: the device changed its mind.
        throw RecoveryError(
          .storage,
          "\(evidence.path)/\(record.fileName) at byte \(location.offset): \(error.message); the "
            + "same bytes were valid a moment ago, so the device cannot be relied on")
      }
    }
    copy.finish()
    return copy
  }
}
