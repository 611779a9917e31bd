// LogSlice: consecutive entries as the core sees them, without their payloads.
//
// What must always hold: there is at least one entry; the first run begins at the first of them, runs
// are in ascending order of index and of term; configurations are in order and among the entries.

public import LogFormat

/// A configuration, and the entry that it stands in.
public struct ConfigurationEntry: Hashable, Sendable {
  public var index: LogIndex
  public var configuration: Configuration

  public init(index: LogIndex, configuration: Configuration) {
    self.index = index
    self.configuration = configuration
  }
}

/// What decisions need to know of entries: how many, of which terms, how large, and who the members are.
///
/// Payloads stay outside of the core. Whoever carries a message attaches the batches that hold these
/// entries, and whoever receives one makes the slice from the batches, so that it cannot claim what they
/// do not say.
public struct LogSlice: Hashable, Sendable {
  public let indices: ClosedRange<LogIndex>
  public let runs: [TermRun]
  /// Bytes of the batches that hold the entries.
  public let bytes: Int
  public let configurations: [ConfigurationEntry]

  public var first: LogIndex { indices.lowerBound }
  public var last: LogIndex { indices.upperBound }
  public var lastPosition: LogPosition { LogPosition(term: runs.last!.term, index: last) }

  /// Fails for what is no slice of any log.
  public init?(
    _ indices: ClosedRange<LogIndex>, runs: [TermRun], bytes: Int,
    configurations: [ConfigurationEntry] = []
  ) {
    guard indices.lowerBound >= 1, bytes >= 0, let first = runs.first,
      first.firstIndex == indices.lowerBound, runs.last!.firstIndex <= indices.upperBound
    else { return nil }
    for (a, b) in zip(runs, runs.dropFirst())
    where a.firstIndex >= b.firstIndex || a.term >= b.term { return nil }
    for (a, b) in zip(configurations, configurations.dropFirst()) where a.index >= b.index {
      return nil
    }
    guard configurations.allSatisfy({ indices.contains($0.index) }) else { return nil }
    self.indices = indices
    self.runs = runs
    self.bytes = bytes
    self.configurations = configurations
  }

  /// Entries of one term.
  public init(
    _ indices: ClosedRange<LogIndex>, term: Term, bytes: Int,
    configurations: [ConfigurationEntry] = []
  ) {
    let run = TermRun(firstIndex: indices.lowerBound, term: term)
    guard let slice = LogSlice(indices, runs: [run], bytes: bytes, configurations: configurations)
    else { preconditionFailure("entries \(indices) of \(bytes) bytes are no part of a log") }
    self = slice
  }

  /// What is left of it from `index` on. The bytes stay: batches travel whole.
  func suffix(from index: LogIndex) -> LogSlice {
    guard index > first else { return self }
    precondition(index <= last, "a suffix without an entry")
    let kept = runs.lastIndex { $0.firstIndex <= index }!
    var runs = Array(runs[kept...])
    runs[0].firstIndex = index
    let rest = LogSlice(
      index...last, runs: runs, bytes: bytes,
      configurations: configurations.filter { $0.index >= index })
    return rest!
  }
}
