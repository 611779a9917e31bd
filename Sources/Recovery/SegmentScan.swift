// SegmentScan: the evidence in one segment file, frame by frame. It decides nothing.
//
// What must always hold: `batches` and `end` describe an unbroken chain from the header; whatever is
// found behind a break is reported apart, in `breaks`, and never mixed in.

import ByteBuffers
public import LogFormat
public import StorageIO

/// What a place looks like where a valid frame was expected.
public enum BreakShape: String, Hashable, Sendable, CaseIterable {
  /// Nothing but zeros from here to the end of the file, or the end itself.
  case zeros
  /// The frame is valid, its body is not, and more of it is zero than the frame counts as blank.
  case bodyCutByZeros
  /// The frame is valid, its body is not, and zeros do not explain it.
  case bodyDamaged
  /// No valid frame; its sector is zero or behind the end, but something follows.
  case frameMissing
  /// No valid frame, and bytes that are not zero.
  case frameDamaged
  /// A valid frame that does not belong here: ordinal, chain, index or truncation is out of order.
  case outOfOrder
  /// The file ends before what was made of it: no crash does that.
  case fileEnds
  /// The device would not deliver the frame's sector.
  case unreadable
}

/// What valid frames behind a break say about it.
public enum LaterFrames: String, Hashable, Sendable, CaseIterable {
  case none
  /// There are some, and none says that the broken one was durable.
  case notVouching
  /// One says that the broken one was synced before it was written.
  case vouching
}

/// A place in a segment where a valid frame was expected and none was found.
public struct SegmentBreak: Hashable, Sendable {
  public var shape: BreakShape
  public var offset: Int
  /// The ordinal that the frame here has, or had.
  public var ordinal: UInt32
  public var later: LaterFrames
  /// The first index that is not readable because of this.
  public var firstIndex: LogIndex
  /// The last such index, if a table or a later batch tells; nil when nobody can know.
  public var lastIndex: LogIndex?
  /// Where the next valid frame begins, if there is one.
  public var resumesAt: Int?
  /// What exactly disagreed, for people.
  public var detail: String
}

/// Where a frame ends, for cutting there.
struct FrameMark: Hashable, Sendable {
  var kind: FrameKind
  var offset: Int
  var end: Int
  var checksum: UInt32
  /// The checksum of the body's header, which vouches for the whole body; 0 without a body.
  var bodyChecksum: UInt32
}

/// What a scan of one segment file found.
public struct SegmentScan: Sendable {
  public let header: SegmentHeader
  /// Bytes of the file.
  public internal(set) var fileBytes: Int
  /// The end of the unbroken chain.
  public internal(set) var end: SegmentEnd
  /// The log's batches in the unbroken chain, in order.
  public internal(set) var batches: [BatchLocation] = []
  public internal(set) var termRuns: [TermRun] = []
  /// The highest ordinal that a frame of the unbroken chain vouches for.
  public internal(set) var durableOrdinal: UInt32 = 0
  /// The highest ordinal that any valid frame vouches for, those behind a break included.
  public internal(set) var durableOrdinalAnywhere: UInt32 = 0
  /// The highest manifest edit that any valid frame names.
  public internal(set) var manifestEdit: UInt64 = 0
  /// Breaks in order; the first one ends the unbroken chain. Empty when the scan reached its limit.
  public internal(set) var breaks: [SegmentBreak] = []
  /// Batches found behind the first break, for reports and salvage.
  public internal(set) var batchesBehindBreak: [BatchLocation] = []
  /// The lowest index behind which a frame behind the first break cut the log off.
  public internal(set) var truncatedBehindBreak: LogIndex?
  /// Every batch that can be read, in the chain or behind a break, as far as the log holds it.
  public var readableBatches: [BatchLocation] {
    batches.clamped(to: truncatedBehindBreak ?? .max) + batchesBehindBreak
  }
  /// Set when a frame needs a newer program.
  public internal(set) var unsupported: FormatError?
  /// Offsets of frames whose padding is not what it should be: harmless, but worth a word.
  public internal(set) var paddingDamage: [Int] = []
  /// CRC32C of the file up to `end`, if the chain is unbroken up to there.
  public internal(set) var digest: UInt32
  var marks: [FrameMark] = []
  /// Frames behind the first break.
  var marksBehindBreak: [FrameMark] = []
  /// True when a frame of the chain or behind it takes entries back.
  var holdsTruncation = false

  init(header: SegmentHeader, fileBytes: Int) {
    self.header = header
    self.fileBytes = fileBytes
    end = SegmentEnd(
      ordinal: 0, offset: Layout.segmentHeader, index: header.previousIndex,
      term: header.previousTerm, checksum: header.checksum, termRuns: [])
    digest = 0
  }

  /// The end that the chain had at the frame with `ordinal`, for the log as it stands now: entries
  /// that a later frame truncated are gone there too.
  public func end(at ordinal: UInt32) -> SegmentEnd {
    precondition(ordinal <= end.ordinal, "an end behind the end")
    var end = end
    end.termRuns = termRuns
    guard ordinal < end.ordinal else { return end }
    let mark = ordinal == 0 ? nil : marks[Int(ordinal) - 1]
    let last = batches.last { $0.ordinal <= ordinal }
    let index = last?.lastIndex ?? header.previousIndex
    return SegmentEnd(
      ordinal: ordinal, offset: mark?.end ?? Layout.segmentHeader, index: index,
      term: term(at: index), checksum: mark?.checksum ?? header.checksum,
      termRuns: termRuns.filter { $0.firstIndex <= index })
  }

  /// The term of an index of this segment, or of the one before its first.
  func term(at index: LogIndex) -> Term {
    termRuns.last { $0.firstIndex <= index }?.term ?? header.previousTerm
  }

  /// True when no frame behind `ordinal` holds or removes an entry.
  func holdsOnlyMarkers(after ordinal: UInt32) -> Bool {
    marks.dropFirst(Int(ordinal)).allSatisfy { $0.kind == .marker }
  }

  /// True for a frame that was appended to the segment once it was part of the log: it names a
  /// manifest edit, or something that had been synced. Frames of a copy do neither.
  var holdsAppended: Bool { manifestEdit > 0 || durableOrdinalAnywhere > 0 }

  /// The end that the chain has if the log leaves this segment before `index`, whole frames only.
  func end(before index: LogIndex) -> SegmentEnd {
    guard index <= end.index else { return end(at: end.ordinal) }
    let last = batches.last { $0.firstIndex < index }
    return end(at: last?.ordinal ?? 0).clamped(before: index, previousTerm: header.previousTerm)
  }

  /// True when each batch that can be read here lies in one of `others` as well, body for body and
  /// as far as it is the log's.
  func isHeld(by others: [SegmentScan]) -> Bool {
    var held: [UInt32: [BatchLocation]] = [:]
    for other in others {
      for batch in other.batches {
        if let body = other.bodyChecksum(of: batch) { held[body, default: []].append(batch) }
      }
    }
    return readableBatches.allSatisfy { batch in
      guard let body = bodyChecksum(of: batch) else { return false }
      return held[body, default: []].contains {
        $0.firstIndex <= batch.firstIndex && $0.lastIndex >= batch.lastIndex
      }
    }
  }

  private func bodyChecksum(of batch: BatchLocation) -> UInt32? {
    for marks in [marks, marksBehindBreak] {
      let i = marks.partitioningIndex { $0.offset >= batch.offset }
      if i < marks.count, marks[i].offset == batch.offset { return marks[i].bodyChecksum }
    }
    return nil
  }

  public var indices: Range<LogIndex> { header.firstIndex..<end.index + 1 }

  /// The footer that seals this segment at `end`.
  public var footer: SegmentFooter {
    SegmentFooter(
      offset: end.offset, lastOrdinal: end.ordinal, lastChecksum: end.checksum,
      lastIndex: end.index, lastTerm: end.term, digest: digest, termRuns: termRuns,
      batches: batches)
  }
}

extension SegmentEnd {
  /// This end without the entries from `index` on; `previousTerm` is the segment's.
  func clamped(before index: LogIndex, previousTerm: Term) -> SegmentEnd {
    guard self.index >= index else { return self }
    var clamped = self
    clamped.index = index - 1
    clamped.termRuns.removeAll { $0.firstIndex >= index }
    clamped.term = clamped.termRuns.last?.term ?? previousTerm
    return clamped
  }
}

extension SegmentScan {
  /// Reads a segment file from its first frame on.
  ///
  /// - Parameters:
  ///   - limit: where the log is known to leave this file; nothing behind is looked at.
  ///   - capacity: bytes that the file must have, if that is known.
  public static func scan(
    _ file: any StorageFile, header: SegmentHeader, limit: Int? = nil, capacity: Int? = nil
  ) throws(StorageError) -> SegmentScan {
    var scanner = try SegmentScanner(
      file, header: header, limit: limit, capacity: capacity)
    try scanner.run()
    return scanner.scan
  }
}

extension SegmentScan {
  /// Reads on where the unbroken chain ended, for a file that has grown in the meantime.
  ///
  /// - Returns: true if there was anything new.
  public mutating func extend(_ file: any StorageFile) throws(StorageError) -> Bool {
    let before = end.ordinal
    var scanner = try SegmentScanner(file, resuming: self)
    try scanner.run()
    self = scanner.scan
    return end.ordinal > before
  }
}

extension [BatchLocation] {
  /// The batches without the entries behind `index`.
  func clamped(to index: LogIndex) -> [BatchLocation] {
    guard let last, last.lastIndex > index else { return self }
    var kept = self
    while let last = kept.last, last.lastIndex > index {
      if last.firstIndex > index {
        kept.removeLast()
      } else {
        kept[kept.count - 1].lastIndex = index
      }
    }
    return kept
  }
}

/// The scan in progress.
private struct SegmentScanner {
  var scan: SegmentScan
  private var window: FileWindow
  private let seed: FrameSeed
  private let limit: Int
  /// True when the file is shorter than it was made.
  private let isShort: Bool
  private var offset = Layout.segmentHeader
  /// True once a break was met: what follows is reported, and not part of the chain.
  private var isBroken = false
  private var expectedOrdinal: UInt32 = 1
  /// Behind a break: the index that comes next, as far as anybody can know.
  private var nextIndex: LogIndex = 0
  /// Breaks of which nobody knows yet where their entries end.
  private var unresolved: [Int] = []
  /// Every valid frame behind the first break; nil until there is one.
  private var witnesses: FrameWitnesses?

  init(
    _ file: any StorageFile, header: SegmentHeader, limit: Int?, capacity: Int?
  ) throws(StorageError) {
    window = try FileWindow(file)
    scan = SegmentScan(header: header, fileBytes: window.size)
    seed = header.seed
    isShort = window.size < capacity ?? 0
    self.limit = min(limit ?? Int.max, window.size)
    // Of the header as it should be: a damaged one is restored before the file is sealed.
    scan.digest = CRC32C.checksum(header.encoded().span)
  }

  init(_ file: any StorageFile, resuming scan: SegmentScan) throws(StorageError) {
    window = try FileWindow(file, windowBytes: 64 << 10)
    self.scan = scan
    self.scan.breaks = []
    self.scan.batchesBehindBreak = []
    self.scan.marksBehindBreak = []
    self.scan.truncatedBehindBreak = nil
    self.scan.fileBytes = window.size
    seed = scan.header.seed
    isShort = false
    limit = window.size
    offset = scan.end.offset
    expectedOrdinal = scan.end.ordinal + 1
  }

  mutating func run() throws(StorageError) {
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
      return try .broken(missingFrame(page), nil, nil, error.message)
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
      let shape: BreakShape =
        missing > 0 && isShort
        ? .fileEnds : zeros > frame.blankSectors ? .bodyCutByZeros : .bodyDamaged
      return .broken(shape, frame, header, error.message)
    }
  }

  /// True when the header at the front of `body` is the one whose checksum the frame has.
  private func names(_ frame: Frame, _ body: Bytes) -> Bool {
    var reader = ByteReader(body.span)
    guard let checksum = try? reader.u32() else { return false }
    return checksum == frame.bodyChecksum
  }

  private mutating func missingFrame(_ page: Bytes) throws(StorageError) -> BreakShape {
    let sector = page[0..<min(Layout.sector, page.count)]
    if window.isUnreadable(offset..<offset + Layout.sector) { return .unreadable }
    guard sector.span.isZero else { return .frameDamaged }
    // A frame further on is not zero: no need to look, once for every frame that is gone.
    if let witnesses, witnesses.isAny(from: offset) { return .frameMissing }
    guard try window.isZero(from: offset) else { return .frameMissing }
    return isShort ? .fileEnds : .zeros
  }

  /// What is out of order about a frame whose own checksum is right, or nil.
  private func disorder(_ frame: Frame) -> String? {
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

  private func disorder(_ frame: Frame, _ rows: [BatchRow], _ header: BatchHeader) -> String? {
    if header.group != scan.header.group { return "a batch of group \(header.group)" }
    guard frame.skip < header.count else { return "a batch of which every entry is skipped" }
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
    let padding = Layout.frame + frame.bodyBytes..<frame.extent
    if bytes.count < frame.extent
      || !bytes[padding].span.isFilled(with: Layout.padding)
    {
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
    scan.batches = scan.batches.clamped(to: index)
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
    if let index = frame.truncateAfter { truncateBehindBreak(after: index) }
    scan.marksBehindBreak.append(mark(frame))
    guard let batch else { return }
    let first = batch.header.firstIndex + LogIndex(frame.skip)
    // What it takes the place of was taken back by a frame that is gone.
    if first < nextIndex { truncateBehindBreak(after: first - 1) }
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

  /// Entries that a frame behind the break took back are no part of the log.
  private mutating func truncateBehindBreak(after index: LogIndex) {
    scan.truncatedBehindBreak = min(scan.truncatedBehindBreak ?? .max, index)
    scan.batchesBehindBreak = scan.batchesBehindBreak.clamped(to: index)
    nextIndex = min(nextIndex, index + 1)
  }

  /// Records a break and moves to the next valid frame; false when there is none.
  private mutating func passBreak(
    _ shape: BreakShape, _ frame: Frame?, _ body: BatchHeader?, _ detail: String
  ) throws(StorageError) -> Bool {
    if !isBroken { nextIndex = scan.end.index + 1 }
    // The frame is valid though its body is not: what it took back is no more part of the log than
    // if the body were whole, and is not to be read in place of what replaced it.
    if shape != .outOfOrder, let index = frame?.truncateAfter {
      truncateBehindBreak(after: index)
      scan.holdsTruncation = true
    }
    var found = SegmentBreak(
      shape: shape, offset: offset, ordinal: expectedOrdinal, later: .none, firstIndex: nextIndex,
      lastIndex: nil, resumesAt: nil, detail: detail)
    if shape != .outOfOrder, let body, let frame,
      body.firstIndex + LogIndex(frame.skip) >= nextIndex
    {
      // The table's header survived: it says which entries are gone.
      found.firstIndex = body.firstIndex + LogIndex(frame.skip)
      found.lastIndex = body.lastIndex
      resolve(before: found.firstIndex)
      nextIndex = body.lastIndex + 1
    } else if shape != .zeros {
      unresolved.append(scan.breaks.count)
    }
    defer { scan.breaks.append(found) }
    guard shape != .zeros, offset < window.size else { return false }
    isBroken = true
    // A frame that is valid says how far its body reaches; one that is not may be anywhere.
    let next = offset + (shape == .outOfOrder ? Layout.page : frame?.extent ?? Layout.page)
    let ordinal = expectedOrdinal
    if frame != nil, shape != .outOfOrder { expectedOrdinal += 1 }
    if witnesses == nil { witnesses = try gatherWitnesses(from: next) }
    guard let later = witnesses?.first(from: next, above: ordinal) else { return false }
    found.resumesAt = later.offset
    found.later = later.durableOrdinal >= ordinal ? .vouching : .notVouching
    offset = later.offset
    return true
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
        frames.append(
          .init(offset: at, ordinal: frame.ordinal, durableOrdinal: frame.durableOrdinal))
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

/// The valid frames behind the first break of a segment, for every break to ask.
///
/// They are gathered in one pass and asked in order, so that a scan costs the same however many
/// breaks there are.
private struct FrameWitnesses {
  struct Found {
    var offset: Int
    /// The highest there is for a frame that only a newer program can read.
    var ordinal: UInt32
    /// The highest ordinal that this frame vouches for, or one behind it.
    var durableOrdinal: UInt32
  }

  private let frames: [Found]
  /// What lies before was passed: breaks come in order of offset and of ordinal.
  private var next = 0

  /// - Parameter frames: by offset, each with the ordinal that it vouches for itself.
  init(_ frames: [Found]) {
    var frames = frames
    var highest: UInt32 = 0
    for i in frames.indices.reversed() {
      highest = max(highest, frames[i].durableOrdinal)
      frames[i].durableOrdinal = highest
    }
    self.frames = frames
  }

  /// True when a frame begins at `offset` or behind it.
  func isAny(from offset: Int) -> Bool { frames.last.map { $0.offset >= offset } ?? false }

  /// The first frame from `offset` on that was written behind the one with `ordinal`. Neither may
  /// be lower than it was in the last call.
  mutating func first(from offset: Int, above ordinal: UInt32) -> Found? {
    while next < frames.count, frames[next].offset < offset || frames[next].ordinal <= ordinal {
      next += 1
    }
    return next < frames.count ? frames[next] : nil
  }
}
