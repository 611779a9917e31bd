// Finding: one row of the table that fired, with its evidence and its place.

public import LogFormat

/// What was found in a place, and what is done about it.
public struct Finding: Hashable, Sendable {
  public var verdict: Verdict
  public var evidence: Evidence
  /// The file it was found in.
  public var file: String
  /// Byte offset in that file.
  public var offset: Int?
  /// The first index that is concerned.
  public var firstIndex: LogIndex?
  /// The last one; nil with a first index means that nobody can know.
  public var lastIndex: LogIndex?
  /// Entries before those that can be read, and that may have been taken back by what is damaged.
  public var uncertain: ClosedRange<LogIndex>?
  /// What exactly disagreed.
  public var detail: String
  /// What the device or the file system did not deliver of it.
  public var failure: ReadFailure?

  /// That, as byte ranges of the file.
  public var unreadable: [Range<Int>] { failure?.unreadable ?? [] }
  /// How bad it is. What was not delivered is worse than what it looks like.
  public var severity: Verdict.Severity { failure == nil ? verdict.severity : .inputOutput }

  public init(
    _ verdict: Verdict, evidence: Evidence, file: String, offset: Int? = nil,
    firstIndex: LogIndex? = nil, lastIndex: LogIndex? = nil, detail: String,
    failure: ReadFailure? = nil
  ) {
    self.verdict = verdict
    self.evidence = evidence
    self.file = file
    self.offset = offset
    self.firstIndex = firstIndex
    self.lastIndex = lastIndex
    self.detail = detail
    self.failure = failure
    uncertain = nil
  }

  init(
    deciding evidence: Evidence, file: String, offset: Int? = nil, firstIndex: LogIndex? = nil,
    lastIndex: LogIndex? = nil, detail: String, failure: ReadFailure? = nil
  ) {
    self.init(
      Verdict.decide(evidence), evidence: evidence, file: file, offset: offset,
      firstIndex: firstIndex, lastIndex: lastIndex, detail: detail, failure: failure)
  }

  /// The concerned indices in words, or nil.
  public var indices: String? {
    guard let firstIndex else { return nil }
    if let lastIndex, lastIndex < firstIndex { return nil }
    return Words.entries(firstIndex, lastIndex)
  }
}

extension Finding {
  /// That in words.
  static func warning(_ uncertain: ClosedRange<LogIndex>) -> String {
    "\(Words.entries(uncertain)) may have been taken back by a frame that cannot be read"
  }
}

extension Finding: CustomStringConvertible {
  /// One line: verdict, place, indices, detail, what was not delivered.
  public var description: String {
    var line = "\(verdict.title) [\(verdict.rawValue)] \(file)"
    if let offset { line += " at byte \(offset)" }
    if let indices { line += ", \(indices)" }
    line += ": \(detail)"
    guard let failure else { return line }
    return line + (detail.isEmpty ? "" : "; ") + "\(failure)"
  }
}
