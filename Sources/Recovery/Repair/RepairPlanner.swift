// RepairPlanner: the plan in the making. Here: whose log it is, which segments it is made of, and what
// of them goes on.
//
// What must always hold: it only reads. Every entry that is not kept is named in `losses`.

import ByteBuffers
import LogFormat
import StorageIO

struct RepairPlanner {
  var reasons: [String] = []
  var notes: [String] = []
  var losses: [Loss] = []
  /// What each side would cost, if there is one to choose.
  var choices: [RepairPlan.Choice] = []

  let diagnosis: Diagnosis
  let evidence: DirectoryEvidence
  let directory: any StorageDirectory
  let options: OpeningOptions
  /// What may be given up.
  let accepted: [Loss]
  /// True when the manifest is not to be believed, or there is none.
  let isRebuilt: Bool
  var state = ManifestState(group: UID(high: 0, low: 0), incarnation: UID(high: 0, low: 0))
  var number: UInt64 = 0
  var lastSequence: UInt64 = 0
  /// New files, made before the manifest is replaced.
  var making: [DiskStep] = []
  /// Files that are copied aside before anything is changed.
  var copied: [String] = []
  /// The UIDs of segments that are made.
  var made: [UID] = []
  /// Files that leave the log, moved aside once the manifest does not name them.
  var leaving: [String] = []

  init(
    _ diagnosis: Diagnosis, _ directory: any StorageDirectory, _ options: OpeningOptions,
    accepting accepted: [Loss]
  ) {
    self.accepted = accepted
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
    try requireHeadroom(chain, through: kept.last)
    try requireTerms(through: kept.last)
  }

  /// What is repaired has to open, with one more file and boot.
  private func requireHeadroom(
    _ chain: SegmentChain, through index: LogIndex
  ) throws(RecoveryError) {
    var opened = state
    let boot = (state.boots.last?.counter ?? 0).addingReportingOverflow(1)
    opened.boots.append(Boot(counter: boot.overflow ? .max : boot.partialValue, random: 0))
    let ends = state.segments.map { $0.end?.term ?? $0.previousTerm }
    let last = (ends + [chain.links.last?.scan?.end.term ?? 0]).max() ?? 0
    let votes = evidence.votes.compactMap(\.file?.state.term)
    // Where votes are lost, opening goes on one term above every one that can be read.
    let isVoteSure =
      evidence.manifest != nil && !diagnosis.findings.contains { $0.verdict == .voteLost }
    let term = max(votes.max() ?? 0, last) + (isVoteSure ? 0 : 1)
    // The repair writes one edit, its opening another, and a third where it seals what has ended.
    try OpeningPlan.requireHeadroom(
      opened, sequence: lastSequence + 1, edit: number + 3, term: term, path: evidence.path)
    try OpeningPlan.requireHeadroom(last: index, of: last, path: evidence.path)
  }

  /// What follows the last entry may not say that it follows a higher term: it would not open.
  private func requireTerms(through index: LogIndex) throws(RecoveryError) {
    guard let last = state.segments.last, index < last.firstIndex else { return }
    let term = state.segments.compactMap(\.end?.termRuns.last?.term).last ?? state.previousTerm
    guard last.previousTerm <= term else {
      throw RecoveryError(
        .damaged,
        "\(evidence.path) was not touched: \(last.fileName) says that it follows term "
          + "\(last.previousTerm), and entry \(index) is of term \(term): keep the other side of the "
          + "damage, or move that file away")
    }
  }

  /// Everything in order: save, make, replace the manifest, move aside.
  func allSteps() throws(RecoveryError) -> [DiskStep] {
    let quarantine = DirectoryEvidence.Names.quarantine
    let wanted = Set(ManifestHeader.names + copied)
    let names = evidence.files.filter { $0.isRegular && wanted.contains($0.name) }.map(\.name)
    var steps = try RepairPlan.saving(names, before: number + 1, in: directory)
    steps += try evidence.clearingCopies(in: directory)
    steps += making
    let (image, _) = OpeningPlan.manifestImage(state, number: number + 1, options)
    steps += OpeningPlan.replaceManifests(image)
    for name in leaving { steps.append(.rename(name, to: try directory.quarantineName(name))) }
    if !leaving.isEmpty { steps += [.syncDirectory(quarantine), .syncDirectory(nil)] }
    return steps
  }

  func isThere(_ name: String) -> Bool { evidence.files.contains { $0.name == name } }

  /// What the readable manifests say, the one that counts first.
  var manifests: [ManifestState] {
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

  /// How the log was stopped, as far as there is a manifest to say it.
  private var stop: BreakFacts.Stop { !isRebuilt && state.isClosed ? .clean : .unclean }

  /// The segments of the log, end to end.
  private func layOut() throws(RecoveryError) -> SegmentChain {
    var chain = SegmentChain(stop: stop)
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
        link.isShortened = try scan.isCutOff(file)
      }
      if link.isVouched, record?.end == nil, let cut = link.cut(stop) {
        link.scan = try scan.counted(upTo: cut, of: file)
        link.isCutByOpening = true
      }
    } catch {
      throw RecoveryError(error)
    }
    try link.requireDelivered(path: evidence.path, unless: accepted)
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
}

extension SegmentFooter {
  /// True for the footer of a file of `size` bytes with this header: nothing lies in between.
  fileprivate func isOf(_ size: Int, _ header: SegmentHeader) -> Bool {
    offset >= Layout.segmentHeader && lastIndex >= header.previousIndex
      && offset + Self.size(termRuns: termRuns.count, batches: batches.count) == size
  }
}
