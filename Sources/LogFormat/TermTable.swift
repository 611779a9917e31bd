// TermTable: the terms of all entries of a log, as runs.
//
// What must always hold: runs are in order, each begins behind the one before it and has a higher
// term; the table speaks for firstIndex - 1 ... lastIndex and for nothing else.

/// Which term each index has; a lookup takes a logarithm of the number of leader changes.
public struct TermTable: Hashable, Sendable {
  public private(set) var runs: [TermRun] = []
  /// The first index of the log.
  public private(set) var firstIndex: LogIndex
  /// The term of the entry before that.
  public private(set) var previousTerm: Term
  public private(set) var lastIndex: LogIndex

  /// A table without an entry.
  public init(firstIndex: LogIndex, previousTerm: Term) {
    self.firstIndex = firstIndex
    self.previousTerm = previousTerm
    lastIndex = firstIndex - 1
  }

  public var lastTerm: Term { runs.last?.term ?? previousTerm }

  /// The term of `index`; nil for an index that the log does not hold. The index before the first is
  /// known too: that is what a consistency check at the boundary asks for.
  public func term(at index: LogIndex) -> Term? {
    if index == firstIndex - 1 { return previousTerm }
    guard index >= firstIndex, index <= lastIndex else { return nil }
    var low = 0
    var high = runs.count
    while low + 1 < high {
      let middle = (low + high) / 2
      if runs[middle].firstIndex <= index { low = middle } else { high = middle }
    }
    return runs[low].term
  }

  /// Adds entries up to `index`, of `term`.
  public mutating func append(through index: LogIndex, term: Term) {
    precondition(index > lastIndex && term >= lastTerm, "indices and terms only grow")
    if runs.last?.term != term { runs.append(TermRun(firstIndex: lastIndex + 1, term: term)) }
    lastIndex = index
  }

  /// Adds what a segment says of its own entries, up to `last`.
  public mutating func append(_ more: [TermRun], through last: LogIndex) {
    for (i, run) in more.enumerated() {
      let end = i + 1 < more.count ? more[i + 1].firstIndex - 1 : last
      if end > lastIndex, run.firstIndex <= last { append(through: min(end, last), term: run.term) }
    }
  }

  /// Forgets the entries behind `index`.
  public mutating func truncate(after index: LogIndex) {
    precondition(index >= firstIndex - 1, "truncating what was compacted")
    guard index < lastIndex else { return }
    while let run = runs.last, run.firstIndex > index { runs.removeLast() }
    lastIndex = index
  }

  /// Forgets the entries up to `index`, but for the last one's term.
  public mutating func compact(through index: LogIndex) {
    guard index >= firstIndex else { return }
    guard let term = term(at: index) else {
      preconditionFailure("compacting what the log does not hold")
    }
    while runs.count > 1, runs[1].firstIndex <= index + 1 { runs.removeFirst() }
    if index == lastIndex { runs = [] } else { runs[0].firstIndex = index + 1 }
    firstIndex = index + 1
    previousTerm = term
  }
}
