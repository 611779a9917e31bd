// Where two logs part: what the consistency check of AppendEntries asks of a table of terms.
//
// Each answer takes the logarithm of the number of leader changes, or their number in the range that is
// compared, and never the number of entries.

package import LogFormat

extension TermTable {
  /// The run that `index` falls into; `index` is an entry of the log.
  private func run(of index: LogIndex) -> Int {
    var (low, high) = (0, runs.count)
    while low + 1 < high {
      let middle = (low + high) / 2
      if runs[middle].firstIndex <= index { low = middle } else { high = middle }
    }
    return low
  }

  /// The last entry of a run.
  private func end(ofRun i: Int) -> LogIndex {
    i + 1 < runs.count ? runs[i + 1].firstIndex - 1 : lastIndex
  }

  /// The terms of the entries in `range`, all of which the log holds.
  package func runs(in range: ClosedRange<LogIndex>) -> [TermRun] {
    precondition(range.lowerBound >= firstIndex && range.upperBound <= lastIndex)
    var i = run(of: range.lowerBound)
    var found = [TermRun(firstIndex: range.lowerBound, term: runs[i].term)]
    while i + 1 < runs.count, runs[i + 1].firstIndex <= range.upperBound {
      i += 1
      found.append(runs[i])
    }
    return found
  }

  /// The first entry of `slice` that this log lacks or has with another term; nil if it has them all.
  ///
  /// The slice does not begin before this log does.
  package func firstDifference(from slice: LogSlice) -> LogIndex? {
    precondition(slice.first >= firstIndex)
    var index = slice.first
    var theirs = 0
    while index <= slice.last {
      guard index <= lastIndex else { return index }
      while theirs + 1 < slice.runs.count, slice.runs[theirs + 1].firstIndex <= index {
        theirs += 1
      }
      let ours = run(of: index)
      guard runs[ours].term == slice.runs[theirs].term else { return index }
      let theirEnd =
        theirs + 1 < slice.runs.count ? slice.runs[theirs + 1].firstIndex - 1 : slice.last
      index = min(end(ofRun: ours), theirEnd) + 1
    }
    return nil
  }

  /// The last position up to `index` whose term is not above `term`: as far as a log may agree with
  /// another one that has `term` at `index`. Not below the entry before the first.
  ///
  /// With it a leader skips a whole term in one step, and so does a follower (Raft section 5.3, the
  /// optimization at its end).
  package func lastPosition(upTo index: LogIndex, termAtMost term: Term) -> LogPosition {
    let before = LogPosition(term: previousTerm, index: firstIndex - 1)
    var (low, high) = (0, runs.count)
    // The first run whose term is above `term`.
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].term <= term { low = middle + 1 } else { high = middle }
    }
    let end = low < runs.count ? runs[low].firstIndex - 1 : lastIndex
    let found = min(index, end)
    guard found >= firstIndex else { return before }
    return LogPosition(term: self.term(at: found)!, index: found)
  }
}
