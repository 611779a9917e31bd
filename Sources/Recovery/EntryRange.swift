// EntryRange: entries in words, one or many. Pure.

package import LogFormat

package enum EntryRange {
  /// `entry 5`, `entries 5-9`, `no entry`; a `last` of nil means that nobody knows where it ends.
  package static func words(_ first: LogIndex, _ last: LogIndex?) -> String {
    guard let last else { return "entries from \(first) on" }
    if last < first { return "no entry" }
    return first == last ? "entry \(first)" : "entries \(first)-\(last)"
  }

  package static func words(_ range: ClosedRange<LogIndex>) -> String {
    words(range.lowerBound, range.upperBound)
  }
}
