// Diagnosis: evidence put through the table. Pure.

import ByteBuffers
import LogFormat
import StorageIO

/// What a directory's evidence adds up to.
public struct Diagnosis: Sendable {
  public let evidence: DirectoryEvidence
  /// The rows that fired, in the order of the log; `clean` rows are left out.
  public let findings: [Finding]
  /// True when edits of the manifest were not delivered: what there is of it is no log to go by.
  public let hidesManifest: Bool

  public var severity: Verdict.Severity { findings.map(\.severity).max() ?? .clean }

  /// The findings for which a log on one machine does not open.
  public var refusals: [Finding] { findings.filter(\.verdict.refusesOpening) }

  /// True when there is no log here, and one may be started.
  public var isUnborn: Bool { findings.contains { $0.verdict == .unborn } }

  public init(_ evidence: DirectoryEvidence) {
    self.evidence = evidence
    let manifests = Self.manifestFindings(evidence)
    hidesManifest = manifests.contains { $0.verdict == .inputOutput }
    var findings = Self.voteFindings(evidence)
    for segment in evidence.segments { findings += Self.findings(segment, in: evidence) }
    findings += evidence.unknown.compactMap { Self.finding($0, in: evidence) }
    if hidesManifest {
      // What the log is made of is not known: only what was not delivered either is certain.
      findings.removeAll { $0.failure == nil && $0.verdict.severity != .refused }
    }
    self.findings = (manifests + findings).filter { $0.verdict != .clean }
  }

  private static func finding(
    _ file: UnknownEvidence, in evidence: DirectoryEvidence
  ) -> Finding? {
    // Without a manifest every segment is unknown: that is row P, and none of them an orphan.
    let isOfLog = file.scan != nil && file.content != .newer && file.content != .undelivered
    if evidence.manifest == nil, isOfLog { return nil }
    let continues = file.content == .continues
    return Finding(
      deciding: .unknown(file.content, isLive: evidence.isLive), file: file.file.name,
      firstIndex: continues ? file.scan?.header.firstIndex : nil,
      lastIndex: continues ? file.scan?.end.index : nil, detail: file.detail,
      failure: file.failure)
  }

  /// A finding for each of two copies of which something was not delivered; `finding` if that is
  /// neither.
  private static func perCopy(
    _ finding: Finding, _ copies: [(name: String, failure: ReadFailure?)]
  ) -> [Finding] {
    let failed = copies.compactMap { name, failure -> Finding? in
      guard let failure else { return nil }
      var finding = finding
      if finding.verdict == .clean {
        finding = Finding(deciding: .unusedSpace, file: name, detail: "the copy is valid")
      }
      finding.file = name
      finding.offset = failure.unreadable.first?.lowerBound
      finding.failure = failure
      return finding
    }
    return failed.isEmpty ? [finding] : failed
  }

  /// The highest edit that a frame names. A segment that the manifest does not know counts too: if
  /// both copies were replaced by older ones, it was an edit that took it into the log. Beside a
  /// writer it does not: the edit may have been made since the manifest was read.
  private static func carriedEdit(_ evidence: DirectoryEvidence) -> UInt64 {
    let unknown = evidence.isLive ? [] : evidence.unknown.compactMap(\.scan)
    let scans = evidence.segments.compactMap(\.scan) + unknown
    return scans.map(\.manifestEdit).max() ?? 0
  }

  private static func manifestFindings(_ evidence: DirectoryEvidence) -> [Finding] {
    let (first, second) = (evidence.manifests[0], evidence.manifests[1])
    let best = evidence.manifest?.number ?? 0
    let carried = carriedEdit(evidence)
    let facts = ManifestFacts(
      first: fact(first), second: fact(second), order: order(first.scan, second.scan),
      isCarriedBeyond: carried > best, isBorn: evidence.isBorn)
    let details = zip(ManifestHeader.names, evidence.manifests).compactMap { name, copy in
      detail(copy, name: name, best: best)
    }
    let conflict = facts.order == .conflict ? ["the copies contradict each other"] : []
    let carriedDetail = carried > best ? ["a frame names edit \(carried)"] : []
    let named = namedCopy(first, second, best: best)
    let finding = Finding(
      deciding: .manifest(facts), file: ManifestHeader.names[named],
      offset: facts.order == .conflict
        ? conflictOffset(evidence.manifests[named].scan, evidence.manifests[1 - named].scan)
        : offset(evidence.manifests[named]),
      detail: (details + conflict + carriedDetail).joined(separator: "; "))
    let failures = [first.failure, second.failure]
    return perCopy(finding, Array(zip(ManifestHeader.names, failures)))
  }

  /// The copy that is newer than this program, or has to be mended; not always the first.
  private static func namedCopy(
    _ first: ManifestCopy, _ second: ManifestCopy, best: UInt64
  ) -> Int {
    if case .unsupported = first { return 0 }
    if case .unsupported = second { return 1 }
    if case .usable(let scan) = first, scan.number == best, scan.isClean { return 1 }
    return 0
  }

  /// Where a copy is not what it should be: the header that is wrong, or the place behind the last
  /// valid edit.
  private static func offset(_ copy: ManifestCopy) -> Int {
    switch copy {
    case .missing, .unreadable: 0
    case .unusable(let error), .unsupported(let error): error.offset
    case .usable(let scan): scan.end
    }
  }

  /// Where the first edit of `scan` begins that `other` contradicts; the first one, which says
  /// everything anew, if it is none in particular.
  private static func conflictOffset(_ scan: ManifestScan?, _ other: ManifestScan?) -> Int {
    let numbered = (other?.edits ?? []).dropFirst().map { ($0.number, $0) }
    let others = Dictionary(numbered, uniquingKeysWith: { $1 })
    var offset = Layout.manifestHeader
    for (i, edit) in (scan?.edits ?? []).enumerated() {
      if i > 0, let copy = others[edit.number], copy != edit { return offset }
      offset += edit.encoded(previousChecksum: 0).bytes.count
    }
    return Layout.manifestHeader
  }

  private static func fact(_ copy: ManifestCopy) -> ManifestFacts.Copy {
    switch copy {
    case .missing: .missing
    case .unusable: .unusable
    case .unreadable: .undelivered
    case .unsupported: .newerFormat
    case .usable(let scan):
      scan.isClean ? .clean : scan.hidesTail ? .undeliveredTail : .damagedTail
    }
  }

  private static func order(_ a: ManifestScan?, _ b: ManifestScan?) -> ManifestFacts.Order {
    guard let a, let b else { return .same }
    // The copies may have been rewritten at different times; the edits that both have must agree.
    let bByNumber = Dictionary(b.edits.map { ($0.number, $0) }, uniquingKeysWith: { $1 })
    let firstA = a.edits.first?.number
    let firstB = b.edits.first?.number
    for edit in a.edits {
      // A file's first edit says everything anew, so it is no copy of the other's.
      guard let other = bByNumber[edit.number], edit.number != firstA, edit.number != firstB
      else { continue }
      if other != edit { return .conflict }
    }
    if a.number == b.number { return a.state == b.state ? .same : .conflict }
    return a.number > b.number ? .firstIsLonger : .secondIsLonger
  }

  private static func detail(_ copy: ManifestCopy, name: String, best: UInt64) -> String? {
    switch copy {
    case .missing: "\(name) is missing"
    case .unusable(let error), .unsupported(let error): "\(name): \(error.message)"
    case .unreadable: "\(name) cannot be read"
    case .usable(let scan):
      if case .damaged(let error) = scan.tail {
        "\(name): \(error.message) at byte \(error.offset), behind edit \(scan.number)"
      } else if scan.number < best {
        "\(name) ends with edit \(scan.number) of \(best)"
      } else {
        nil
      }
    }
  }

  private static func voteFindings(_ evidence: DirectoryEvidence) -> [Finding] {
    // Before there is a manifest, vote files are part of a start that did not finish.
    guard evidence.manifest != nil else {
      return zip(VoteFile.names, evidence.votes).compactMap { name, copy in
        guard case .unsupported(let error) = copy else { return nil }
        let facts = VoteFacts(first: .newerFormat, second: .newerFormat, order: .same)
        return Finding(
          deciding: .votes(facts), file: name, offset: error.offset, detail: error.message)
      }
    }
    let (first, second) = (evidence.votes[0], evidence.votes[1])
    let order: VoteFacts.Order =
      if let a = first.file, let b = second.file {
        a == b ? .same : a.generation == b.generation ? .conflict : .different
      } else {
        .same
      }
    let facts = VoteFacts(first: fact(first), second: fact(second), order: order)
    var details: [String] = []
    for (name, copy) in zip(VoteFile.names, evidence.votes) {
      switch copy {
      case .missing: details.append("\(name) is missing")
      case .unusable(let error), .unsupported(let error):
        details.append("\(name): \(error.message)")
      case .unreadable: details.append("\(name) cannot be read")
      case .usable(let file): details.append("\(name) has generation \(file.generation)")
      }
    }
    let isFirst =
      first.file == nil || (first.file?.generation ?? 0) < (second.file?.generation ?? 0)
    let finding = Finding(
      deciding: .votes(facts), file: VoteFile.names[isFirst ? 0 : 1],
      offset: offset(isFirst ? first : second), detail: details.joined(separator: "; "))
    return perCopy(finding, Array(zip(VoteFile.names, evidence.votes.map(\.failure))))
  }

  /// Where a copy is not what it should be; one that is only older is that from its beginning.
  private static func offset(_ copy: VoteCopy) -> Int {
    switch copy {
    case .missing, .unreadable, .usable: 0
    case .unusable(let error), .unsupported(let error): error.offset
    }
  }

  private static func fact(_ copy: VoteCopy) -> VoteFacts.Copy {
    switch copy {
    case .missing: .missing
    case .unusable: .unusable
    case .unreadable: .undelivered
    case .unsupported: .newerFormat
    case .usable: .usable
    }
  }

  private static func findings(
    _ segment: SegmentEvidence, in evidence: DirectoryEvidence
  ) -> [Finding] {
    let record = segment.record
    let name = record.fileName
    let lastIndex = record.end?.index
    guard segment.fileBytes != nil else {
      let holdsEntries = (lastIndex ?? .max) > record.previousIndex
      // A writer drops such a segment, and removes its file, whenever it likes.
      if evidence.isLive, !holdsEntries { return [] }
      return [
        Finding(
          deciding: .missing(holdsEntries: holdsEntries), file: name,
          firstIndex: record.firstIndex, lastIndex: lastIndex,
          detail: "the manifest names it, and it is not there")
      ]
    }
    if segment.isUnopenable, let failure = segment.failure {
      return [
        Finding(
          deciding: .unopenable(UnopenableFile(failure.error)), file: name,
          firstIndex: record.firstIndex, lastIndex: lastIndex,
          detail: "the manifest names it, and nothing of it can be read", failure: failure)
      ]
    }
    let hidden = segment.failure?.within(0..<Layout.segmentHeader)
    let header: HeaderFacts =
      segment.header == .damaged && hidden != nil ? .undelivered : segment.header
    var findings = [
      Finding(
        deciding: .header(header), file: name, offset: 0,
        firstIndex: segment.header == .otherSegment ? record.firstIndex : nil,
        lastIndex: segment.header == .otherSegment ? lastIndex : nil,
        detail: segment.headerDetail, failure: header == .valid ? nil : hidden)
    ]
    if let error = segment.scan?.unsupported {
      findings.append(
        Finding(
          deciding: .unknownKind, file: name, offset: error.offset, detail: error.message))
    }
    let breaks = Self.breaks(segment, in: evidence)
    findings += breaks
    if record.seal != nil, breaks.isEmpty, segment.header == .valid || segment.header == .damaged {
      let hidden = segment.failure?.within(Layout.segmentHeader..<Int.max)
      let facts: FooterFacts =
        segment.footer != nil ? .valid : hidden == nil ? .damaged : .undelivered
      findings.append(
        Finding(
          deciding: .footer(facts), file: name, offset: record.end?.offset,
          detail: segment.footerDetail, failure: facts == .valid ? nil : hidden))
    }
    if record.end != nil, record.seal == nil, !record.isCut, !evidence.isLive {
      findings.append(
        Finding(
          deciding: .unsealed, file: name, offset: record.end?.offset,
          detail: "ended at entry \(record.end!.index), without a seal"))
    }
    return findings + unused(segment, told: findings)
  }

  /// What was not delivered of a segment, and no finding that counts has told.
  private static func unused(_ segment: SegmentEvidence, told findings: [Finding]) -> [Finding] {
    let all = ReadFailure.joining(segment.failure, segment.scan?.failure)
    let told = findings.filter { $0.verdict != .clean }.compactMap(\.failure)
    guard let left = all?.without(told) else { return [] }
    return [
      Finding(
        deciding: .unusedSpace, file: segment.record.fileName,
        offset: left.unreadable.first?.lowerBound, detail: "no entry of the log is there",
        failure: left)
    ]
  }

  private static func breaks(
    _ segment: SegmentEvidence, in evidence: DirectoryEvidence
  ) -> [Finding] {
    guard let scan = segment.scan else { return [] }
    let record = segment.record
    let ended = record.end?.ordinal
    let mark = max(record.durableThrough, scan.durableOrdinal)
    var findings: [Finding] = []
    // What is cut takes nothing back from the breaks before it.
    let counted = segment.counted?.breaks ?? []
    for found in counted + scan.breaks.dropFirst(counted.count) {
      // Behind the end that the manifest gives, the file is not part of the log.
      if let ended, found.ordinal > ended { continue }
      let facts = segment.facts(of: found, evidence.stop)
      findings.append(
        Finding(
          deciding: .segmentBreak(facts), file: record.fileName, offset: found.offset,
          firstIndex: found.firstIndex,
          lastIndex: scan.loss(at: found, durableThrough: mark).last ?? record.end?.index,
          detail: "frame \(found.ordinal): \(found.detail)"))
      if segment.isActive, findings.last?.verdict.refusesOpening == true {
        let first = max(record.firstIndex, evidence.manifest?.state.firstIndex ?? 1)
        findings[findings.count - 1].add(found.uncertain(durableThrough: mark, from: first))
      }
      if findings.last?.verdict == .ambiguousTail, let last = found.takenBackThrough {
        // It may have been acknowledged, and what it took the place of is what the log goes on with.
        findings[findings.count - 1].add(found.firstIndex...max(found.firstIndex, last))
        if let named = findings.last?.lastIndex {
          findings[findings.count - 1].lastIndex = max(named, last)
        }
      }
      // A cut takes along everything behind it; damage that is kept ends where frames go on.
      let isCut = findings.last?.verdict.refusesOpening == false
      let end = isCut ? Int.max : found.resumesAt ?? .max
      findings[findings.count - 1].failure = scan.failure?.within(
        found.offset..<max(end, found.offset))
      // Where the chain is cut, nothing behind counts.
      if let verdict = findings.last?.verdict, !verdict.refusesOpening { break }
    }
    return findings
  }
}

extension Finding {
  /// Takes in entries that may have been taken back.
  fileprivate mutating func add(_ uncertain: ClosedRange<LogIndex>?) {
    guard let uncertain else { return }
    self.uncertain = uncertain
    detail += "; " + Self.warning(uncertain)
  }
}

extension UnopenableFile {
  fileprivate init(_ error: StorageError) {
    if error.isSymbolicLink {
      self = .symbolicLink
    } else if error.isNoRegularFile {
      self = .notAFile
    } else {
      self = error.isDenied ? .denied : .failed
    }
  }
}
