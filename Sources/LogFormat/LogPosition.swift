// LogPosition: an entry as votes and consistency checks name it, by term and index.

/// The term and the index of an entry. Two logs that have the same position agree up to it
/// ("Log Matching", Raft section 5.3), and of two logs the one whose last position is greater is more
/// up-to-date (section 5.4.1): the later term, and in the same term the longer log.
public struct LogPosition: Hashable, Sendable, Comparable {
  public var term: Term
  public var index: LogIndex

  public init(term: Term = 0, index: LogIndex = 0) {
    self.term = term
    self.index = index
  }

  public static func < (a: LogPosition, b: LogPosition) -> Bool {
    (a.term, a.index) < (b.term, b.index)
  }
}

extension LogPosition: CustomStringConvertible {
  public var description: String { "\(index)@\(term)" }
}
