// Words: counts and ranges of indices as people read them, for findings, errors and plans.

package import LogFormat

package enum Words {
  /// `entry 5`, `entries 5-9`, `no entry`; a `last` of nil means that nobody knows where it ends.
  package static func entries(_ first: LogIndex, _ last: LogIndex?) -> String {
    guard let last else { return "entries from \(first) on" }
    if last < first { return "no entry" }
    return first == last ? "entry \(first)" : "entries \(first)-\(last)"
  }

  package static func entries(_ range: ClosedRange<LogIndex>) -> String {
    entries(range.lowerBound, range.upperBound)
  }

  /// A number of things: 1 batch, 3 batches.
  package static func count(_ value: Int, _ one: String, _ many: String) -> String {
    "\(value) \(value == 1 ? one : many)"
  }
}
