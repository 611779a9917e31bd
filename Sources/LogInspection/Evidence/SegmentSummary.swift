// SegmentSummary: a segment in a line and a bar: which entries, how many bytes, used for what.
//
// What must always hold: the strip adds up to the file's bytes (to what they would be, where the
// file is gone), and every finding that is damage shows in it.

import ByteBuffers
import LogFormat
import Recovery
import StorageIO

struct SegmentSummary {
  enum State: String {
    /// Being written, or the one that the next append goes to.
    case active
    /// Complete, with a footer that is what the manifest says.
    case sealed
    /// The log has left it, and its footer is not written yet.
    case ended
    /// Cut after an unclean stop; what lies behind the cut is evidence.
    case cut
    case damaged
    case missing
  }

  let name: String
  let state: State
  let firstIndex: LogIndex
  /// The last entry that the log has here; below the first for none.
  let lastIndex: LogIndex
  /// Nil where finding out would mean reading the file.
  let batches: Int?
  /// Bytes of the file; nil when there is none.
  let fileBytes: Int?
  let termRuns: [TermRun]
  /// False where only the footer, or the manifest, was asked.
  let isRead: Bool
  let strip: Strip

  init(_ segment: SegmentEvidence, in inspection: Inspection) throws {
    let record = segment.record
    name = inspection.fileName(record)
    let name = name
    let findings = inspection.findings.filter { $0.file == name }
    firstIndex = record.firstIndex
    fileBytes = segment.fileBytes
    isRead = segment.scan != nil
    let isRefused = findings.contains(where: \.verdict.refusesOpening)
    let found = segment.locations(isRefused: isRefused)
    batches = found?.count
    // Damage that is not cut belongs to the log, as far as it is known.
    let damaged = isRefused ? findings.filter { $0.verdict.severity >= .damaged } : []
    let held = [found?.last?.lastIndex ?? record.previousIndex] + damaged.compactMap(\.lastIndex)
    // Where headers stand in for the manifest it is not known how far the file went: what it holds
    // counts, and no more.
    let own = inspection.isStandIn ? segment.footer?.lastIndex ?? held.max() : nil
    let end = record.end?.index ?? held.max()!
    lastIndex = min(end, own ?? end)
    termRuns =
      record.end?.termRuns ?? segment.scan?.termRuns ?? segment.footer?.termRuns ?? []
    state = Self.state(segment, findings)
    strip = try SegmentStrip(segment, found, findings, in: inspection).strip
  }

  private static func state(_ segment: SegmentEvidence, _ findings: [Finding]) -> State {
    if segment.fileBytes == nil { return .missing }
    if segment.isUnopenable || findings.contains(where: { $0.verdict.severity >= .damaged }) {
      return .damaged
    }
    if segment.record.isCut { return .cut }
    if segment.record.seal != nil { return .sealed }
    return segment.record.end != nil ? .ended : .active
  }
}

extension SegmentEvidence {
  /// The batches that the log has in this file; nil if they were not looked at.
  ///
  /// - Parameter isRefused: damage is not cut, so what lies behind it belongs to the log.
  func locations(isRefused: Bool) -> [BatchLocation]? {
    if let counted { return isRefused ? counted.readableBatches : counted.batches }
    return footer?.batches
  }
}

extension SegmentEvidence {
  /// The byte behind the last frame that counts, if anybody knows it.
  fileprivate var framesEnd: Int? { record.end?.offset ?? scan?.end.offset }
}

extension Inspection {
  /// All segments in the order of the log.
  func summaries() throws -> [SegmentSummary] {
    try segments.map { try SegmentSummary($0, in: self) }
  }
}

/// How the bytes of one segment file are used, in the making.
private struct SegmentStrip {
  private(set) var strip = Strip()

  /// From `offset` on, up to the next mark, bytes are for `use`.
  private struct Mark {
    var offset: Int
    var use: Use
  }

  private var marks: [Mark] = []
  /// Behind this byte there is nothing but zeros; looked up when it is asked for.
  private var dataEnd: Int?

  init(
    _ segment: SegmentEvidence, _ batches: [BatchLocation]?, _ findings: [Finding],
    in inspection: Inspection
  ) throws {
    let record = segment.record
    guard let fileBytes = segment.fileBytes else {
      strip.append(.missing, record.seal?.size ?? record.capacity)
      return
    }
    let isAnother = segment.header == .otherSegment || segment.header == .otherGroup
    if isAnother || segment.isUnopenable {
      strip.append(.damaged, fileBytes)
      return
    }
    let first = inspection.manifest?.firstIndex ?? 1
    markEntries(segment, batches, first: first)
    try markEnd(segment, fileBytes, in: inspection)
    try markBreaks(segment, findings, fileBytes, in: inspection)
    markHealed(segment, first: first, fileBytes)
    draw(fileBytes)
  }

  private mutating func markEntries(
    _ segment: SegmentEvidence, _ batches: [BatchLocation]?, first: LogIndex
  ) {
    func use(_ last: LogIndex) -> Use { last < first ? .compacted : .live }
    if let batches, let front = batches.first {
      marks.append(Mark(offset: 0, use: use(front.firstIndex)))
      for (i, batch) in batches.enumerated() {
        marks.append(Mark(offset: batch.offset, use: use(batch.firstIndex)))
        guard batch.firstIndex < first, batch.lastIndex >= first else { continue }
        let end = i + 1 < batches.count ? batches[i + 1].offset : segment.framesEnd
        marks.append(Mark(offset: Self.place(of: first, in: batch, endingAt: end), use: .live))
      }
    } else if let end = segment.record.end {
      // One that holds no entry is where its first would be.
      let isEmpty = end.index == segment.record.previousIndex
      let last = isEmpty ? segment.record.firstIndex : end.index
      marks.append(Mark(offset: 0, use: isEmpty && segment.record.isCut ? .cut : use(last)))
    } else {
      marks.append(Mark(offset: 0, use: .live))
    }
  }

  /// About where the entry at `index` lies in its batch, as if all were of one size.
  private static func place(
    of index: LogIndex, in batch: BatchLocation, endingAt end: Int?
  ) -> Int {
    guard let end, end > batch.offset else { return batch.offset }
    let share = Double(index - batch.firstIndex) / Double(batch.lastIndex - batch.firstIndex + 1)
    return batch.offset + Int(share * Double(end - batch.offset))
  }

  /// What lies behind the last frame that counts.
  private mutating func markEnd(
    _ segment: SegmentEvidence, _ fileBytes: Int, in inspection: Inspection
  ) throws {
    let record = segment.record
    guard record.seal == nil else { return }
    let end = segment.framesEnd ?? fileBytes
    if record.isCut {
      marks.append(Mark(offset: end, use: .cut))
      marks.append(Mark(offset: max(try dataEnd(segment, in: inspection), end), use: .free))
    } else {
      marks.append(Mark(offset: end, use: .free))
    }
  }

  private mutating func markBreaks(
    _ segment: SegmentEvidence, _ findings: [Finding], _ fileBytes: Int, in inspection: Inspection
  ) throws {
    for found in segment.scan?.breaks ?? [] {
      // Behind the end that the manifest gives the file is no part of the log.
      if let end = segment.record.end, found.offset >= end.offset { continue }
      let severity =
        findings.first { $0.offset == found.offset }?.verdict.severity ?? .clean
      marks.removeAll { $0.offset == found.offset }
      guard found.shape != .zeros || severity > .clean else {
        marks.append(Mark(offset: found.offset, use: .free))
        continue
      }
      let use: Use = severity >= .damaged ? .damaged : severity == .mended ? .cut : .live
      marks.append(Mark(offset: found.offset, use: use))
      if let next = found.resumesAt {
        marks.append(Mark(offset: next, use: use == .damaged ? .live : use))
      } else {
        let end = max(try dataEnd(segment, in: inspection), found.offset + Layout.page)
        marks.append(Mark(offset: end, use: .free))
      }
    }
  }

  /// Damage to what opening rebuilds: no entry is touched, but the bytes are wrong.
  private mutating func markHealed(_ segment: SegmentEvidence, first: LogIndex, _ fileBytes: Int) {
    if segment.header == .damaged {
      let behind = marks.first?.use ?? .live
      marks.insert(Mark(offset: 0, use: .damaged), at: 0)
      marks.removeAll { $0.offset == 0 && $0.use != .damaged }
      marks.append(Mark(offset: Layout.segmentHeader, use: behind))
    }
    if let end = segment.record.end, segment.record.seal != nil, segment.footer == nil {
      marks.append(Mark(offset: end.offset, use: .damaged))
    }
  }

  private mutating func draw(_ fileBytes: Int) {
    // Marks at one offset: the one that was made last knows most.
    let ordered = marks.enumerated()
      .sorted { ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset) }
      .map(\.element)
    for (i, mark) in ordered.enumerated() {
      let end = i + 1 < ordered.count ? min(ordered[i + 1].offset, fileBytes) : fileBytes
      strip.append(mark.use, end - min(mark.offset, fileBytes))
    }
  }

  /// The end of the last page that holds anything but zeros.
  private mutating func dataEnd(
    _ segment: SegmentEvidence, in inspection: Inspection
  ) throws -> Int {
    if let dataEnd { return dataEnd }
    let file = try inspection.directory.open(segment.record.fileName, .read)
    var end = try file.size()
    let piece = 1 << 20
    while end > 0 {
      let start = max(0, end - piece)
      let bytes = try file.readTolerantly(end - start, at: start).bytes
      if !bytes.span.isZero {
        end = start + bytes.lastNonZeroPage
        break
      }
      end = start
    }
    dataEnd = end
    return end
  }
}

extension Bytes {
  /// The end of the last page that is not all zeros.
  fileprivate var lastNonZeroPage: Int {
    var end = count
    while end > 0 {
      let start = max(0, (end - 1) / Layout.page * Layout.page)
      if !self[start..<end].span.isZero { break }
      end = start
    }
    return end
  }
}
