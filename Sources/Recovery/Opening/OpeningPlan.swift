// OpeningPlan: what has to happen on the disk before a log may answer, and what it is then.
//
// What must always hold: a crash between any two steps leaves a directory from which the same log is
// recovered again; no byte is discarded before it is either known never to have been acknowledged
// or saved aside; nothing that only the page cache may hold is trusted.

import ByteBuffers
public import LogFormat
public import StorageIO

/// The segment that is being written.
public struct ActiveSegment: Sendable {
  public var record: SegmentRecord
  /// The end of the last frame; `index` and `term` are the log's last.
  public var end: SegmentEnd
  /// Every frame up to here is durable.
  public var durableOrdinal: UInt32
  public var batches: [BatchLocation]
  /// CRC32C of the file up to `end`.
  public var digest: UInt32

  public init(
    record: SegmentRecord, end: SegmentEnd, durableOrdinal: UInt32, batches: [BatchLocation],
    digest: UInt32
  ) {
    self.digest = digest
    self.record = record
    self.end = end
    self.durableOrdinal = durableOrdinal
    self.batches = batches
  }
}

/// Where the manifest's next edit goes.
public struct ManifestPosition: Hashable, Sendable {
  /// The number of the last edit.
  public var number: UInt64
  /// Its checksum.
  public var checksum: UInt32
  /// The byte behind it.
  public var end: Int
  /// Bytes of the file, zeros included.
  public var fileBytes: Int

  public init(number: UInt64, checksum: UInt32, end: Int, fileBytes: Int) {
    self.number = number
    self.checksum = checksum
    self.end = end
    self.fileBytes = fileBytes
  }
}

/// A log that is ready to be appended to, once the plan's steps are done.
public struct OpenedLog: Sendable {
  public var manifest: ManifestState
  public var manifestPosition: ManifestPosition
  public var hardState: HardState
  public var voteGeneration: UInt64
  public var active: ActiveSegment
  /// No file of the log was ever numbered higher.
  public var lastSequence: UInt64
  public var boot: Boot
  /// Bytes that the file has that keeps space in reserve; nil if it is not there.
  public var reserveBytes: Int?
}

/// Sizes that opening depends on, in bytes.
public struct OpeningOptions: Sendable {
  /// The group that the log must belong to; nil takes whichever it is, or a random new one.
  public var group: UID?
  /// Zeros of the segment that opening starts, and at least the room behind what it copies.
  public var segmentBytes: Int
  /// A segment that has at most this much to keep is copied whole, so that a crash loop leaves one
  /// small segment and not one a crash.
  public var copyWholeBytesMax: Int
  /// Room for edits behind a rewritten manifest.
  public var manifestRoom: Int

  public init(
    group: UID? = nil, segmentBytes: Int = 1 << 20, copyWholeBytesMax: Int = 256 << 10,
    manifestRoom: Int = 32 << 10
  ) {
    self.group = group
    self.segmentBytes = segmentBytes
    self.copyWholeBytesMax = copyWholeBytesMax
    self.manifestRoom = manifestRoom
  }
}

/// Steps to carry out in order, and the log that stands when they are done.
public struct OpeningPlan: Sendable {
  public let steps: [DiskStep]
  public let opened: OpenedLog
  /// Why the steps are what they are.
  public let findings: [Finding]
}

extension OpeningPlan {
  /// Plans the opening of a directory.
  ///
  /// - Throws: `RecoveryError` if the table refuses, if there is no log to open and the directory
  ///   is somebody else's, or if a batch that must be copied cannot be read.
  public static func make(
    for diagnosis: Diagnosis, in directory: any StorageDirectory, options: OpeningOptions,
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> OpeningPlan {
    if !diagnosis.refusals.isEmpty {
      throw RecoveryError(refusing: diagnosis.refusals, path: diagnosis.evidence.path)
    }
    try diagnosis.evidence.requireWritable()
    try diagnosis.evidence.requireRegularFiles()
    if diagnosis.isUnborn {
      return try genesis(diagnosis, options: options, using: &generator)
    }
    guard let manifest = diagnosis.evidence.manifest else {
      throw RecoveryError(.lost, "\(diagnosis.evidence.path) has no manifest")
    }
    if let group = options.group, group != manifest.state.group {
      throw RecoveryError(
        .foreign,
        "\(diagnosis.evidence.path) belongs to group \(manifest.state.group), not \(group)")
    }
    var planner = OpeningPlanner(diagnosis, manifest, directory, options)
    try planner.plan(using: &generator)
    try requireSound(planner.opened!, path: diagnosis.evidence.path)
    return OpeningPlan(
      steps: planner.steps, opened: planner.opened!, findings: diagnosis.findings)
  }

  /// The first start: votes and first segment are durable before the manifest makes it a log.
  private static func genesis(
    _ diagnosis: Diagnosis, options: OpeningOptions,
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> OpeningPlan {
    let evidence = diagnosis.evidence
    if let stranger = evidence.strangers.first {
      throw RecoveryError(
        .notALogDirectory,
        "\(evidence.path) holds no log, but other files (\(stranger.name)): choose another "
          + "directory, or move them away")
    }
    let group = options.group ?? UID(using: &generator)
    var state = ManifestState(group: group, incarnation: UID(using: &generator))
    let header = SegmentHeader(
      purpose: .roll, group: group, uid: UID(using: &generator), salt: generator.next(),
      sequence: 1, firstIndex: 1, previousTerm: 0)
    let record = SegmentRecord(header: header, capacity: options.segmentBytes)
    let boot = Boot(counter: 1, random: generator.next())
    state.segments = [record]
    state.boots = [boot]
    let vote = VoteFile(
      generation: 0, state: HardState(), incarnation: state.incarnation, group: group)
    var steps: [DiskStep] = evidence.unknown.map { .remove($0.file.name) }
    for name in VoteFile.names { steps += Self.newFile(name, vote.encoded()) }
    steps += [
      .create(record.fileName, zeros: record.capacity),
      .write(record.fileName, header.encoded(), at: 0),
      .sync(record.fileName),
      .syncDirectory(nil),
    ]
    let (image, position) = manifestImage(state, number: 1, options)
    steps += Self.replaceManifests(image)
    let active = ActiveSegment(
      record: record,
      end: SegmentEnd(
        ordinal: 0, offset: Layout.segmentHeader, index: 0, term: 0, checksum: header.checksum,
        termRuns: []),
      durableOrdinal: 0, batches: [], digest: CRC32C.checksum(header.encoded().span))
    return OpeningPlan(
      steps: steps,
      opened: OpenedLog(
        manifest: state, manifestPosition: position, hardState: HardState(), voteGeneration: 0,
        active: active, lastSequence: 1, boot: boot, reserveBytes: nil),
      findings: diagnosis.findings)
  }

  /// What must be left of the numbers when a log is opened. No log counts so far; a directory may
  /// claim to have, and then counting on would end in numbers that no program reads.
  fileprivate static let headroom: UInt64 = 1 << 32

  private static func requireSound(
    _ opened: OpenedLog, path: String
  ) throws(RecoveryError) {
    let state = opened.manifest
    try requireReadable(state, number: opened.manifestPosition.number, path: path)
    guard opened.lastSequence <= Layout.sequenceMax - headroom,
      opened.manifestPosition.number <= Layout.indexMax - headroom,
      opened.boot.counter <= Layout.indexMax - headroom, opened.hardState.term <= Layout.indexMax
    else {
      throw RecoveryError(
        .damaged,
        "\(path) was not touched: its segments, edits, boots or terms are numbered up to "
          + "\(opened.lastSequence), \(opened.manifestPosition.number), \(opened.boot.counter) and "
          + "\(opened.hardState.term), which leaves no room to go on"
      )
    }
    // What the active segment says is in no manifest yet, so reading that back does not cover it.
    let end = opened.active.end
    guard max(end.index, state.previousIndex) <= Layout.indexMax - headroom,
      end.term <= Layout.indexMax
    else {
      throw RecoveryError(
        .damaged,
        "\(path) was not touched: its last entry is \(max(end.index, state.previousIndex)), of term "
          + "\(end.term), which leaves no room to go on"
      )
    }
    // What was compacted has a term as well, and terms never fall.
    let runs = state.segments.compactMap(\.end).flatMap(\.termRuns) + opened.active.end.termRuns
    let first = runs.last { $0.firstIndex <= state.firstIndex }
    guard first?.term ?? state.previousTerm >= state.previousTerm else {
      throw RecoveryError(
        .damaged,
        "\(path) was not touched: the manifest says term \(state.previousTerm) before entry "
          + "\(state.firstIndex), which is of a lower one")
    }
  }

  /// Refuses a state that could not be read back: a directory may hold numbers that leave no room
  /// for the next one.
  static func requireReadable(
    _ state: ManifestState, number: UInt64, path: String
  ) throws(RecoveryError) {
    do throws(FormatError) {
      try ManifestEdit.requireEncodable(state.changes)
      let image = ManifestImage(state: state, number: number, room: 0)
      let read = try ManifestCopy.scan(image.bytes)
      guard read.state == state, read.isClean else {
        throw FormatError(.inconsistent, "it reads back as another")
      }
    } catch {
      throw RecoveryError(
        .damaged,
        "\(path) was not touched: the manifest that it needs cannot be written: \(error.message)")
    }
  }

  static func newFile(_ name: String, _ bytes: Bytes) -> [DiskStep] {
    [.create(name, zeros: 0), .write(name, bytes, at: 0), .sync(name)]
  }

  /// A manifest of the whole state, and where the next edit goes.
  public static func manifestImage(
    _ state: ManifestState, number: UInt64, _ options: OpeningOptions
  ) -> (image: ManifestImage, position: ManifestPosition) {
    let image = ManifestImage(state: state, number: number, room: options.manifestRoom)
    return (
      image,
      ManifestPosition(
        number: number, checksum: image.checksum, end: image.end, fileBytes: image.bytes.count)
    )
  }

  /// Replaces one copy after the other; at any moment one of them is whole and durable.
  public static func replaceManifests(_ image: ManifestImage) -> [DiskStep] {
    let temporary = ManifestHeader.temporaryName
    return ManifestHeader.names.flatMap { name in
      newFile(temporary, image.bytes) + [.rename(temporary, to: name), .syncDirectory(nil)]
    }
  }
}

extension StorageDirectory {
  /// A name in quarantine/ that no file has: what was saved there is never written over.
  func quarantineName(_ name: String) throws(RecoveryError) -> String {
    let wanted = "\(DirectoryEvidence.Names.quarantine)/\(name)"
    var free = wanted
    for copy in 2... {
      do throws(StorageError) {
        _ = try open(free, .read)
      } catch {
        if error.isNotFound { return free }
        // A directory or a link has that name: it is taken all the same.
        guard error.isNoRegularFile else { throw RecoveryError(error) }
      }
      free = "\(wanted).\(copy)"
    }
    preconditionFailure("counting never ends")
  }
}

extension DirectoryEvidence {
  /// Refuses where something that is no file has the name of a manifest or a vote. No rename replaces
  /// a directory, so whatever is begun fails there, and fails there again.
  func requireRegularFiles() throws(RecoveryError) {
    let copies =
      Array(zip(ManifestHeader.names, manifests.map(\.failure)))
      + Array(zip(VoteFile.names, votes.map(\.failure)))
    for (name, failure) in copies {
      guard let failure, failure.error.isNoRegularFile else { continue }
      throw RecoveryError(
        .storage,
        "\(path)/\(name) is no regular file, so the log cannot write it; nothing was touched: move "
          + "it away, and what it stands in for is made anew from the other copy (\(failure.error))"
      )
    }
  }

  /// Refuses to change what a newer program allows to be read only.
  func requireWritable() throws(RecoveryError) {
    guard let name = readOnlyFiles.first else { return }
    throw RecoveryError(
      .unsupported,
      "\(path)/\(name) was written by a newer program: this one may read it, but not write it")
  }
}

/// The plan in the making.
private struct OpeningPlanner {
  var steps: [DiskStep] = []
  var opened: OpenedLog?

  private let diagnosis: Diagnosis
  private let evidence: DirectoryEvidence
  private let directory: any StorageDirectory
  private let options: OpeningOptions
  private let number: UInt64
  private var state: ManifestState
  private var lastSequence: UInt64

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
    makeRoom()
    try saveAside(boot)
    restoreHeaders()
    let wasClosed = state.isClosed
    let active = try settleTail(using: &generator)
    dropSuperseded()
    require(.opened(boot))
    // A new number, even if the last edit is in neither copy: what follows must not look like it.
    var position = rewriteManifests(number: number + 1)
    // Only now is it certain that the segments have ended: the edit may have been in the page cache
    // alone, and a footer behind frames that nobody ended looks like rot.
    if seal() { position = rewriteManifests(number: number + 2) }
    let (hardState, generation) = rewriteVotes(active, wasClosed: wasClosed)
    try tidyUp()
    opened = OpenedLog(
      manifest: state, manifestPosition: position, hardState: hardState,
      voteGeneration: generation, active: active, lastSequence: lastSequence, boot: boot,
      reserveBytes: evidence.files.first { $0.name == DirectoryEvidence.Names.reserve }?.size)
  }

  /// Changes the state; a change that the evidence led to always fits.
  private mutating func require(_ change: ManifestChange) {
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

  /// Goes on in the active segment if all of it is known durable, else starts a new one with a copy
  /// of what is not.
  private mutating func settleTail(
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
      purpose: .copyForward, group: state.group, uid: UID(using: &generator),
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

  /// Lets go of segments that a copy replaced, all but the last one: that is kept as evidence until
  /// the copy has been vouched for.
  private mutating func dropSuperseded() {
    let empty = state.segments.dropLast().filter { $0.end?.index == $0.previousIndex }
    for record in empty.dropLast() { require(.dropped(record.uid)) }
  }

  private mutating func rewriteVotes(
    _ active: ActiveSegment, wasClosed: Bool
  ) -> (HardState, UInt64) {
    let files = evidence.votes.compactMap(\.file)
    let verdict = diagnosis.findings.first { $0.file.hasPrefix("vote-") }?.verdict
    let generationMax = Layout.indexMax - OpeningPlan.headroom
    if verdict == nil, wasClosed, let file = files.first, file.generation < generationMax {
      return (file.state, file.generation)
    }
    var hardState = HardState(term: active.end.term + 1)
    if verdict != .voteLost, let newest = files.max(by: { $0.generation < $1.generation }) {
      hardState = newest.state
    } else if let highest = files.map(\.state.term).max() {
      hardState.term = max(hardState.term, highest + 1)
    }
    // No log counts that far; a directory may say so, and counting has to begin anew. Until both
    // copies are rewritten the old one counts.
    let highest = files.map(\.generation).max() ?? 0
    let generation = highest < generationMax ? highest + 1 : 1
    let vote = VoteFile(
      generation: generation, state: hardState, incarnation: state.incarnation,
      group: state.group)
    // The newest copy is overwritten last: until the other one is durable it is all there is.
    let copies = zip(VoteFile.names, evidence.votes).sorted { a, b in
      (a.1.file?.generation ?? 0, a.1.file == nil ? 0 : 1)
        < (b.1.file?.generation ?? 0, b.1.file == nil ? 0 : 1)
    }
    for (name, copy) in copies {
      // A file of the right size is overwritten: one sector, whole or not at all.
      if case .usable = copy {
        steps += [.write(name, vote.encoded(), at: 0), .sync(name)]
      } else {
        steps += OpeningPlan.newFile(name, vote.encoded()) + [.syncDirectory(nil)]
      }
    }
    return (hardState, generation)
  }

  /// Removes what nothing refers to, and moves what nobody knows out of the way.
  private mutating func tidyUp() throws(RecoveryError) {
    var removed = false
    for name in state.dropped.map(\.description) {
      steps.append(.remove(name))
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
