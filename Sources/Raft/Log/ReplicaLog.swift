// ReplicaLog: the log as the protocol sees it, and how far it is durable, committed and applied.
//
// What must always hold: compacted <= snapshot <= applied <= commit <= last, durable <= last; nothing at
// or below the commit index is ever truncated; a configuration is in force exactly while the log holds
// its entry.

public import LogFormat

/// A state machine's state after an index, as it is named by those who send and install it.
public struct SnapshotInfo: Hashable, Sendable {
  /// The last entry that went into it.
  public var position: LogPosition
  /// The configuration in force at that entry, and where its own entry stands.
  public var configuration: ConfigurationEntry
  /// This file: snapshots of one index that two nodes made are two files.
  public var uid: UID
  /// At least 1.
  public var bytes: Int

  public init(
    position: LogPosition, configuration: ConfigurationEntry, uid: UID, bytes: Int
  ) {
    self.position = position
    self.configuration = configuration
    self.uid = uid
    self.bytes = bytes
  }
}

struct ReplicaLog {
  private(set) var terms: TermTable
  private(set) var tail: Tail
  private(set) var configurations: ConfigurationHistory
  /// The newest snapshot; nil until there is one.
  private(set) var snapshot: SnapshotInfo?
  /// The last entry that is known to be on this node's disk.
  private(set) var durable: LogIndex
  private(set) var commit: LogIndex
  private(set) var applied: LogIndex

  init(_ recovered: Recovered) {
    terms = recovered.terms
    tail = Tail(after: recovered.terms.lastIndex)
    configurations = ConfigurationHistory(recovered.base)
    for entry in recovered.configurations { configurations.append(entry) }
    snapshot = recovered.snapshot
    durable = recovered.terms.lastIndex
    // Nothing else is known to be committed: the commit index is not stored, it is learned again.
    commit = max(recovered.applied, recovered.terms.firstIndex - 1)
    applied = recovered.applied
  }

  var compacted: LogIndex { terms.firstIndex - 1 }
  var last: LogPosition { LogPosition(term: terms.lastTerm, index: terms.lastIndex) }
  var configuration: Configuration { configurations.latest.configuration }

  func contains(_ position: LogPosition) -> Bool {
    terms.term(at: position.index) == position.term
  }

  func position(at index: LogIndex) -> LogPosition? {
    terms.term(at: index).map { LogPosition(term: $0, index: index) }
  }

  /// Adds entries behind `index`, where what this log has behind it is cut off first.
  mutating func append(_ slice: LogSlice, tailBytesMax: Int) {
    let before = slice.first - 1
    precondition(before >= commit, "truncating what is committed")
    precondition(before <= last.index, "a gap in the log")
    if before < last.index {
      terms.truncate(after: before)
      tail.truncate(after: before)
      configurations.truncate(after: before)
      durable = min(durable, before)
    }
    terms.append(slice.runs, through: slice.last)
    tail.append(through: slice.last, bytes: slice.bytes)
    tail.trim(to: tailBytesMax)
    for entry in slice.configurations { configurations.append(entry) }
  }

  /// Entries from `index` on whose sizes are known, in whole batches of up to `limit` bytes.
  func slice(from index: LogIndex, bytesMax limit: Int) -> LogSlice? {
    tail.batches(from: index, bytesMax: limit).map {
      slice(index...$0.last, bytes: $0.bytes)
    }
  }

  func slice(_ indices: ClosedRange<LogIndex>, bytes: Int) -> LogSlice {
    LogSlice(
      indices, runs: terms.runs(in: indices), bytes: bytes,
      configurations: configurations.among(indices))!
  }

  mutating func becameDurable(through index: LogIndex) {
    precondition(index <= last.index, "durable beyond the last entry")
    durable = max(durable, index)
  }

  mutating func commit(through index: LogIndex) {
    precondition(index > commit && index <= last.index, "committing \(index) of \(last)")
    commit = index
  }

  mutating func wasApplied(through index: LogIndex) {
    precondition(
      index > applied && index <= min(commit, durable), "applied what is not committed and durable")
    applied = index
  }

  mutating func tookSnapshot(_ info: SnapshotInfo) { snapshot = info }

  mutating func compact(through index: LogIndex) {
    precondition(index <= snapshot?.position.index ?? 0, "compacting what no snapshot holds")
    terms.compact(through: index)
    tail.compact(through: index)
    configurations.compact(through: index)
  }

  /// The log after a snapshot from elsewhere took the place of its front, or of all of it.
  mutating func restart(_ info: SnapshotInfo) {
    precondition(info.position.index > commit, "a snapshot of what is committed here already")
    snapshot = info
    if contains(info.position) {
      terms.compact(through: info.position.index)
      tail.compact(through: info.position.index)
      configurations.compact(through: info.position.index)
    } else {
      // What lies behind an entry that differs from a committed one cannot be committed (section 7).
      terms = TermTable(firstIndex: info.position.index + 1, previousTerm: info.position.term)
      tail = Tail(after: info.position.index)
      configurations = ConfigurationHistory(info.configuration)
      durable = 0
    }
    durable = max(durable, info.position.index)
    commit = info.position.index
    applied = info.position.index
  }
}
