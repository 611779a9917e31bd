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
  /// The device would not deliver the frame, or a part of its body.
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
  /// The last such index, if the batch's own header or a later batch tells; nil when nobody can know.
  public var lastIndex: LogIndex?
  /// The lowest index that a frame which is lost here may have taken back: a frame that cannot be
  /// read may have been a truncation. Nil where the frame can be read, where its body tells which
  /// entries it brought, and where a later frame says at which index the log stood behind it.
  public var uncertainFrom: LogIndex?
  /// The last entry that the log had before the broken frame, where that took some of them back.
  public var takenBackThrough: LogIndex?
  /// Where the next valid frame begins, if there is one.
  public var resumesAt: Int?
  /// What the broken frame says of the log before it, where it can be read though its body cannot.
  var word: FrameWord?
  /// What exactly disagreed, for people.
  public var detail: String

  /// The last index that is not readable because of this, in a segment that was durable up to the
  /// frame with the ordinal `mark`; nil when nobody can know, because frames that followed are gone
  /// as well.
  func lastIndex(durableThrough mark: UInt32) -> LogIndex? {
    hidesFrames(durableThrough: mark) ? nil : lastIndex
  }

  /// The entries before this that can be read, and that a frame which is gone may have taken back,
  /// in a segment that begins at `first` and was durable up to the frame with the ordinal `mark`.
  func uncertain(durableThrough mark: UInt32, from first: LogIndex) -> ClosedRange<LogIndex>? {
    guard let lower = uncertainFrom ?? (hidesFrames(durableThrough: mark) ? first : nil),
      max(lower, first) < firstIndex
    else { return nil }
    return max(lower, first)...firstIndex - 1
  }

  /// True when frames that followed are gone as well, and none that is left tells of them.
  private func hidesFrames(durableThrough mark: UInt32) -> Bool {
    resumesAt == nil && (shape == .fileEnds || ordinal < mark)
  }
}

/// What a frame that can be read says of the log before it. That stays true where the frame itself
/// does not count, because its body is torn.
struct FrameWord: Hashable, Sendable {
  /// Where it ends in the file.
  var end: Int
  /// True when frames before it are gone without a trace.
  var skipsFrames: Bool
  /// The log held every entry up to this one, and the frame was to take back those behind it.
  var truncateAfter: LogIndex?
  /// The first entry that it brings, if its body tells.
  var firstIndex: LogIndex?
}

extension SegmentBreak {
  /// Takes in what the frame says that the log is cut at: of the entries before this break, and of
  /// where those end that are lost with it.
  fileprivate mutating func settle(by word: FrameWord) {
    if let index = word.truncateAfter {
      // It takes nothing back, and no frame before it had taken back what it was to keep.
      uncertainFrom = uncertainFrom.map { max($0, index + 1) }
    } else if let index = word.firstIndex {
      uncertainFrom = nil
      lastIndex = lastIndex ?? max(index, firstIndex) - 1
    }
  }
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
  /// What the device would not deliver of the part that was looked at.
  public internal(set) var failure: ReadFailure?
  /// That, as byte ranges of the file.
  public var unreadable: [Range<Int>] { failure?.unreadable ?? [] }
  /// True when something was not delivered from `offset` on that may hold a frame: its sector is the
  /// first one of a page.
  private func mayHideFrame(from offset: Int) -> Bool {
    unreadable.contains { range in
      Layout.pages(max(range.lowerBound - Layout.sector + 1, offset)) < range.upperBound
    }
  }
  /// True when what was not delivered may change what is to be thought of a break: a frame behind it may
  /// vouch for it. Where its own frame cannot be read nobody knows how far it reached, and anything
  /// behind may be a part of it.
  func mayHideWitness(of found: SegmentBreak) -> Bool {
    switch found.shape {
    case .frameDamaged, .fileEnds: unreadable.contains { $0.upperBound > found.offset }
    case .zeros, .bodyCutByZeros, .bodyDamaged, .frameMissing, .outOfOrder, .unreadable:
      mayHideFrame(from: found.offset)
    }
  }
  /// What was not delivered of what lies at a break, or of frames that may follow it.
  func withheld(from found: SegmentBreak) -> Range<Int>? {
    // Its frame says how far it reached, unless a frame may follow that was not delivered.
    let reach = mayHideWitness(of: found) ? nil : found.word?.end
    let end = found.resumesAt ?? reach ?? .max
    return unreadable.first { $0.overlaps(found.offset..<max(end, found.offset + 1)) }
  }
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

  /// The entries that are lost with what lies at a break, in a segment that was durable up to the
  /// frame `mark`: without an end where frames may follow that the device does not deliver.
  func loss(at found: SegmentBreak, durableThrough mark: UInt32) -> Loss {
    let hidesMore = found.resumesAt == nil && mayHideFrame(from: found.offset + Layout.page)
    return Loss(
      first: found.firstIndex, last: hidesMore ? nil : found.lastIndex(durableThrough: mark))
  }

  /// True when each batch that can be read here lies in one of `others` as well, body for body and
  /// as far as it is the log's; `behindBreaks` counts what lies behind a break there, too.
  func isHeld(by others: [SegmentScan], behindBreaks: Bool = false) -> Bool {
    var held: [UInt32: [BatchLocation]] = [:]
    for other in others {
      for batch in behindBreaks ? other.readableBatches : other.batches {
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
  /// The same without what lies from `cut` on, one of the breaks.
  func counted(upTo cut: SegmentBreak, of file: any StorageFile) throws(StorageError) -> SegmentScan
  {
    guard cut == breaks.first else {
      var counted = try SegmentScan.scan(file, header: header, limit: cut.offset)
      // Whatever lies from the cut on takes nothing back, and so it cannot say where a loss ends.
      let alone = Dictionary(counted.breaks.map { ($0.offset, $0) }, uniquingKeysWith: { $1 })
      counted.breaks = breaks.filter { $0.offset < cut.offset }
      for i in counted.breaks.indices {
        let found = alone[counted.breaks[i].offset]
        counted.breaks[i].lastIndex = found?.lastIndex
        counted.breaks[i].uncertainFrom = found == nil ? header.firstIndex : found?.uncertainFrom
      }
      if let word = cut.word {
        if word.skipsFrames, let last = counted.breaks.indices.last {
          counted.breaks[last].lastIndex = nil
          counted.breaks[last].uncertainFrom = header.firstIndex
        }
        for i in counted.breaks.indices { counted.breaks[i].settle(by: word) }
      }
      counted.durableOrdinalAnywhere = durableOrdinalAnywhere
      counted.manifestEdit = manifestEdit
      return counted
    }
    // The chain alone: no need to read it once more.
    var counted = self
    counted.breaks = []
    counted.batchesBehindBreak = []
    counted.marksBehindBreak = []
    counted.truncatedBehindBreak = nil
    return counted
  }

  /// Reads on where the unbroken chain ended, for a file that has grown in the meantime.
  ///
  /// What lies behind the chain's new end is not looked at, and `breaks` is empty afterwards: the cost
  /// grows with what is new, and neither with the segment nor with the room that is left in it. When
  /// this throws, the frames that were read before stay taken in.
  ///
  /// - Returns: true if there was anything new.
  public mutating func extend(_ file: any StorageFile) throws(StorageError) -> Bool {
    let before = end.ordinal
    let window = try FileWindow(file, windowBytes: 64 << 10)
    // Moved there and back: with a second owner each of the arrays would be copied to be added to.
    let known = self
    self = SegmentScan(header: known.header, fileBytes: window.size)
    var scanner = SegmentScanner(window, resuming: consume known)
    defer { self = scanner.scan }
    try scanner.run()
    return scanner.scan.end.ordinal > before
  }
}

extension [BatchLocation] {
  /// The batches without the entries behind `index`.
  func clamped(to index: LogIndex) -> [BatchLocation] {
    var kept = self
    kept.clamp(to: index)
    return kept
  }

  /// Forgets the entries behind `index`.
  mutating func clamp(to index: LogIndex) {
    while let last, last.lastIndex > index {
      if last.firstIndex > index {
        removeLast()
      } else {
        self[count - 1].lastIndex = index
      }
    }
  }
}
