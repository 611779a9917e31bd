// Recovered: what a node finds when it opens its directory, as the core needs it.

public import LogFormat

/// What a member that may have forgotten something holds itself to, until its log is whole again.
public struct Mark: Hashable, Sendable {
  /// No term that it held entries of was above this one.
  public var term: Term
  /// The last entry that it may have held; nil if nobody can say.
  public var mayHaveHeld: LogPosition?

  public init(term: Term, mayHaveHeld: LogPosition?) {
    self.term = term
    self.mayHaveHeld = mayHaveHeld
  }
}

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
  /// The configuration that the log begins with: the snapshot's, or that of genesis. Without members
  /// for a node that joins.
  public var base: ConfigurationEntry
  /// The configurations in the log.
  public var configurations: [ConfigurationEntry]
  /// The last entry that the state machine has.
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
