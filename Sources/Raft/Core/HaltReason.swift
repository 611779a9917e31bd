// HaltReason: why a node takes no further part. It says what happened, and what that means for the log.

public import LogFormat

public enum HaltReason: Hashable, Sendable {
  /// Entries of the log cannot be read, or differ from what was written.
  case faultyEntries(ClosedRange<LogIndex>)
  /// The state machine has entries that the log has lost.
  case logEndsBeforeApplied(last: LogIndex, applied: LogIndex)
  /// What the disk holds contradicts itself.
  case contradiction(String)
  /// Both copies of term and vote are lost: it may have voted, for whom nobody knows.
  case voteLost
  /// The disk refused a write or a sync: what it holds is not known any more.
  case storage(String)
  /// Two nodes lead in one term.
  case twoLeaders(Term, NodeID, NodeID)
  /// A leader's entry differs from one that is committed here.
  case conflictBelowCommit(LogIndex, commit: LogIndex)
  /// This node's own core has broken a rule of its own.
  case invariant(String)
}

extension HaltReason: CustomStringConvertible {
  public var description: String {
    switch self {
    case .faultyEntries(let range):
      "entries \(range.lowerBound) to \(range.upperBound) are damaged: a log with a gap acknowledges "
        + "nothing. Replace this member, or repair its directory"
    case .logEndsBeforeApplied(let last, let applied):
      "the state machine has applied entry \(applied), and the log ends at \(last): committed entries "
        + "are lost here. Replace this member, or give it back its log"
    case .contradiction(let what):
      "what this directory holds contradicts itself: \(what). Replace this member"
    case .voteLost:
      "both copies of the vote are damaged: this directory may not vote again. Replace this member"
    case .storage(let fault):
      "the disk failed: \(fault). What was being written is not acknowledged; look at the device, then "
        + "start again"
    case .twoLeaders(let term, let one, let other):
      "nodes \(one) and \(other) both lead in term \(term): a vote was given twice. Stop the group, "
        + "and find out which directory was copied, restored or wiped"
    case .conflictBelowCommit(let index, let commit):
      "the leader's entry \(index) differs from the one that is committed here (up to \(commit)): "
        + "committed entries were lost somewhere. Stop the group before more is"
    case .invariant(let rule):
      "a rule of the protocol's own state is broken: \(rule). This is a defect of the program"
    }
  }
}
