// RepairPlan: how a directory that opening refuses is made to open again, and what that costs.
//
// What must always hold: nothing is planned that loses entries unless their range was named; every
// file that is changed or leaves the log is kept in quarantine/; the manifest is replaced last, so
// that a crash in the middle leaves the directory as it was.

public import LogFormat
public import StorageIO

public struct RepairPlan: Sendable {
  /// What of a log with a damaged middle goes on as the log.
  public enum Keep: String, Sendable, CaseIterable {
    /// The entries before the damage.
    case before
    /// The entries behind it.
    case after
  }

  /// To be carried out in order; empty while a loss is not accepted.
  public let steps: [DiskStep]
  /// Why, a line each.
  public let reasons: [String]
  /// Entries that will be gone.
  public let losses: [ClosedRange<LogIndex>]
  /// True when `losses` were named by the caller, or there are none.
  public let isAccepted: Bool

  /// True when there is nothing to repair.
  public var isNothing: Bool { steps.isEmpty && isAccepted }
}

extension RepairPlan {
  /// Plans the repair of a directory.
  ///
  /// - Parameters:
  ///   - accepting: the entries that may be lost; the plan has no steps unless this covers them.
  ///   - keep: which side of damage goes on.
  /// - Throws: `RecoveryError` for what no repair here can mend.
  public static func make(
    for diagnosis: Diagnosis, in directory: any StorageDirectory,
    accepting: ClosedRange<LogIndex>?, keep: Keep, using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> RepairPlan {
    let path = diagnosis.evidence.path
    if diagnosis.isUnborn { throw RecoveryError(.noLog, "\(path) holds no log") }
    let refused = diagnosis.findings.filter { $0.verdict.severity == .refused }
    if !refused.isEmpty { throw RecoveryError(refusing: refused, path: path) }
    if diagnosis.findings.isEmpty {
      return RepairPlan(steps: [], reasons: [], losses: [], isAccepted: true)
    }
    if diagnosis.refusals.isEmpty {
      let plan = try OpeningPlan.make(
        for: diagnosis, in: directory, options: OpeningOptions(), using: &generator)
      return RepairPlan(
        steps: plan.steps,
        reasons: diagnosis.findings.map { "\($0): \($0.verdict.action)" }, losses: [],
        isAccepted: true)
    }
    var planner = RepairPlanner(diagnosis, directory)
    try planner.plan(keep, using: &generator)
    let isAccepted = planner.losses.allSatisfy { loss in
      accepting.map { $0.lowerBound <= loss.lowerBound && $0.upperBound >= loss.upperBound }
        ?? false
    }
    return RepairPlan(
      steps: isAccepted ? planner.allSteps() : [], reasons: planner.reasons,
      losses: planner.losses, isAccepted: isAccepted)
  }
}

private struct RepairPlanner {
  private(set) var reasons: [String] = []
  private(set) var losses: [ClosedRange<LogIndex>] = []

  private let diagnosis: Diagnosis
  private let evidence: DirectoryEvidence
  private let directory: any StorageDirectory
  private var state = ManifestState(group: UID(high: 0, low: 0), incarnation: UID(high: 0, low: 0))
  private var number: UInt64 = 0
  private var lastSequence: UInt64 = 0
  /// New files, made before the manifest is replaced.
  private var making: [DiskStep] = []
  /// Files that are copied aside before anything is changed.
  private var copied: [String] = []
  /// Files that leave the log, moved aside once the manifest does not name them.
  private var leaving: [String] = []

  init(_ diagnosis: Diagnosis, _ directory: any StorageDirectory) {
    self.diagnosis = diagnosis
    self.directory = directory
    evidence = diagnosis.evidence
    lastSequence = evidence.files.compactMap { SegmentName($0.name)?.sequence }.max() ?? 0
    let carried = evidence.segments.compactMap(\.scan?.manifestEdit).max() ?? 0
    let unknown = evidence.unknown.compactMap(\.scan?.manifestEdit).max() ?? 0
    number = max(evidence.manifest?.number ?? 0, carried, unknown)
  }

  mutating func plan(
    _ keep: RepairPlan.Keep, using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    let verdicts = Set(diagnosis.refusals.map(\.verdict))
    if verdicts.contains(.manifestLost) || verdicts.contains(.corruptManifest) {
      try rebuildManifest(using: &generator)
      return
    }
    state = evidence.manifest!.state
    adoptUnknown()
    let damage = diagnosis.refusals.filter { $0.verdict != .unknownContinues }
    guard let first = damage.compactMap(\.firstIndex).min() else { return }
    let last = damage.map { $0.lastIndex ?? logEnd }.max() ?? logEnd
    switch keep {
    case .before: try keepBefore(first, using: &generator)
    case .after: try keepAfter(max(first, last), damage, using: &generator)
    }
  }

  /// Everything in order: save, make, replace the manifest, move aside.
  func allSteps() -> [DiskStep] {
    let quarantine = DirectoryEvidence.Names.quarantine
    var steps: [DiskStep] = [.makeDirectory(quarantine)]
    let manifests = ManifestHeader.names.filter { name in
      evidence.files.contains { $0.name == name }
    }
    let present = copied.filter { name in evidence.files.contains { $0.name == name } }
    for name in manifests + present {
      let copy = "\(quarantine)/\(name).before-edit-\(number + 1)"
      steps += [.copy(name, from: 0, to: copy), .sync(copy)]
    }
    steps += [.syncDirectory(quarantine), .syncDirectory(nil)]
    steps += making
    let (image, _) = OpeningPlan.manifestImage(state, number: number + 1, OpeningOptions())
    steps += OpeningPlan.replaceManifests(image)
    for name in leaving { steps.append(.rename(name, to: "\(quarantine)/\(name)")) }
    if !leaving.isEmpty { steps += [.syncDirectory(quarantine), .syncDirectory(nil)] }
    return steps
  }

  /// The last index that the log had, as far as anybody knows.
  private var logEnd: LogIndex {
    let scans = evidence.segments.compactMap(\.scan).map {
      max($0.end.index, $0.batchesBehindBreak.last?.lastIndex ?? 0)
    }
    let ends = evidence.segments.compactMap(\.record.end?.index)
    let breaks = diagnosis.findings.compactMap(\.lastIndex)
    return (scans + ends + breaks + diagnosis.findings.compactMap(\.firstIndex)).max() ?? 0
  }

  // MARK: Segments that the manifest does not know

  /// Takes segments that continue the log into it: the manifest lost the edits that named them.
  private mutating func adoptUnknown() {
    for file in evidence.unknown where file.content == .continues {
      guard let scan = file.scan, let active = evidence.segments.last?.scan,
        let last = state.segments.indices.last
      else { continue }
      state.segments[last].end = active.end(at: active.end.ordinal)
      state.segments[last].isCut = true
      var record = SegmentRecord(header: scan.header, capacity: scan.fileBytes)
      record.durableThrough = scan.durableOrdinal
      state.segments.append(record)
      state.isClosed = false
      reasons.append(
        "\(file.file.name) continues the log with entries \(scan.header.firstIndex)-"
          + "\(scan.end.index): it becomes part of it")
    }
  }

  // MARK: A damaged middle

  /// The log ends before `first`.
  private mutating func keepBefore(
    _ first: LogIndex, using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    if first <= logEnd { losses.append(first...logEnd) }
    reasons.append("the log ends at entry \(first - 1); entries \(first)-\(logEnd) are given up")
    while let record = state.segments.last, record.firstIndex >= first {
      state.segments.removeLast()
      leave(record)
    }
    var previousTerm = state.previousTerm
    if let i = state.segments.indices.last {
      let end = try endBefore(first, state.segments[i])
      state.segments[i].end = end
      state.segments[i].isCut = state.segments[i].seal == nil
      copied.append(state.segments[i].fileName)
      previousTerm = end.term
    }
    state.firstIndex = min(state.firstIndex, first)
    appendSegment(firstIndex: first, previousTerm: previousTerm, using: &generator)
  }

  /// Where a segment's part of the log ends if it must end before `index`.
  private func endBefore(
    _ index: LogIndex, _ record: SegmentRecord
  ) throws(RecoveryError) -> SegmentEnd {
    var end: SegmentEnd
    if let scan = evidence.segments.first(where: { $0.record.uid == record.uid })?.scan {
      end = scan.end(at: scan.end.ordinal)
    } else if let known = record.end {
      end = known
    } else {
      throw RecoveryError(
        .damaged, "\(record.fileName) has no end and cannot be read: nothing of it can be kept")
    }
    end.index = min(end.index, index - 1)
    end.termRuns.removeAll { $0.firstIndex > end.index }
    end.term = end.termRuns.last?.term ?? record.previousTerm
    return end
  }

  /// The log begins behind `last`.
  private mutating func keepAfter(
    _ last: LogIndex, _ damage: [Finding], using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    if state.firstIndex <= last { losses.append(state.firstIndex...last) }
    reasons.append("the log begins at entry \(last + 1); the entries before it are given up")
    var kept: [SegmentRecord] = []
    for record in state.segments {
      let segment = evidence.segments.first { $0.record.uid == record.uid }
      if record.firstIndex > last, segment?.fileBytes != nil {
        kept.append(record)
        continue
      }
      leave(record)
      if let scan = segment?.scan, let rebuilt = try rebuild(scan, after: last, using: &generator) {
        kept.append(rebuilt)
      }
    }
    state.segments = kept
    state.firstIndex = last + 1
    state.previousTerm = kept.first?.previousTerm ?? state.previousTerm
    state.isClosed = false
    if kept.last?.end != nil || kept.isEmpty {
      let end = kept.last?.end
      appendSegment(
        firstIndex: end.map { $0.index + 1 } ?? last + 1,
        previousTerm: end?.term ?? state.previousTerm, using: &generator)
    }
  }

  /// A new segment with the batches of a damaged one that lie behind the damage; nil if there are
  /// none.
  private mutating func rebuild(
    _ scan: SegmentScan, after last: LogIndex, using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> SegmentRecord? {
    let batches = scan.readableBatches.filter { $0.lastIndex > last }
    guard !batches.isEmpty else { return nil }
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .rebuilt, group: state.group, uid: UID(using: &generator), salt: generator.next(),
      sequence: lastSequence, firstIndex: last + 1, previousTerm: scan.term(at: last))
    var copy = SegmentCopy(header: header, manifestEdit: number)
    do {
      let file = try directory.open(scan.header.fileName, .read)
      for var batch in batches {
        batch.firstIndex = max(batch.firstIndex, last + 1)
        try copy.append(batch, from: file, seed: scan.header.seed)
      }
    } catch {
      throw RecoveryError(.damaged, "\(scan.header.fileName) cannot be rebuilt: \(error)")
    }
    copy.finish()
    var record = SegmentRecord(
      header: header, capacity: Layout.pages(copy.end.offset), durableThrough: copy.end.ordinal)
    record.end = copy.end
    record.isCut = true
    make(record, header)
    for piece in copy.pieces {
      making.append(.write(record.fileName, piece.bytes, at: piece.offset))
    }
    making += [.sync(record.fileName), .syncDirectory(nil)]
    reasons.append(
      "\(record.fileName) is made of the batches of \(scan.header.fileName) behind the damage")
    return record
  }

  private mutating func leave(_ record: SegmentRecord) {
    guard evidence.files.contains(where: { $0.name == record.fileName }) else { return }
    leaving.append(record.fileName)
    reasons.append("\(record.fileName) leaves the log and is kept in quarantine/")
  }

  /// An empty segment to go on in.
  private mutating func appendSegment(
    firstIndex: LogIndex, previousTerm: Term, using generator: inout some RandomNumberGenerator
  ) {
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .rebuilt, group: state.group, uid: UID(using: &generator), salt: generator.next(),
      sequence: lastSequence, firstIndex: firstIndex, previousTerm: previousTerm)
    let record = SegmentRecord(header: header, capacity: 1 << 20)
    make(record, header)
    making += [.sync(record.fileName), .syncDirectory(nil)]
    state.segments.append(record)
    state.isClosed = false
  }

  private mutating func make(_ record: SegmentRecord, _ header: SegmentHeader) {
    making += [
      .create(record.fileName, zeros: record.capacity),
      .write(record.fileName, header.encoded(), at: 0),
    ]
  }

  // MARK: A lost manifest

  /// Builds the manifest anew from the segments' own headers and footers.
  private mutating func rebuildManifest(
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    let scans = (evidence.unknown.compactMap(\.scan) + evidence.segments.compactMap(\.scan))
      .sorted { $0.header.sequence < $1.header.sequence }
    guard let newest = scans.last else {
      throw RecoveryError(
        .lost, "\(evidence.path) holds no readable segment: there is nothing to rebuild from")
    }
    let vote = evidence.votes.compactMap(\.file).max { $0.generation < $1.generation }
    state = ManifestState(
      group: newest.header.group, incarnation: vote?.incarnation ?? UID(using: &generator))
    for scan in scans where scan.header.group == state.group { join(scan) }
    state.firstIndex = state.segments.first?.firstIndex ?? 1
    state.previousTerm = state.segments.first?.previousTerm ?? 0
    let last = state.segments.indices.last!
    state.segments[last].end = nil
    reasons.append(
      "the manifest is rebuilt from \(state.segments.count) segments: the log begins at entry "
        + "\(state.firstIndex) and ends at \(newest.end.index)")
  }

  /// Adds a segment to the rebuilt log. A later segment that begins earlier replaces what it overlaps:
  /// it was made by a truncation, or copied after a crash.
  private mutating func join(_ scan: SegmentScan) {
    while let last = state.segments.last, last.firstIndex >= scan.header.firstIndex {
      state.segments.removeLast()
      leave(last)
    }
    if let last = state.segments.indices.last {
      var end = state.segments[last].end!
      if end.index < scan.header.previousIndex {
        reasons.append(
          "entries \(end.index + 1)-\(scan.header.previousIndex) are in no segment: the log begins "
            + "behind them")
        for record in state.segments { leave(record) }
        state.segments = []
      } else {
        end.index = scan.header.previousIndex
        end.termRuns.removeAll { $0.firstIndex > end.index }
        end.term = end.termRuns.last?.term ?? state.segments[last].previousTerm
        state.segments[last].end = end
      }
    }
    var record = SegmentRecord(header: scan.header, capacity: scan.fileBytes)
    record.durableThrough = scan.durableOrdinal
    record.end = scan.end(at: scan.end.ordinal)
    record.isCut = true
    state.segments.append(record)
  }
}
