// ArrayLog: what a log is, as an array.

import FuzzSupport
import LogFormat
import LogStorage

struct ArrayLog: Equatable {
  var firstIndex: LogIndex = 1
  /// The term of the entry before the first.
  var previousTerm: Term = 0
  var entries: [Entry] = []

  var lastIndex: LogIndex { firstIndex + LogIndex(entries.count) - 1 }
  var lastTerm: Term { entries.last?.term ?? previousTerm }

  /// The term of an index from the one before the first on.
  func term(at index: LogIndex) -> Term {
    index < firstIndex ? previousTerm : entries[Int(index - firstIndex)].term
  }

  mutating func truncate(after index: LogIndex) { entries.removeLast(Int(lastIndex - index)) }

  mutating func compact(through index: LogIndex) {
    guard index >= firstIndex else { return }
    previousTerm = term(at: index)
    entries.removeFirst(Int(index - firstIndex) + 1)
    firstIndex = index + 1
  }
}

extension ArrayLog {
  /// The log that a directory shows.
  init(_ reading: DirectoryReading) {
    self.init(
      firstIndex: reading.firstIndex ?? 1, previousTerm: reading.previousTerm,
      entries: reading.entries)
  }
}

/// A log with its hard state, and the request after which it is so.
struct LogState {
  var log = ArrayLog()
  var hardState = HardState()
  var ticket: Ticket = 0
}
