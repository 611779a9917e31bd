// ConfigurationHistory: the configurations that a log holds, each with its entry.
//
// What must always hold: entries are in ascending order, all behind that of `base`; the last one is in
// force from the moment in which it is appended, and until it is truncated (dissertation 4.1).

import LogFormat

struct ConfigurationHistory {
  /// What holds before the first of `entries`: of the snapshot, or of genesis.
  private(set) var base: ConfigurationEntry
  private(set) var entries: [ConfigurationEntry] = []

  init(_ base: ConfigurationEntry) { self.base = base }

  /// The one in force.
  var latest: ConfigurationEntry { entries.last ?? base }

  /// The one that was in force once the log had reached `index`.
  func upTo(_ index: LogIndex) -> ConfigurationEntry {
    entries.last { $0.index <= index } ?? base
  }

  /// The one that was in force at `index`, and those that followed it.
  func from(_ index: LogIndex) -> [ConfigurationEntry] {
    [upTo(index)] + entries.filter { $0.index > index }
  }

  /// Those among `indices`.
  func among(_ indices: ClosedRange<LogIndex>) -> [ConfigurationEntry] {
    // Most slices lie behind all of them.
    guard let last = entries.last, last.index >= indices.lowerBound else { return [] }
    return entries.filter { indices.contains($0.index) }
  }

  mutating func append(_ entry: ConfigurationEntry) {
    precondition(entry.index > latest.index, "configurations out of order")
    entries.append(entry)
  }

  mutating func truncate(after index: LogIndex) {
    precondition(index >= base.index, "truncating the configuration that the log begins with")
    while let last = entries.last, last.index > index { entries.removeLast() }
  }

  /// Forgets those that a later one up to `index` replaces.
  mutating func compact(through index: LogIndex) {
    base = upTo(index)
    entries.removeAll { $0.index <= index }
  }
}
