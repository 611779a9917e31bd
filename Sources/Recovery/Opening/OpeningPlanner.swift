// OpeningPlanner: the plan of an opening in the making.
//
// What must always hold: what the manifest said stays true until it is replaced, and what replaces it
// names nothing that is not durable by then.

import ByteBuffers
import LogFormat
import StorageIO

struct OpeningPlanner {
  var steps: [DiskStep] = []
  var opened: OpenedLog?

  let diagnosis: Diagnosis
  let evidence: DirectoryEvidence
  let directory: any StorageDirectory
  let options: OpeningOptions
  let number: UInt64
  var state: ManifestState
  var lastSequence: UInt64

  init(
    _ diagnosis: Diagnosis, _ manifest: ManifestScan, _ directory: any StorageDirectory,
    _ options: OpeningOptions
  ) {
    self.diagnosis = diagnosis
    self.directory = directory
    self.options = options
    evidence = diagnosis.evidence
    state = manifest.state
    number = manifest.number
    // Numbers of files in quarantine/ may come again. They only order files that lie side by side; a
    // segment is told by its UID, and `quarantineName` keeps the files themselves apart.
    let unknown = evidence.unknown.compactMap { SegmentName($0.file.name)?.sequence }
    let dropped = manifest.state.dropped.map(\.sequence)
    lastSequence =
      (manifest.state.segments.map(\.sequence) + unknown + dropped).max() ?? 0
  }

  mutating func plan(using generator: inout some RandomNumberGenerator) throws(RecoveryError) {
    let boot = Boot(counter: (state.boots.last?.counter ?? 0) + 1, random: generator.next())
    steps += try evidence.clearingCopies(in: directory)
    makeRoom()
    try saveAside(boot)
    restoreHeaders()
    let wasClosed = state.isClosed
    let active = try settleTail(using: &generator)
    dropSuperseded()
    require(.opened(boot))
    // A cut is done with the manifest that says so: by then the mark is durable.
    let votes = rewriteVotes(active, wasClosed: wasClosed)
    // A new number, even if the last edit is in neither copy: what follows must not look like it.
    var position = rewriteManifests(number: number + 1)
    // Only now is it certain that the segments have ended: the edit may have been in the page cache
    // alone, and a footer behind frames that nobody ended looks like rot.
    if seal() { position = rewriteManifests(number: number + 2) }
    try tidyUp()
    opened = OpenedLog(
      manifest: state, manifestPosition: position, hardState: votes.state,
      mark: votes.mark, voteGeneration: votes.generation, active: active,
      lastSequence: lastSequence, boot: boot,
      reserveBytes: evidence.files.first {
        $0.name == DirectoryEvidence.Names.reserve && $0.isRegular
      }?.size, removed: removable)
  }

  /// Changes the state; a change that the evidence led to always fits.
  mutating func require(_ change: ManifestChange) {
    do {
      try state.apply(change)
    } catch {
      preconditionFailure("recovery planned an edit that its manifest refuses: \(error)")
    }
  }

  /// Removes what an opening left behind that was cut short, for want of space maybe, before anything
  /// is made. Files that the manifest dropped wait until it is certain to be on the disk.
  private mutating func makeRoom() {
    let dropped = Set(state.dropped.map(\.description))
    for file in evidence.unknown where !dropped.contains(file.file.name) {
      guard Verdict.decide(.unknown(file.content, isLive: false)) == .leftover else { continue }
      steps.append(.remove(file.file.name))
    }
  }

  /// Saves what is about to be cut and may have been acknowledged.
  private mutating func saveAside(_ boot: Boot) throws(RecoveryError) {
    let quarantine = DirectoryEvidence.Names.quarantine
    let ambiguous = diagnosis.findings.filter { $0.verdict == .ambiguousTail }
    guard !ambiguous.isEmpty else { return }
    steps.append(.makeDirectory(quarantine))
    for finding in ambiguous {
      let copy = try directory.quarantineName(
        "\(finding.file).from-\(finding.offset ?? 0).boot-\(boot.counter)")
      steps += [.copy(finding.file, from: finding.offset ?? 0, to: copy), .sync(copy)]
    }
    steps += [.syncDirectory(quarantine), .syncDirectory(nil)]
  }

  private mutating func rewriteManifests(number: UInt64) -> ManifestPosition {
    let (image, position) = OpeningPlan.manifestImage(state, number: number, options)
    steps += OpeningPlan.replaceManifests(image)
    return position
  }

  private mutating func restoreHeaders() {
    for segment in evidence.segments where segment.header == .damaged {
      let name = segment.record.fileName
      let known = segment.record.header(group: state.group)
      let header = known.encoded()
      // A later minor version said more in it than the manifest knows: no header is better than one
      // that looks like another segment's.
      let written = try? SegmentHeader(decoding: header.span)
      guard written?.checksum == known.checksum else { continue }
      steps += [.write(name, header, at: 0), .sync(name), .close(name)]
    }
  }

  /// Restores footers, and seals what ended without a seal; true if there was anything.
  private mutating func seal() -> Bool {
    var sealed = false
    let kept = Set(state.segments.map(\.uid))
    for segment in evidence.segments where kept.contains(segment.record.uid) {
      let record = segment.record
      let name = record.fileName
      let header = record.header(group: state.group)
      // A seal is the digest of every byte: of one that was not delivered there is none.
      guard let end = record.end, !record.isCut, let scan = segment.scan, segment.footer == nil,
        scan.end.ordinal >= end.ordinal, scan.failure == nil
      else { continue }
      let footer = scan.footer.encoded(header: header)
      let size = scan.end.offset + footer.count
      steps += [
        .write(name, footer, at: scan.end.offset), .sync(name),
        .truncate(name, to: size), .sync(name), .close(name),
      ]
      require(.sealed(record.uid, SegmentSeal(size: size, digest: scan.digest)))
      sealed = true
    }
    return sealed
  }

  /// Lets go of segments that a copy replaced, all but the last one: that is kept as evidence until
  /// the copy has been vouched for.
  private mutating func dropSuperseded() {
    let empty = state.segments.dropLast().filter { $0.end?.index == $0.previousIndex }
    for record in empty.dropLast() { require(.dropped(record.uid)) }
  }

  private mutating func rewriteVotes(
    _ active: ActiveSegment, wasClosed: Bool
  ) -> VoteFile {
    let files = evidence.votes.compactMap(\.file)
    let verdict = diagnosis.findings.first { $0.file.hasPrefix("vote-") }?.verdict
    let generationMax = Layout.indexMax - OpeningPlan.headroom
    if verdict == nil, wasClosed, !mayHaveForgotten, let file = files.first,
      file.generation < generationMax
    {
      return file
    }
    var hardState = HardState(term: active.end.term + 1)
    var mark: Mark?
    if verdict != .voteLost, let newest = files.max(by: { $0.generation < $1.generation }) {
      hardState = newest.state
      mark = newest.mark
    } else if let highest = files.map(\.state.term).max() {
      hardState.term = max(hardState.term, highest + 1)
    }
    // No entry was of a later term than the stored one, which was durable before it. How many there were
    // nobody can say: what is damaged may be more than the one batch.
    if mayHaveForgotten { mark = Mark(term: hardState.term, mayHaveHeld: nil) }
    // No log counts that far; a directory may say so, and counting has to begin anew. Until both
    // copies are rewritten the old one counts.
    let highest = files.map(\.generation).max() ?? 0
    let generation = highest < generationMax ? highest + 1 : 1
    let vote = VoteFile(
      generation: generation, state: hardState, incarnation: state.incarnation,
      group: state.group, mark: mark)
    // The newest copy is replaced last. None is written over: a process that was killed while it wrote
    // one may have left it in the page cache alone, and then the other is all that the disk has.
    let copies = zip(VoteFile.names, evidence.votes).sorted { a, b in
      (a.1.file?.generation ?? 0, a.1.file == nil ? 0 : 1)
        < (b.1.file?.generation ?? 0, b.1.file == nil ? 0 : 1)
    }
    let temporary = VoteFile.temporaryName
    for (name, _) in copies {
      steps += OpeningPlan.newFile(temporary, vote.encoded())
      steps += [.rename(temporary, to: name), .syncDirectory(nil)]
    }
    return vote
  }

  /// True for a member that cuts what it may have acknowledged.
  private var mayHaveForgotten: Bool {
    (options.isMember || evidence.isOfMember)
      && diagnosis.findings.contains { $0.verdict == .ambiguousTail }
  }

  /// Dropped files, but what has the name of one and is no file: that is somebody else's.
  private var removable: [SegmentName] {
    let strangers = Set(evidence.strangers.map(\.name))
    return state.dropped.filter { !strangers.contains($0.description) }
  }

  /// Removes what nothing refers to, and moves what nobody knows out of the way.
  private mutating func tidyUp() throws(RecoveryError) {
    var removed = false
    for name in removable {
      steps.append(.remove(name.description))
      removed = true
    }
    for file in evidence.unknown {
      switch Verdict.decide(.unknown(file.content, isLive: false)) {
      // Removed before anything was made, or just now.
      case .leftover: removed = true
      case .orphan:
        let quarantine = DirectoryEvidence.Names.quarantine
        steps += [
          .makeDirectory(quarantine),
          .rename(file.file.name, to: try directory.quarantineName(file.file.name)),
          .syncDirectory(quarantine),
        ]
        removed = true
      default: break
      }
    }
    if removed { steps.append(.syncDirectory(nil)) }
  }
}
