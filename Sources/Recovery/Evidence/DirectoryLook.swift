// DirectoryLook: what a directory is like, looked at often enough to tell damage from a race.
//
// What must always hold: nothing is written. A directory that nobody writes is judged by one look
// during which nothing changed. Beside a writer a finding counts only if two looks agree on it, and
// an edit or a vote that is half done is none.

import LogFormat
public import StorageIO

/// A directory, gathered and judged beside whoever writes it.
public struct DirectoryLook: Sendable {
  /// The last look, with everything that it found.
  public let diagnosis: Diagnosis
  /// What of that holds.
  public let findings: [Finding]
  /// True when a writer held the directory at the end.
  public let isLive: Bool

  public var severity: Verdict.Severity { findings.map(\.severity).max() ?? .clean }

  /// What every look has found that many times was there each time.
  private static let looksMax = 5

  /// Looks at `directory`, without a lock.
  ///
  /// - Parameter pause: called before looking again, to let a writer get on.
  public init(
    _ directory: any StorageDirectory, depth: DirectoryEvidence.Depth = .opening,
    progress: ProgressHandler? = nil, pause: () -> Void = {}
  ) throws(StorageError) {
    // Beside a writer, what every look so far has found; nil before the first such look.
    var confirmed: Set<Sighting>?
    for look in 1... {
      let wasLive = try directory.isLocked()
      let diagnosis = Diagnosis(
        try DirectoryEvidence.gather(
          directory, depth: depth, isLive: wasLive, progress: progress))
      if diagnosis.findings.isEmpty {
        self.init(diagnosis, [], isLive: wasLive)
        return
      }
      let isLive = try directory.isLocked()
      let hasMoved = try Self.hasMoved(diagnosis.evidence, directory)
      let isStill = isLive == wasLive && !hasMoved
      if isStill, !isLive {
        self.init(diagnosis, diagnosis.findings, isLive: false)
        return
      }
      let isConfirmed = confirmed != nil
      if wasLive {
        let seen = Set(Self.damage(diagnosis).map(Sighting.init))
        confirmed = confirmed?.intersection(seen) ?? seen
      }
      let isSettled = isStill && isLive && (isConfirmed || confirmed?.isEmpty == true)
      guard isSettled || look == Self.looksMax else {
        pause()
        continue
      }
      // Without a look beside a writer, one was there at no time for long: the last look counts.
      let held = confirmed.map { seen in
        Self.damage(diagnosis).filter { seen.contains(Sighting($0)) }
      }
      self.init(diagnosis, held ?? diagnosis.findings, isLive: isLive)
      return
    }
    preconditionFailure("looking never ends")
  }

  private init(_ diagnosis: Diagnosis, _ findings: [Finding], isLive: Bool) {
    self.diagnosis = diagnosis
    self.findings = findings
    self.isLive = isLive
  }

  /// True when the manifest or a vote is another one than what was gathered.
  private static func hasMoved(
    _ evidence: DirectoryEvidence, _ directory: any StorageDirectory
  ) throws(StorageError) -> Bool {
    for (name, copy) in zip(ManifestHeader.names, evidence.manifests) {
      if try ManifestCopy.read(name, in: directory).scan?.number != copy.scan?.number {
        return true
      }
    }
    for (name, copy) in zip(VoteFile.names, evidence.votes) {
      if try VoteCopy.read(name, in: directory) != copy { return true }
    }
    return false
  }

  /// What a look beside a writer has found, without what the writer is just doing: of an edit or a
  /// vote one copy is written first. A writer that stops in between leaves that to be found then.
  private static func damage(_ diagnosis: Diagnosis) -> [Finding] {
    diagnosis.findings.filter { finding in
      switch finding.verdict {
      case .healedManifest: !isEditUnderWay(diagnosis.evidence)
      case .healedVote: !isVoteUnderWay(diagnosis.evidence)
      default: true
      }
    }
  }

  private static func isEditUnderWay(_ evidence: DirectoryEvidence) -> Bool {
    let scans = evidence.manifests.compactMap(\.scan)
    guard scans.count == 2, scans.allSatisfy(\.isClean) else { return false }
    return max(scans[0].number, scans[1].number) - min(scans[0].number, scans[1].number) == 1
  }

  private static func isVoteUnderWay(_ evidence: DirectoryEvidence) -> Bool {
    let votes = evidence.votes.compactMap { $0.file?.generation }
    return votes.count == 2 && max(votes[0], votes[1]) - min(votes[0], votes[1]) == 1
  }
}

/// A finding as two looks can agree on it: the log grows between them, and with it what is said of
/// damage in the segment that is being written, its row included.
private struct Sighting: Hashable {
  let verdict: Verdict?
  let refusesOpening: Bool
  let file: String
  let offset: Int?
  let detail: String

  init(_ finding: Finding) {
    let isBreak = if case .segmentBreak = finding.evidence { true } else { false }
    verdict = isBreak ? nil : finding.verdict
    refusesOpening = finding.verdict.refusesOpening
    file = finding.file
    offset = finding.offset
    detail = isBreak ? "" : finding.detail
  }
}
