// Recovered: what a node finds when it opens its directory, as the core needs it.

public import LogFormat

public struct Recovered: Sendable {
  public var id: NodeID
  /// This directory.
  public var incarnation: UID
  /// This life, durable already.
  public var boot: Boot
  public var hardState: HardState
  /// The terms of all entries of the log, all of them durable.
  public var terms: TermTable
  /// The newest snapshot; nil if there is none.
  public var snapshot: SnapshotInfo?
  /// The configuration in force at the entry before the log's first: that of genesis, as long as the log
  /// begins with entry 1. Without members for a node that joins.
  public var base: ConfigurationEntry
  /// The configurations in the log, behind that of `base`.
  public var configurations: [ConfigurationEntry]
  /// The last entry that the state machine has: one that keeps nothing is restored from the snapshot
  /// first, also where a crash came between the log's new beginning and that.
  public var applied: LogIndex
  /// Set if the directory may have lost something that it acknowledged.
  public var mark: Mark?
  /// Set if the node must not take part at all.
  public var halt: HaltReason?

  public init(
    id: NodeID, incarnation: UID, boot: Boot, hardState: HardState = HardState(),
    terms: TermTable = TermTable(firstIndex: 1, previousTerm: 0), snapshot: SnapshotInfo? = nil,
    base: ConfigurationEntry, configurations: [ConfigurationEntry] = [], applied: LogIndex = 0,
    mark: Mark? = nil, halt: HaltReason? = nil
  ) {
    self.id = id
    self.incarnation = incarnation
    self.boot = boot
    self.hardState = hardState
    self.terms = terms
    self.snapshot = snapshot
    self.base = base
    self.configurations = configurations
    self.applied = applied
    self.mark = mark
    self.halt = halt
  }
}

extension Recovered {
  /// Why a node must not take part with this; nil if it may.
  var haltReason: HaltReason? {
    if let halt { return halt }
    if applied > terms.lastIndex {
      return .logEndsBeforeApplied(last: terms.lastIndex, applied: applied)
    }
    return contradiction.map { .contradiction($0) }
  }

  /// The names alone of what a node cannot go on with.
  init(nothingBut other: Recovered) {
    self.init(
      id: other.id, incarnation: other.incarnation, boot: other.boot, hardState: other.hardState,
      base: ConfigurationEntry(index: 0, configuration: Configuration()))
  }

  private var contradiction: String? {
    let compacted = terms.firstIndex - 1
    if compacted > snapshot?.position.index ?? 0 {
      return "the log begins at \(terms.firstIndex), and no snapshot holds what came before"
    }
    if applied < compacted {
      return "the state machine has entry \(applied), and the log begins at \(terms.firstIndex)"
    }
    if let snapshot, snapshot.position.index > applied {
      return
        "there is a snapshot of \(snapshot.position.index), and the state machine has \(applied)"
    }
    if let position = snapshot?.position, let term = terms.term(at: position.index),
      term != position.term
    {
      return "there is a snapshot of \(position), and the log has term \(term) there"
    }
    if let snapshot, snapshot.bytes < 1 { return "a snapshot without a byte" }
    if base.index > compacted {
      return "the configuration before the log's first entry stands at \(base.index)"
    }
    let indices = [base.index] + configurations.map(\.index)
    let isOrdered = zip(indices, indices.dropFirst()).allSatisfy { $0 < $1 }
    guard isOrdered, indices.last! <= terms.lastIndex else {
      return "configurations at \(indices) in a log up to \(terms.lastIndex)"
    }
    if hardState.term < terms.lastTerm {
      return "term \(hardState.term) is stored, and the log has entries of term \(terms.lastTerm)"
    }
    return nil
  }
}
