// RepairPlan: how a directory that opening refuses is made to open again, and what that costs.
//
// What must always hold: nothing is planned that loses entries unless their range was named; every
// file that is changed or leaves the log is kept in quarantine/; the manifest is replaced last, so
// that a crash in the middle leaves the directory as it was. What is planned can be read back, and
// opens: ended segments first, and one to go on in behind them.

import ByteBuffers
import LogFormat
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
  /// What else there is to know before it is carried out, a line each.
  public let notes: [String]
  /// Entries that will be gone.
  public let losses: [Loss]
  /// What each side of the damage would cost; empty where there is no side to choose.
  public let choices: [Choice]
  /// True when `losses` were named by the caller, or there are none.
  public let isAccepted: Bool

  /// A side of the damage to keep, and what that gives up.
  public struct Choice: Hashable, Sendable {
    public let keep: Keep
    public let losses: [Loss]
  }

  /// True when there is nothing to repair.
  public var isNothing: Bool { steps.isEmpty && isAccepted }
}

extension RepairPlan {
  /// Plans the repair of a directory.
  ///
  /// - Parameters:
  ///   - accepting: the entries that may be lost; the plan has no steps unless this covers them. A
  ///     loss without an end is covered only by one that has none either.
  ///   - keep: which side of damage goes on.
  ///   - options: the sizes of what is made anew.
  /// - Throws: `RecoveryError` for what no repair here can mend; with the code `storage` where the
  ///   device did not deliver what the repair would give up.
  public static func make(
    for diagnosis: Diagnosis, in directory: any StorageDirectory,
    accepting: Loss?, keep: Keep, options: OpeningOptions = OpeningOptions(),
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> RepairPlan {
    let path = diagnosis.evidence.path
    if diagnosis.isUnborn { throw RecoveryError(.noLog, "\(path) holds no log") }
    let refused = diagnosis.findings.filter { $0.verdict.severity == .refused }
    if !refused.isEmpty { throw RecoveryError(refusing: refused, path: path) }
    try diagnosis.evidence.requireRegularFiles()
    // What was not delivered may be what the repair would make anew, or give up.
    let withheld = diagnosis.withheld
    if !withheld.isEmpty { throw RecoveryError(refusing: withheld, path: path) }
    if diagnosis.findings.isEmpty {
      return RepairPlan(
        steps: [], reasons: [], notes: [], losses: [], choices: [], isAccepted: true)
    }
    try diagnosis.evidence.requireWritable()
    for segment in diagnosis.evidence.segments {
      try segment.scan?.requireDelivered(segment.record.fileName, path: path)
    }
    if diagnosis.refusals.isEmpty {
      return try mending(
        diagnosis, in: directory, accepting: accepting, options, using: &generator)
    }
    var planner = RepairPlanner(diagnosis, directory, options)
    try planner.plan(keep, using: &generator)
    let isAccepted = planner.losses.allSatisfy { accepting?.covers($0) ?? false }
    let steps = isAccepted ? try planner.allSteps() : []
    let left = diagnosis.findings.filter {
      !$0.verdict.refusesOpening && $0.verdict.severity >= .damaged
    }
    let notes =
      planner.notes + left.map { "left to the next opening: \($0): \($0.verdict.action)" }
      + diagnosis.findings.compactMap(\.uncertain).map(Finding.warning)
      + voteNotes(diagnosis)
    return RepairPlan(
      steps: steps, reasons: planner.reasons, notes: notes, losses: planner.losses,
      choices: planner.choices, isAccepted: isAccepted)
  }

  /// What to do about a lost vote, which no entry depends on and no step here brings back.
  private static func voteNotes(_ diagnosis: Diagnosis) -> [String] {
    let evidence = diagnosis.evidence
    // Without a manifest the vote files are not judged, and the next opening will have to.
    let isLost =
      evidence.manifest == nil
      ? evidence.votes.allSatisfy { $0.file == nil }
      : diagnosis.findings.contains { $0.verdict == .voteLost }
    guard isLost else { return [] }
    return [
      "no entry is concerned by the lost vote; the term and vote that were saved last cannot be "
        + "read. If a copy of \(VoteFile.names[0]) or \(VoteFile.names[1]) exists, put it back "
        + "before anything else. Else the log goes on in a term above every one that can still be "
        + "read, without a vote: opening it does the same as a repair"
    ]
  }

  /// What opening would do by itself, behind copies of everything that it changes. What may have been
  /// acknowledged is cut here only when that was accepted: opening cuts it unasked.
  private static func mending(
    _ diagnosis: Diagnosis, in directory: any StorageDirectory, accepting: Loss?,
    _ options: OpeningOptions, using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> RepairPlan {
    let evidence = diagnosis.evidence
    let plan = try OpeningPlan.make(
      for: diagnosis, in: directory, options: options, using: &generator)
    // Space that was prepared holds nothing, and neither does a file that did not get finished.
    let blank = Set(
      evidence.unknown.filter { $0.content == .unfinished || $0.content == .empty }
        .map(\.file.name))
    let changed = Set(plan.steps.compactMap(\.changedFile)).subtracting(blank)
    let names = evidence.files.map(\.name).filter { changed.contains($0) }
    let saving = try Self.saving(
      names, before: (evidence.manifest?.number ?? 0) + 1, in: directory)
    let losses = Loss.merged(diagnosis.ambiguousLosses)
    let isAccepted = losses.allSatisfy { accepting?.covers($0) ?? false }
    let cut = losses.map(\.description).joined(separator: ", ")
    let cutNotes =
      losses.isEmpty
      ? []
      : [
        "\(cut) may have been acknowledged: opening the log gives up the same, saved in quarantine/ "
          + "as here, and does not ask"
      ]
    return RepairPlan(
      steps: isAccepted ? saving + plan.steps : [],
      reasons: diagnosis.findings.map { "\($0): \($0.verdict.action)" },
      notes: cutNotes + voteNotes(diagnosis), losses: losses, choices: [], isAccepted: isAccepted)
  }

  /// What is said where the device failed: nothing is given up that may still be there.
  fileprivate static func undelivered(
    _ sector: Range<Int>, of name: String, path: String, _ what: String
  ) -> RecoveryError {
    RecoveryError(
      .storage,
      "\(path)/\(name): the device did not deliver the \(sector.count) bytes at byte "
        + "\(sector.lowerBound): \(what) may still be there, and nothing is given up for that; copy "
        + "the directory to a device that works, and repair the copy")
  }

  /// Copies files into quarantine/, and makes the copies and their names durable.
  fileprivate static func saving(
    _ names: [String], before edit: UInt64, in directory: any StorageDirectory
  ) throws(RecoveryError) -> [DiskStep] {
    let quarantine = DirectoryEvidence.Names.quarantine
    var steps: [DiskStep] = [.makeDirectory(quarantine)]
    for name in names {
      let copy = try directory.quarantineName("\(name).before-edit-\(edit)")
      steps += [.copy(name, from: 0, to: copy), .sync(copy), .close(copy)]
    }
    return steps + [.syncDirectory(quarantine), .syncDirectory(nil)]
  }
}

extension DiskStep {
  /// The file whose bytes are other ones, or gone, once this step is done.
  fileprivate var changedFile: String? {
    switch self {
    case .create(let name, zeros: _), .write(let name, _, at: _), .truncate(let name, to: _),
      .remove(let name), .rename(_, let name):
      name
    case .sync, .makeDirectory, .syncDirectory, .copy, .close: nil
    }
  }
}

extension Diagnosis {
  /// What the cut of an ambiguous tail takes (row E).
  fileprivate var ambiguousLosses: [Loss] { ambiguousLosses(in: nil) }

  /// The same, of one file.
  fileprivate func ambiguousLosses(in file: String?) -> [Loss] {
    findings.compactMap { finding in
      guard finding.verdict == .ambiguousTail, file == nil || finding.file == file,
        let first = finding.firstIndex
      else { return nil }
      // A damaged frame that is known to have held none.
      if let last = finding.lastIndex, last < first { return nil }
      return Loss(first: first, last: finding.lastIndex)
    }
  }

  /// Findings of row Y that no accepted loss covers: nobody knows what the files say that decide.
  fileprivate var withheld: [Finding] {
    findings.filter { finding in
      guard finding.verdict == .inputOutput else { return false }
      switch finding.evidence {
      // Entries in frames that cannot be read: they may be given up by name.
      case .segmentBreak: return false
      case .unknown:
        return evidence.unknown.contains { $0.file.name == finding.file && $0.scan == nil }
      default: return true
      }
    }
  }
}

private struct RepairPlanner {
  private(set) var reasons: [String] = []
  private(set) var notes: [String] = []
  private(set) var losses: [Loss] = []
  /// What each side would cost, if there is one to choose.
  private(set) var choices: [RepairPlan.Choice] = []

  private let diagnosis: Diagnosis
  private let evidence: DirectoryEvidence
  private let directory: any StorageDirectory
  private let options: OpeningOptions
  /// True when the manifest is not to be believed, or there is none.
  private let isRebuilt: Bool
  private var state = ManifestState(group: UID(high: 0, low: 0), incarnation: UID(high: 0, low: 0))
  private var number: UInt64 = 0
  private var lastSequence: UInt64 = 0
  /// New files, made before the manifest is replaced.
  private var making: [DiskStep] = []
  /// Files that are copied aside before anything is changed.
  private var copied: [String] = []
  /// Files that leave the log, moved aside once the manifest does not name them.
  private var leaving: [String] = []

  init(
    _ diagnosis: Diagnosis, _ directory: any StorageDirectory, _ options: OpeningOptions
  ) {
    self.diagnosis = diagnosis
    self.options = options
    self.directory = directory
    evidence = diagnosis.evidence
    isRebuilt = diagnosis.refusals.contains {
      $0.verdict == .manifestLost || $0.verdict == .corruptManifest
    }
    // A name that a missing file had is not given to another one: it may come back.
    let states = evidence.manifests.compactMap(\.scan?.state)
    let named = states.flatMap { $0.segments.map(\.sequence) + $0.dropped.map(\.sequence) }
    let present = evidence.files.compactMap { SegmentName($0.name)?.sequence }
    lastSequence = (named + present).max() ?? 0
    let carried = evidence.segments.compactMap(\.scan?.manifestEdit).max() ?? 0
    let unknown = evidence.unknown.compactMap(\.scan?.manifestEdit).max() ?? 0
    number = max(evidence.manifests.compactMap(\.scan?.number).max() ?? 0, carried, unknown)
  }

  mutating func plan(
    _ keep: RepairPlan.Keep, using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    try identify(using: &generator)
    let chain = try layOut()
    reasons += chain.reasons
    guard let first = chain.links.first,
      !manifests.isEmpty || chain.links.contains(where: { $0.scan != nil })
    else {
      throw RecoveryError(
        .lost, "\(evidence.path) holds no readable segment: there is nothing to rebuild from")
    }
    // Of two manifests that contradict each other the one that was compacted less is believed.
    let compacted = manifests.map(\.firstIndex).min()
    let begin = isRebuilt ? compacted ?? first.firstIndex : state.firstIndex
    let kept = chain.select(keep, from: begin, isCompacted: compacted != nil)
    // What the next opening cuts of the last segment is given up as well. Without a manifest to
    // believe the chain has named it already.
    let tail = chain.links.last.map { diagnosis.ambiguousLosses(in: $0.fileName) } ?? []
    let cut = isRebuilt ? [] : tail
    losses = Loss.merged(kept.losses + cut)
    let choices = RepairPlan.Keep.allCases.map { side in
      let selection = chain.select(side, from: begin, isCompacted: compacted != nil)
      return RepairPlan.Choice(keep: side, losses: Loss.merged(selection.losses + cut))
    }
    if Set(choices.map(\.losses)).count > 1 { self.choices = choices }
    explain(chain, kept)
    try build(chain, kept, using: &generator)
    try OpeningPlan.requireReadable(state, number: number + 1, path: evidence.path)
  }

  /// Everything in order: save, make, replace the manifest, move aside.
  func allSteps() throws(RecoveryError) -> [DiskStep] {
    let quarantine = DirectoryEvidence.Names.quarantine
    let names = (ManifestHeader.names + copied).filter { isThere($0) }
    var steps = try RepairPlan.saving(names, before: number + 1, in: directory)
    steps += making
    let (image, _) = OpeningPlan.manifestImage(state, number: number + 1, options)
    steps += OpeningPlan.replaceManifests(image)
    for name in leaving { steps.append(.rename(name, to: try directory.quarantineName(name))) }
    if !leaving.isEmpty { steps += [.syncDirectory(quarantine), .syncDirectory(nil)] }
    return steps
  }

  private func isThere(_ name: String) -> Bool { evidence.files.contains { $0.name == name } }

  /// What the readable manifests say, the one that counts first.
  private var manifests: [ManifestState] {
    let best = evidence.manifest?.state
    let others = evidence.manifests.compactMap(\.scan?.state).filter { $0 != best }
    return (best.map { [$0] } ?? []) + others
  }

  /// Whose log this is.
  private mutating func identify(
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    let groups = Set(
      evidence.unknown.compactMap(\.scan?.header.group)
        + evidence.manifests.compactMap(\.scan?.state.group))
    if groups.count > 1 {
      throw RecoveryError(
        .foreign,
        "\(evidence.path) holds segments or manifests of \(groups.count) groups: move away those "
          + "that do not belong here")
    }
    if let known = evidence.manifest?.state {
      state = known
    } else if let group = groups.first {
      let votes = evidence.votes.compactMap(\.file).filter { $0.group == group }
      let vote = votes.max { $0.generation < $1.generation }
      state = ManifestState(
        group: group, incarnation: vote?.incarnation ?? UID(using: &generator))
    }
  }

  // MARK: Laying out

  /// The segments of the log, end to end.
  private func layOut() throws(RecoveryError) -> SegmentChain {
    let isClosed = !isRebuilt && state.isClosed
    var chain = SegmentChain(stop: isClosed ? .clean : .unclean)
    let named = try namedLinks()
    let (unknown, strays) = try unknownLinks(behind: named)
    for link in strays { chain.leaveOut(link) }
    if isRebuilt {
      let all = (named + unknown).sorted {
        ($0.header.sequence, $0.firstIndex) < ($1.header.sequence, $1.firstIndex)
      }
      for link in all { chain.join(link) }
    } else {
      for link in named + unknown { chain.join(link) }
    }
    return chain
  }

  /// The segments that the manifest names.
  private func namedLinks() throws(RecoveryError) -> [ChainLink] {
    var links: [ChainLink] = []
    for segment in evidence.segments {
      let isItself = segment.header == .valid || segment.header == .damaged
      var link = ChainLink(
        header: segment.record.header(group: state.group), fileName: segment.record.fileName)
      link.record = segment.record
      link.isVouched = !isRebuilt
      links.append(segment.fileBytes != nil && isItself ? try read(link) : link)
    }
    return links
  }

  /// The segments that no manifest names, in the order in which they were made: those that may be
  /// part of the log, and those that are not.
  private func unknownLinks(
    behind named: [ChainLink]
  ) throws(RecoveryError) -> (links: [ChainLink], strays: [ChainLink]) {
    // A manifest knew every segment that was made before its last one.
    let known = named.map(\.header.sequence).max() ?? 0
    let continued = evidence.unknown.filter { $0.content == .continues }
      .compactMap(\.scan?.header.firstIndex).min()
    var links: [ChainLink] = []
    var strays: [ChainLink] = []
    for file in evidence.unknown {
      guard let header = file.scan?.header else {
        // Its name says where it began, and that is all that is left of it. One without a byte that
        // is not zero, too: a writer's segment has its header before it has its name.
        if isRebuilt, file.content == .unreadable || file.content == .unfinished,
          let name = SegmentName(file.file.name), name.sequence > known,
          !manifests.contains(where: { $0.dropped.contains(name) })
        {
          try requireDelivered(file.file.name)
          links.append(.unreadable(name, group: state.group))
        }
        continue
      }
      let link = try read(ChainLink(header: header, fileName: file.file.name))
      let isNewer = header.sequence > known && header.fileName == file.file.name
      if isRebuilt {
        if isNewer { links.append(link) } else { strays.append(link) }
      } else if isNewer, let continued, header.firstIndex >= continued {
        links.append(link)
      }
    }
    return (
      links.sorted {
        ($0.header.sequence, $0.firstIndex) < ($1.header.sequence, $1.firstIndex)
      }, strays
    )
  }

  /// Refuses to give up a file of which the device did not deliver the header.
  private func requireDelivered(_ name: String) throws(RecoveryError) {
    let header: TolerantRead
    do throws(StorageError) {
      header = try directory.open(name, .read).readTolerantly(Layout.segmentHeader, at: 0)
    } catch {
      throw RecoveryError(error)
    }
    if let sector = header.unreadable.first {
      throw RepairPlan.undelivered(sector, of: name, path: evidence.path, "what it holds")
    }
  }

  /// Reads footer and frames of a segment, all of them.
  private func read(_ unread: ChainLink) throws(RecoveryError) -> ChainLink {
    var link = unread
    do throws(StorageError) {
      let file = try directory.open(link.fileName, .read)
      let size = try file.size()
      if let footer = try? SegmentFooter.read(file, size: size, header: link.header),
        footer.isOf(size, link.header)
      {
        link.footer = footer
      }
      let record = link.isVouched ? link.record : nil
      var limit = link.footer?.offset
      if let end = record?.end {
        limit = record?.seal == nil ? end.offset : max(end.offset, limit ?? 0)
      }
      let capacity = record?.end == nil ? record?.capacity : nil
      let scan = try SegmentScan.scan(
        file, header: link.header, limit: limit, capacity: capacity)
      link.scan = scan
      if link.footer == nil, !link.isVouched {
        link.isShortened = try size - scan.usedBytes(of: file) < scan.roomLeft
      }
    } catch {
      throw RecoveryError(error)
    }
    try link.scan?.requireDelivered(link.fileName, path: evidence.path)
    if let error = link.scan?.unsupported {
      throw RecoveryError(
        .unsupported,
        "\(evidence.path)/\(link.fileName) at byte \(error.offset): \(error.message); use the "
          + "program that wrote it")
    }
    return link
  }

  private mutating func explain(_ chain: SegmentChain, _ kept: SegmentChain.Selection) {
    if isRebuilt {
      let extent =
        kept.first > kept.last
        ? "holds no entry" : "begins at entry \(kept.first) and ends at entry \(kept.last)"
      let readable = chain.links.count { $0.scan != nil }
      let segments = Words.count(readable, "segment", "segments")
      reasons.append(
        "the manifest is rebuilt from \(segments): the log \(extent)")
      if manifests.isEmpty {
        notes.append(
          "no manifest says where the log began or ended: what lay before entry \(kept.first) was "
            + "compacted, or is gone with its files, and so may be segments behind entry \(kept.last)"
        )
      }
    } else {
      for link in chain.links where link.record == nil {
        reasons.append(
          "\(link.fileName) continues the log with "
            + "\(Words.entries(link.firstIndex, link.known.readable)): it becomes part of it")
      }
    }
    for loss in kept.losses {
      let verb = loss.first == loss.last ? "is" : "are"
      var reason =
        "\(loss) \(verb) given up: not readable, or cut off from the rest by what is not"
      if loss.isOpenEnded { reason += "; nobody can know how many they are" }
      reasons.append(reason)
    }
  }

  // MARK: Building

  /// Makes the state that names what is kept.
  private mutating func build(
    _ chain: SegmentChain, _ kept: SegmentChain.Selection,
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    let wasClosed = !isRebuilt && state.isClosed
    var records: [SegmentRecord] = []
    for (i, link) in chain.links.enumerated() {
      let isLast = i == chain.links.count - 1
      let next = isLast ? nil : chain.links[i + 1]
      let first = max(link.firstIndex, kept.first)
      let last = min(next.map { $0.firstIndex - 1 } ?? .max, kept.last)
      let chainEnd = link.chainEnd(isLast: isLast, chain.stop)
      // The last one may hold nothing that was not compacted, and be the one to go on in.
      let goesOn = isLast && kept.last == chainEnd && link.canGoOn(chain.stop)
      if goesOn {
        records.append(goingOn(link))
      } else if first > last {
        leave(link)
      } else if last <= chainEnd, link.isDurable(through: last, next: next) {
        records.append(ended(link, through: last, next: next))
      } else {
        leave(link)
        let term = records.last?.end?.term ?? link.scan?.term(at: first - 1) ?? 0
        let why =
          last > chainEnd ? "behind the damage in it" : "which may not all be on the disk as it is"
        records.append(
          try rebuild(link, first...last, previousTerm: term, because: why, using: &generator))
      }
    }
    for link in chain.setAside { leave(link) }
    let previousTerm = term(before: kept.first, chain, records)
    state.segments = records
    state.firstIndex = kept.first
    state.previousTerm = previousTerm
    state.isClosed = wasClosed && records.last == chain.links.last?.record
    if records.last.map({ $0.end != nil }) ?? true {
      appendSegment(
        firstIndex: kept.last + 1, previousTerm: records.last?.end?.term ?? previousTerm,
        using: &generator)
    }
  }

  /// The term of the entry before the first.
  private func term(
    before first: LogIndex, _ chain: SegmentChain, _ records: [SegmentRecord]
  ) -> Term {
    if first == 1 { return 0 }
    if let known = manifests.first(where: { $0.firstIndex == first }) { return known.previousTerm }
    guard let record = records.first else {
      // Nothing is left, and terms never fall: the highest that is known.
      let ends = chain.links.map {
        $0.scan?.end.term ?? $0.record?.end?.term ?? $0.header.previousTerm
      }
      return max(ends.max() ?? 0, state.previousTerm)
    }
    if record.firstIndex == first { return record.previousTerm }
    let link = chain.links.first { $0.header.uid == record.uid }
    return link?.scan?.term(at: first - 1) ?? record.previousTerm
  }

  /// What the manifest says of a segment that is written on.
  private func goingOn(_ link: ChainLink) -> SegmentRecord {
    if link.isVouched, let record = link.record { return record }
    var record = SegmentRecord(header: link.header, capacity: link.scan?.fileBytes ?? 0)
    let marks = (link.record?.durableThrough ?? 0, link.scan?.durableOrdinal ?? 0)
    record.durableThrough = min(max(marks.0, marks.1), link.scan?.end.ordinal ?? 0)
    return record
  }

  /// What the manifest says of a segment that the log leaves behind the entry `last`.
  private mutating func ended(
    _ link: ChainLink, through last: LogIndex, next: ChainLink?
  ) -> SegmentRecord {
    guard let scan = link.scan else {
      preconditionFailure("a segment that is not there was to be kept")
    }
    let previousTerm = link.header.previousTerm
    if link.isVouched, var record = link.record, let end = record.end {
      // A frame may be gone that held no entry: then the file has to end before it.
      if end.index == last, scan.breaks.isEmpty { return record }
      if record.seal != nil, scan.breaks.isEmpty {
        // The file stays sealed as it is; readers stop where the log leaves it.
        record.end = end.clamped(before: last + 1, previousTerm: previousTerm)
        return record
      }
      if end.index == last {
        reasons.append(
          "\(link.fileName) ends at byte \(scan.end.offset): a frame behind that is not readable, and "
            + "held no entry")
      }
    }
    var record = link.record ?? SegmentRecord(header: link.header, capacity: scan.fileBytes)
    if !link.isVouched || record.seal != nil { record.capacity = scan.fileBytes }
    record.seal = nil
    record.isCut = false
    let whole = scan.end(at: scan.end.ordinal)
    let isFollowedByCopy = next.map { $0.header.purpose != .roll } ?? false
    let endsInDamage = next == nil && scan.breaks.contains { $0.shape != .zeros }
    if link.isSealed, let footer = link.footer {
      record.end = whole.clamped(before: last + 1, previousTerm: previousTerm)
      record.seal = SegmentSeal(size: scan.fileBytes, digest: footer.digest)
    } else if last == scan.end.index, scan.marksBehindBreak.isEmpty, !isFollowedByCopy,
      !endsInDamage
    {
      // Complete: opening writes the footer.
      record.end = whole
    } else {
      record.end = scan.end(before: last + 1)
      record.isCut = true
    }
    record.durableThrough = record.end?.ordinal ?? 0
    let holdsMore = last < scan.end.index || scan.breaks.contains { $0.shape != .zeros }
    if holdsMore { copied.append(link.fileName) }
    // Up to its end it counts as durable from here on. It is (`isDurable`), and what is synced once
    // more here is its size.
    making += [.sync(link.fileName), .close(link.fileName)]
    return record
  }

  /// A new segment, sealed, with entries of one that cannot stay as it is: there is damage in it
  /// before them, or only the page cache may have them.
  private mutating func rebuild(
    _ link: ChainLink, _ range: ClosedRange<LogIndex>, previousTerm: Term, because why: String,
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> SegmentRecord {
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .rebuilt, group: state.group, uid: UID(using: &generator), salt: generator.next(),
      sequence: lastSequence, firstIndex: range.lowerBound, previousTerm: previousTerm)
    var copy = SegmentCopy(header: header)
    do {
      let file = try directory.open(link.fileName, .read)
      for var batch in link.scan?.readableBatches ?? []
      where batch.lastIndex >= range.lowerBound && batch.firstIndex <= range.upperBound {
        batch.firstIndex = max(batch.firstIndex, range.lowerBound)
        batch.lastIndex = min(batch.lastIndex, range.upperBound)
        try copy.append(batch, from: file, seed: link.header.seed)
      }
    } catch {
      throw RecoveryError(.damaged, "\(link.fileName) cannot be rebuilt: \(error)")
    }
    copy.finish()
    let footer = copy.footer.encoded(header: header)
    let size = copy.end.offset + footer.count
    var record = SegmentRecord(header: header, capacity: size, durableThrough: copy.end.ordinal)
    record.end = copy.end
    record.seal = SegmentSeal(size: size, digest: copy.digest)
    let pieces = copy.pieces + [(offset: copy.end.offset, bytes: footer)]
    make(record, header, pieces)
    reasons.append(
      "\(record.fileName) is made of \(Words.entries(range)) of \(link.fileName), \(why)")
    return record
  }

  private mutating func leave(_ link: ChainLink) {
    let name = link.fileName
    guard isThere(name), !leaving.contains(name) else { return }
    leaving.append(name)
    reasons.append("\(name) leaves the log and is kept in quarantine/")
  }

  /// An empty segment to go on in.
  private mutating func appendSegment(
    firstIndex: LogIndex, previousTerm: Term, using generator: inout some RandomNumberGenerator
  ) {
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .rebuilt, group: state.group, uid: UID(using: &generator), salt: generator.next(),
      sequence: lastSequence, firstIndex: firstIndex, previousTerm: previousTerm)
    let record = SegmentRecord(header: header, capacity: options.segmentBytes)
    make(record, header, [])
    state.segments.append(record)
    state.isClosed = false
  }

  /// The file is whole and durable before it has its name: a crash leaves no half of a segment, which
  /// without a manifest would have to be taken for damage.
  private mutating func make(
    _ record: SegmentRecord, _ header: SegmentHeader, _ pieces: [(offset: Int, bytes: Bytes)]
  ) {
    let temporary = record.fileName + ".tmp"
    making.append(.create(temporary, zeros: record.capacity))
    making.append(.write(temporary, header.encoded(), at: 0))
    for piece in pieces { making.append(.write(temporary, piece.bytes, at: piece.offset)) }
    making += [
      .sync(temporary), .close(temporary), .rename(temporary, to: record.fileName),
      .syncDirectory(nil),
    ]
  }
}

extension SegmentScan {
  /// Where the last frame that shows anything of itself ends, or ended before the file was cut off.
  fileprivate func usedBytes(of file: any StorageFile) throws(StorageError) -> Int {
    let known = max(end.offset, marksBehindBreak.last?.end ?? 0)
    guard let last = breaks.last, last.shape != .zeros, last.resumesAt == nil else { return known }
    let page = try file.readTolerantly(Layout.frame, at: last.offset).bytes
    let frame = try? Frame(decoding: page.span, seed: header.seed)
    return max(known, last.offset + (frame?.extent ?? Layout.page))
  }

  /// Bytes that whoever wrote this segment left behind its last frame, at the least. A writer keeps
  /// room for the footer; a copy that nothing was appended to has room for a page.
  fileprivate var roomLeft: Int {
    let isWritten = header.purpose == .roll || holdsAppended
    // Behind damage the writer may have known of fewer batches than are found here.
    guard isWritten, breaks.allSatisfy({ $0.shape == .zeros }) else {
      return SegmentFooter.size(termRuns: 0, batches: 0)
    }
    return SegmentFooter.size(termRuns: termRuns.count, batches: batches.count)
  }

  /// Refuses to give up what the device did not deliver: it may still be there.
  fileprivate func requireDelivered(_ name: String, path: String) throws(RecoveryError) {
    for found in breaks {
      let place = found.offset..<max(found.resumesAt ?? .max, found.offset + 1)
      guard let sector = unreadable.first(where: { $0.overlaps(place) }) else { continue }
      throw RepairPlan.undelivered(
        sector, of: name, path: path, Words.entries(found.firstIndex, found.lastIndex))
    }
  }
}

extension SegmentFooter {
  /// True for the footer of a file of `size` bytes with this header: nothing lies in between.
  fileprivate func isOf(_ size: Int, _ header: SegmentHeader) -> Bool {
    offset >= Layout.segmentHeader && lastIndex >= header.previousIndex
      && offset + Self.size(termRuns: termRuns.count, batches: batches.count) == size
  }
}
