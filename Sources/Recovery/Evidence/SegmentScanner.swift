// SegmentScanner: a scan in progress, front to back, one bounded piece of the file at a time.
//
// What must always hold: `offset` only grows; what follows the first break never enters the chain
// that `SegmentScan.end` ends; no sum on numbers from the file overflows, whatever they are.

import ByteBuffers
import LogFormat
import StorageIO

struct SegmentScanner {
  private(set) var scan: SegmentScan
  private var window: FileWindow
  private let seed: FrameSeed
  private let limit: Int
  /// True when the file is shorter than it was made.
  private let isShort: Bool
  /// False when only the chain is wanted, and nothing of what lies behind its end.
  private let looksBehind: Bool
  private var offset = Layout.segmentHeader
  /// True once a break was met: what follows is reported, and not part of the chain.
  private var isBroken = false
  private var expectedOrdinal: UInt32 = 1
  /// No frame of the file has a higher ordinal: each takes a page.
  private let ordinalMax: UInt32
  /// Behind a break: the index that comes next, as far as anybody can know.
  private var nextIndex: LogIndex = 0
  /// Breaks of which nobody knows yet where their entries end.
  private var unresolved: [Int] = []
  /// Breaks whose frames may have taken back entries, as far as later frames have told.
  private var uncertain: [Int] = []
  /// Every valid frame behind the first break; nil until there is one.
  private var witnesses: FrameWitnesses?

  init(
    _ file: any StorageFile, header: SegmentHeader, limit: Int?, capacity: Int?
  ) throws(StorageError) {
    window = try FileWindow(file)
    ordinalMax = Self.ordinalMax(window.size)
    scan = SegmentScan(header: header, fileBytes: window.size)
    seed = header.seed
    isShort = window.size < capacity ?? 0
    self.limit = min(limit ?? Int.max, window.size)
    looksBehind = true
    // Of the header as it should be: a damaged one is restored before the file is sealed.
    scan.digest = CRC32C.checksum(header.encoded().span)
  }

  /// For a scan that goes on where `scan` ended, and ends where the chain does.
  init(_ window: FileWindow, resuming scan: consuming SegmentScan) {
    self.window = window
    ordinalMax = Self.ordinalMax(window.size)
    seed = scan.header.seed
    offset = scan.end.offset
    expectedOrdinal = scan.end.ordinal + 1
    self.scan = scan
    self.scan.breaks = []
    self.scan.batchesBehindBreak = []
    self.scan.marksBehindBreak = []
    self.scan.truncatedBehindBreak = nil
    self.scan.fileBytes = window.size
    isShort = false
    limit = window.size
    looksBehind = false
  }

  /// Counted over twice the largest segment at the most: a sum with the pages of a file then fits,
  /// whatever size a file claims.
  private static func ordinalMax(_ size: Int) -> UInt32 {
    UInt32(min(size, 2 * Layout.segmentBytesMax) / Layout.page)
  }

  mutating func run() throws(StorageError) {
    defer {
      let looked = window.failure?.within(Layout.segmentHeader..<max(limit, Layout.segmentHeader))
      scan.failure = ReadFailure.joining(scan.failure, looked)
    }
    // At the end of the file too: that it ends there may be the finding.
    while offset < limit || limit == window.size {
      switch try examine(offset) {
      case .frame(let frame, let batch, let bytes):
        accept(frame, batch, bytes)
      case .unsupported(let error):
        scan.unsupported = error
        return
      case .broken(let shape, let frame, let body, let detail):
        guard try passBreak(shape, frame, body, detail) else { return }
      }
    }
  }

  private enum Examination {
    case frame(Frame, Batch?, Bytes)
    case unsupported(FormatError)
    case broken(BreakShape, Frame?, BatchHeader?, String)
  }

  /// What lies at `offset`.
  private mutating func examine(_ offset: Int) throws(StorageError) -> Examination {
    let page = try window.bytes(offset..<offset + Layout.page)
    let frame: Frame
    do {
      frame = try Frame(decoding: page.span, seed: seed)
    } catch {
      if error.code == .unsupported {
        return .unsupported(FormatError(.unsupported, error.message, at: offset))
      }
      return try .broken(missingFrame(page), nil, unframedBody(page), error.message)
    }
    if let wrong = disorder(frame) { return .broken(.outOfOrder, frame, nil, wrong) }
    if !frame.kind.isKnown && !frame.kind.isIgnorable {
      return .unsupported(
        FormatError(.unsupported, "a frame of kind \(frame.kind.rawValue)", at: offset))
    }
    let bytes = try window.bytes(offset..<offset + frame.extent)
    guard frame.kind == .batch else { return .frame(frame, nil, bytes) }
    return examineBody(frame, bytes)
  }

  private func examineBody(_ frame: Frame, _ bytes: Bytes) -> Examination {
    let available = min(bytes.count, Layout.frame + frame.bodyBytes)
    let body = bytes[min(Layout.frame, available)..<available]
    var header: BatchHeader?
    do throws(FormatError) {
      let decoded = try BatchHeader(decoding: body.span)
      guard decoded.checksum == frame.bodyChecksum, decoded.bodyBytes == frame.bodyBytes else {
        throw FormatError(.inconsistent, "the body is not the one that the frame names")
      }
      header = decoded
      // Before anything is summed up: what does not belong here may lie on every page.
      if let wrong = disorder(frame, decoded) { return .broken(.outOfOrder, frame, decoded, wrong) }
      let batch = try Batch(body)
      try batch.verifyChecksums()
      if let wrong = disorder(frame, try batch.rows(), decoded) {
        return .broken(.outOfOrder, frame, decoded, wrong)
      }
      return .frame(frame, batch, bytes)
    } catch {
      // These are the bytes that the frame names: they are sound, and this program is too old.
      if error.code == .unsupported, names(frame, body) {
        return .unsupported(FormatError(.unsupported, error.message, at: offset))
      }
      // What lies behind the end of the file was never written: count it as zeros.
      let missing = (frame.extent - bytes.count) / Layout.sector
      let zeros = bytes.span.zeroPieces(of: Layout.sector) + missing
      let isUnreadable = window.isUnreadable(offset..<offset + frame.extent)
      let shape: BreakShape =
        missing > 0 && isShort
        ? .fileEnds
        : zeros > frame.blankSectors ? .bodyCutByZeros : isUnreadable ? .unreadable : .bodyDamaged
      return .broken(shape, frame, header, error.message)
    }
  }

  /// True when the header at the front of `body` is the one whose checksum the frame has.
  private func names(_ frame: Frame, _ body: Bytes) -> Bool {
    var reader = ByteReader(body.span)
    guard let checksum = try? reader.u32() else { return false }
    return checksum == frame.bodyChecksum
  }

  /// The header of a body behind a frame that is not valid, if it is one of this log.
  private func unframedBody(_ page: Bytes) -> BatchHeader? {
    guard page.count > Layout.frame else { return nil }
    let body = page[Layout.frame..<page.count]
    guard let header = try? BatchHeader(decoding: body.span), header.group == scan.header.group
    else { return nil }
    return header
  }

  private mutating func missingFrame(_ page: Bytes) throws(StorageError) -> BreakShape {
    guard looksBehind else { return .frameMissing }
    let sector = page[0..<min(Layout.sector, page.count)]
    if window.isUnreadable(offset..<offset + Layout.sector) { return .unreadable }
    guard sector.span.isZero else { return .frameDamaged }
    // A frame further on is not zero: no need to look, once for every frame that is gone.
    if let witnesses, witnesses.isAny(from: offset) { return .frameMissing }
    // What was not delivered behind the place of the next frame is told, and holds nothing: a frame
    // there would have followed one here.
    guard try window.isZero(from: offset, passingUndelivered: true) else { return .frameMissing }
    return isShort ? .fileEnds : .zeros
  }

  /// What is out of order about a frame whose own checksum is right, or nil.
  private func disorder(_ frame: Frame) -> String? {
    if frame.ordinal > ordinalMax {
      return "frame \(frame.ordinal) in a file that has room for \(ordinalMax)"
    }
    if isBroken {
      return frame.ordinal < expectedOrdinal
        ? "frame \(frame.ordinal) behind frame \(expectedOrdinal - 1)" : nil
    }
    if frame.ordinal != expectedOrdinal {
      return "frame \(frame.ordinal) where \(expectedOrdinal) was expected"
    }
    if frame.previousChecksum != scan.end.checksum {
      return "the frame is not chained to the one before it"
    }
    if let t = frame.truncateAfter,
      t < scan.header.previousIndex || t > scan.end.index
    {
      return "a truncation after \(t) in a log that ends at \(scan.end.index)"
    }
    return nil
  }

  private func disorder(_ frame: Frame, _ header: BatchHeader) -> String? {
    if header.group != scan.header.group { return "a batch of group \(header.group)" }
    guard frame.skip < header.count else { return "a batch of which every entry is skipped" }
    return nil
  }

  private func disorder(_ frame: Frame, _ rows: [BatchRow], _ header: BatchHeader) -> String? {
    if isBroken { return nil }
    let last = frame.truncateAfter ?? scan.end.index
    let first = header.firstIndex + LogIndex(frame.skip)
    if first != last + 1 { return "index \(first) where \(last + 1) was expected" }
    if rows[frame.skip].term < scan.term(at: last) { return "the term falls at index \(first)" }
    return nil
  }

  /// Takes a valid frame into the evidence and moves behind it.
  private mutating func accept(_ frame: Frame, _ batch: Batch?, _ bytes: Bytes) {
    scan.manifestEdit = max(scan.manifestEdit, frame.manifestEdit)
    scan.durableOrdinalAnywhere = max(scan.durableOrdinalAnywhere, frame.durableOrdinal)
    // What lies behind the end of the file is told as that.
    let end = min(frame.extent, bytes.count)
    let padding = min(Layout.frame + frame.bodyBytes, end)..<end
    if !bytes[padding].span.isFilled(with: Layout.padding) {
      scan.paddingDamage.append(offset)
    }
    if frame.truncateAfter != nil { scan.holdsTruncation = true }
    if isBroken {
      acceptBehindBreak(frame, batch)
    } else {
      acceptInChain(frame, batch, bytes)
    }
    expectedOrdinal = frame.ordinal + 1
    offset += frame.extent
  }

  private mutating func acceptInChain(_ frame: Frame, _ batch: Batch?, _ bytes: Bytes) {
    scan.durableOrdinal = max(scan.durableOrdinal, frame.durableOrdinal)
    if let truncation = frame.truncateAfter { truncate(after: truncation) }
    if let batch, let rows = try? batch.rows() {
      let first = batch.header.firstIndex + LogIndex(frame.skip)
      scan.batches.append(
        BatchLocation(
          offset: offset, ordinal: frame.ordinal, firstIndex: first,
          lastIndex: batch.header.lastIndex))
      for (i, row) in rows.enumerated() where i >= frame.skip {
        if row.term != scan.end.term || (scan.termRuns.isEmpty) {
          let index = batch.header.firstIndex + LogIndex(i)
          scan.termRuns.append(TermRun(firstIndex: index, term: row.term))
          scan.end.term = row.term
        }
      }
      scan.end.index = batch.header.lastIndex
    }
    scan.digest = CRC32C.extend(scan.digest, with: bytes.span)
    scan.marks.append(mark(frame))
    scan.end.ordinal = frame.ordinal
    scan.end.offset = offset + frame.extent
    scan.end.checksum = frame.checksum
  }

  private func mark(_ frame: Frame) -> FrameMark {
    FrameMark(
      kind: frame.kind, offset: offset, end: offset + frame.extent, checksum: frame.checksum,
      bodyChecksum: frame.bodyChecksum)
  }

  private mutating func truncate(after index: LogIndex) {
    scan.batches.clamp(to: index)
    while let run = scan.termRuns.last, run.firstIndex > index { scan.termRuns.removeLast() }
    scan.end.index = index
    scan.end.term = scan.term(at: index)
  }

  private mutating func acceptBehindBreak(_ frame: Frame, _ batch: Batch?) {
    if frame.ordinal > expectedOrdinal, unresolved.isEmpty {
      // Frames in between are gone without a trace, and nobody knows yet what they held.
      scan.breaks[scan.breaks.count - 1].lastIndex = nil
      unresolved = [scan.breaks.count - 1]
    }
    if frame.ordinal > expectedOrdinal { loseFrames() }
    if let index = frame.truncateAfter { confirm(before: index + 1) }
    scan.marksBehindBreak.append(mark(frame))
    guard let batch else { return }
    let first = batch.header.firstIndex + LogIndex(frame.skip)
    confirm(before: first)
    resolve(before: first)
    nextIndex = batch.header.lastIndex + 1
    scan.batchesBehindBreak.append(
      BatchLocation(
        offset: offset, ordinal: frame.ordinal, firstIndex: first,
        lastIndex: batch.header.lastIndex))
  }

  /// What lies before `index` and was not known ends there. Frames that were lost without a trace
  /// count for the break that came before them.
  private mutating func resolve(before index: LogIndex) {
    if unresolved.isEmpty, index > nextIndex, !scan.breaks.isEmpty {
      unresolved = [scan.breaks.count - 1]
    }
    for i in unresolved { scan.breaks[i].lastIndex = max(index, scan.breaks[i].firstIndex) - 1 }
    unresolved = []
  }

  /// A valid frame goes on at `index`, so the log ended before it then: what lies further was taken
  /// back, by this frame or by one that is gone, and what does not still stood.
  private mutating func confirm(before index: LogIndex) {
    if index < nextIndex { truncateBehindBreak(after: index - 1) }
    for i in uncertain { scan.breaks[i].uncertainFrom = nil }
    uncertain = []
  }

  /// Frames that followed the last break are gone without a trace: any of them may have taken back
  /// entries.
  private mutating func loseFrames() {
    guard let last = scan.breaks.indices.last, scan.breaks[last].uncertainFrom == nil
    else { return }
    scan.breaks[last].uncertainFrom = scan.header.firstIndex
    uncertain.append(last)
  }

  /// Entries that a frame behind the break took back are no part of the log.
  private mutating func truncateBehindBreak(after index: LogIndex) {
    scan.truncatedBehindBreak = min(scan.truncatedBehindBreak ?? .max, index)
    scan.batchesBehindBreak.clamp(to: index)
    nextIndex = min(nextIndex, index + 1)
  }

  /// Records a break and moves to the next valid frame; false when there is none.
  private mutating func passBreak(
    _ shape: BreakShape, _ frame: Frame?, _ body: BatchHeader?, _ detail: String
  ) throws(StorageError) -> Bool {
    guard looksBehind else { return false }
    // A frame that is valid says how far its body reaches; one that is not may be anywhere.
    let next = offset + (shape == .outOfOrder ? Layout.page : frame?.extent ?? Layout.page)
    if !isBroken, shape != .zeros, try hasCome(behind: next) { return true }
    if !isBroken { nextIndex = scan.end.index + 1 }
    // The frame is valid though its body is not: what it took back is no more part of the log than
    // if the body were whole, and is not to be read in place of what replaced it.
    var takenBackThrough: LogIndex?
    if let frame, shape != .outOfOrder {
      if frame.ordinal > expectedOrdinal { loseFrames() }
      if let index = frame.truncateAfter {
        if index + 1 < nextIndex { takenBackThrough = nextIndex - 1 }
        confirm(before: index + 1)
        scan.holdsTruncation = true
      }
    }
    var found = SegmentBreak(
      shape: shape, offset: offset, ordinal: expectedOrdinal, later: .none, firstIndex: nextIndex,
      lastIndex: nil, takenBackThrough: takenBackThrough, resumesAt: nil, detail: detail)
    if let frame, shape != .outOfOrder {
      found.word = FrameWord(
        end: next, skipsFrames: frame.ordinal > expectedOrdinal,
        truncateAfter: frame.truncateAfter)
    }
    // The frame that belongs here may have taken back whatever this segment held.
    if frame == nil || shape == .outOfOrder { found.uncertainFrom = scan.header.firstIndex }
    if shape != .outOfOrder, let body, let frame, frame.skip < body.count {
      // The body's header survived: it says which entries are gone.
      confirm(before: body.firstIndex + LogIndex(frame.skip))
      found.firstIndex = body.firstIndex + LogIndex(frame.skip)
      found.lastIndex = body.lastIndex
      found.word?.firstIndex = found.firstIndex
      // Where it begins is where it took entries back to, if it did: not how far they went before.
      if frame.truncateAfter == nil { resolve(before: found.firstIndex) }
      nextIndex = body.lastIndex + 1
    } else if shape != .zeros {
      unresolved.append(scan.breaks.count)
    }
    defer {
      if found.uncertainFrom != nil { uncertain.append(scan.breaks.count) }
      scan.breaks.append(found)
    }
    guard shape != .zeros, offset < window.size else { return false }
    isBroken = true
    let ordinal = expectedOrdinal
    if let frame, shape != .outOfOrder {
      expectedOrdinal = max(expectedOrdinal, frame.ordinal) + 1
    }
    let later = witnesses?.first(from: next, above: ordinal)
    if frame == nil, let body, let first = try firstIndex(of: body, before: later) {
      unresolved.removeLast()
      found.uncertainFrom = nil
      if first < nextIndex {
        found.takenBackThrough = nextIndex - 1
        truncateBehindBreak(after: first - 1)
      }
      resolve(before: first)
      found.firstIndex = first
      found.lastIndex = body.lastIndex
      nextIndex = body.lastIndex + 1
      expectedOrdinal += 1
    }
    guard let later else { return false }
    found.resumesAt = later.offset
    found.later = later.durableOrdinal >= ordinal ? .vouching : .notVouching
    offset = later.offset
    return true
  }

  /// True when what was not there at `offset` is there now. A writer has written a frame whole before
  /// it writes the next one; but this one may have been read before that, and the next one behind it.
  private mutating func hasCome(behind next: Int) throws(StorageError) -> Bool {
    let found = try gatherWitnesses(from: next)
    if found.isAny(from: next) {
      window.forget()
      if case .frame = try examine(offset) { return true }
    }
    witnesses = found
    return false
  }

  /// The first index that was lost with a frame that is not valid, if the body behind it tells.
  ///
  /// Nothing chains such a body to the log, and a page that a device put elsewhere brings a sound one
  /// along. So it counts only if its entries go on where the log ends, or take the place of some that
  /// this segment holds, and if nothing but the next frame, or no byte at all, follows behind it. And
  /// it counts for reports alone: nothing is read from it, and opening cuts nothing for its sake. What
  /// it can do is to make more entries count as lost, which whoever gives them up has to name.
  private mutating func firstIndex(
    of body: BatchHeader, before later: FrameWitnesses.Found?
  ) throws(StorageError) -> LogIndex? {
    // The first batch of a copy may begin before the copy does.
    let isFirst = expectedOrdinal == 1
    let first = isFirst ? max(body.firstIndex, scan.header.firstIndex) : body.firstIndex
    guard first >= scan.header.firstIndex, first <= body.lastIndex else { return nil }
    // Where other frames are gone before this one, nobody knows where the log ends.
    guard first <= nextIndex || unresolved.count > 1 else { return nil }
    let end = offset + Layout.pages(Layout.frame + body.bodyBytes)
    if let later {
      return later.offset == end && later.ordinal == expectedOrdinal + 1 ? first : nil
    }
    if end >= limit { return first }
    return try window.isZero(from: end) ? first : nil
  }

  /// Looks once at every page from `start` on for a frame of this segment, or one that only a newer
  /// program can read. It may lie in the middle of what another frame counts as its own: a frame that
  /// is valid was written, wherever it is found.
  private mutating func gatherWitnesses(
    from start: Int
  ) throws(StorageError) -> FrameWitnesses {
    var frames: [FrameWitnesses.Found] = []
    var at = start
    while at < limit {
      let page = try window.bytes(at..<at + Layout.frame)
      do throws(FormatError) {
        let frame = try Frame(decoding: page.span, seed: seed)
        // One that no writer wrote says nothing.
        if frame.ordinal <= ordinalMax {
          frames.append(
            .init(offset: at, ordinal: frame.ordinal, durableOrdinal: frame.durableOrdinal))
        }
      } catch {
        if error.code == .unsupported {
          frames.append(.init(offset: at, ordinal: .max, durableOrdinal: 0))
        }
      }
      at += Layout.page
    }
    return FrameWitnesses(frames)
  }
}
