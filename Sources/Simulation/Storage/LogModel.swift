// LogModel: what a log should be, as a list. The oracle that recovered logs are held against.

import ByteBuffers
import LogFormat

/// A log as plain values; entries are known by the hash of index, term and payload.
struct LogModel: Hashable, Sendable {
  var firstIndex: LogIndex = 1
  var previousTerm: Term = 0
  /// One hash an entry, with its term.
  var entries: [ModelEntry] = []

  struct ModelEntry: Hashable, Sendable {
    var term: Term
    var hash: UInt64
  }

  var lastIndex: LogIndex { firstIndex + LogIndex(entries.count) - 1 }
  var lastTerm: Term { entries.last?.term ?? previousTerm }

  mutating func append(_ payload: Bytes, term: Term) {
    entries.append(Self.entry(index: lastIndex + 1, term: term, payload: payload))
  }

  mutating func truncate(after index: LogIndex) {
    entries.removeLast(Int(lastIndex - index))
  }

  mutating func compact(through index: LogIndex) {
    guard index >= firstIndex else { return }
    let count = Int(index - firstIndex + 1)
    previousTerm = entries[count - 1].term
    entries.removeFirst(count)
    firstIndex = index + 1
  }

  /// Begins behind an entry that a snapshot holds; those behind it stay if the log has that very entry.
  mutating func restart(after index: LogIndex, of term: Term) {
    if index < firstIndex { return }
    if index <= lastIndex, entries[Int(index - firstIndex)].term == term {
      return compact(through: index)
    }
    self = LogModel(firstIndex: index + 1, previousTerm: term, entries: [])
  }

  static func entry(index: LogIndex, term: Term, payload: Bytes) -> ModelEntry {
    var hash = UInt64(CRC32C.checksum(payload.span)) &* 0x9E37_79B9_7F4A_7C15
    hash = (hash ^ index) &* 0xBF58_476D_1CE4_E5B9
    hash = (hash ^ UInt64(payload.count)) &* 0x94D0_49BB_1331_11EB
    return ModelEntry(term: term, hash: hash ^ (hash >> 31))
  }
}

/// What a recovered log may be: one of the states that it went through between what was
/// acknowledged and what was asked for.
struct Expectation: Hashable, Sendable {
  /// The acknowledged state first.
  var logs: [LogModel]
  var hardStates: [HardState]
}
