// OpeningPlan: what has to happen on the disk before a log may answer, and what it is then.
//
// What must always hold: a crash between any two steps leaves a directory from which the same log is
// recovered again; no byte is discarded before it is either known never to have been acknowledged
// or saved aside; nothing that only the page cache may hold is trusted.

import ByteBuffers
public import LogFormat
public import StorageIO

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
    if options.isMember || diagnosis.evidence.isOfMember,
      diagnosis.findings.contains(where: { $0.verdict == .voteLost })
    {
      throw RecoveryError(
        .damaged,
        "\(diagnosis.evidence.path) was not touched: both copies of its vote are lost, and nobody can say "
          + "for whom it voted; a member that votes twice loses entries. Replace this member")
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
  static let headroom: UInt64 = 1 << 32

  private static func requireSound(
    _ opened: OpenedLog, path: String
  ) throws(RecoveryError) {
    let state = opened.manifest
    try requireReadable(state, number: opened.manifestPosition.number, path: path)
    try requireHeadroom(
      state, sequence: opened.lastSequence, edit: opened.manifestPosition.number,
      term: opened.hardState.term, path: path)
    // What the active segment says is in no manifest yet, so reading that back does not cover it.
    let end = opened.active.end
    try requireHeadroom(last: max(end.index, state.previousIndex), of: end.term, path: path)
    try requireTerms(state, end, path: path)
  }

  /// Refuses a log whose manifest, entries and last segment differ on a term: what is appended next
  /// would be of a term that no reader lets follow.
  private static func requireTerms(
    _ state: ManifestState, _ end: SegmentEnd, path: String
  ) throws(RecoveryError) {
    let runs = state.segments.compactMap(\.end).flatMap(\.termRuns) + end.termRuns
    let lastTerm = runs.last?.term ?? state.previousTerm
    guard end.term <= lastTerm else {
      throw RecoveryError(
        .damaged,
        "\(path) was not touched: its last segment says that it follows term \(end.term), and the log's "
          + "last entry is of term \(lastTerm)")
    }
    // The last entry that was compacted may still lie in the first segment.
    let previous =
      end.index < state.previousIndex
      ? nil : runs.last { $0.firstIndex <= state.previousIndex }
    guard let previous, previous.term != state.previousTerm else { return }
    throw RecoveryError(
      .damaged,
      "\(path) was not touched: the manifest says term \(state.previousTerm) before entry "
        + "\(state.firstIndex), and the entry there is of term \(previous.term)")
  }

  /// Refuses numbers of files, edits, boots or terms that leave no room to go on.
  static func requireHeadroom(
    _ state: ManifestState, sequence: UInt64, edit: UInt64, term: Term, path: String
  ) throws(RecoveryError) {
    let boot = state.boots.last?.counter ?? 0
    guard sequence <= Layout.sequenceMax - headroom, edit <= Layout.indexMax - headroom,
      boot <= Layout.indexMax - headroom, term <= Layout.indexMax
    else {
      throw RecoveryError(
        .damaged,
        "\(path) was not touched: its segments, edits, boots or terms are numbered up to "
          + "\(sequence), \(edit), \(boot) and \(term), which leaves no room to go on")
    }
  }

  /// Refuses a last entry behind which there is no room to go on.
  static func requireHeadroom(
    last index: LogIndex, of term: Term, path: String
  ) throws(RecoveryError) {
    guard index <= Layout.indexMax - headroom, term <= Layout.indexMax else {
      throw RecoveryError(
        .damaged,
        "\(path) was not touched: its last entry is \(index), of term \(term), which leaves no room "
          + "to go on")
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
  /// Moves into quarantine/ what has the name of a manifest or a vote and is no regular file: nothing
  /// can be written there, and no rename replaces a directory. The other copy stands in for it.
  func clearingCopies(in directory: any StorageDirectory) throws(RecoveryError) -> [DiskStep] {
    let copies =
      Array(zip(ManifestHeader.names, manifests.map(\.failure)))
      + Array(zip(VoteFile.names, votes.map(\.failure)))
    var steps: [DiskStep] = []
    for (name, failure) in copies where failure?.error.isNoRegularFile == true {
      steps.append(.rename(name, to: try directory.quarantineName(name)))
    }
    guard !steps.isEmpty else { return [] }
    let quarantine = Names.quarantine
    return [.makeDirectory(quarantine)] + steps
      + [.syncDirectory(quarantine), .syncDirectory(nil)]
  }

  /// Refuses to change what a newer program allows to be read only.
  func requireWritable() throws(RecoveryError) {
    guard let name = readOnlyFiles.first else { return }
    throw RecoveryError(
      .unsupported,
      "\(path)/\(name) was written by a newer program: this one may read it, but not write it")
  }
}
