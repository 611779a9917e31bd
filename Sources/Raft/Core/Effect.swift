// Effect: what a node has to do about an event. Effects are carried out in order, at once; what takes
// its time is begun, and its end is an event of its own.
//
// What must always hold: a message that names a write leaves only when that write is on the disk, and
// never if it fails.

public import LogFormat

public enum Effect: Sendable {
  /// Put entries into the log.
  case append(WriteID, Append)
  /// Put term and vote on the disk.
  case save(WriteID, HardState)
  /// Send a message: at once, or as soon as a write is durable.
  case send(Envelope, after: WriteID?)
  /// Read entries behind `after` from the disk: whole batches, of up to `bytesMax`, but one at least.
  /// The answer is `Event.fetched`; the message with them is an effect of that step.
  case fetch(FetchID, for: NodeID, after: LogIndex, bytesMax: Int)
  /// Everything up to here is committed, and on this node's disk: the state machine may have it.
  case apply(through: LogIndex)
  /// What became of a proposal, a change of members or a transfer. Each gets exactly one.
  case resolve(RequestID, Outcome)
  /// A read is linearizable as soon as the state machine has applied this index.
  case readReady(RequestID, at: LogIndex)
  /// A read got no index; it can be tried again.
  case readFailed(RequestID, Refusal)
  /// Keep a chunk of a snapshot that arrived with the message of this step.
  case store(SnapshotChunk)
  /// Verify the snapshot that was received, let the log begin behind it, and restore the state machine
  /// from it.
  case install(SnapshotInfo)
  /// Forget entries: a snapshot holds them.
  case compact(through: LogIndex)
  /// This node plays another part from now on.
  case role(RoleKind, Term, leader: NodeID?)
  /// The mark of a member that may have forgotten is lifted, or set.
  case mark(Mark?)
  /// A peer broke the protocol; the connection to it should end.
  case misbehaved(NodeID, String)
  /// This node takes no further part.
  case halt(HaltReason)
}

/// Entries that go into the log behind what is before the first of them; what lies there now is cut off
/// in the same write.
public struct Append: Hashable, Sendable {
  public enum Origin: Hashable, Sendable {
    /// Made from this proposal.
    case proposal(RequestID)
    /// The empty entry with which a leader begins its term (Raft section 8).
    case noop
    case configuration(Configuration)
    /// Taken from the message that is the event of this step.
    case received
  }

  public var origin: Origin
  public var entries: LogSlice
  /// True if the log has entries at or behind the first of `entries`, which go.
  public var truncates: Bool

  public init(_ origin: Origin, _ entries: LogSlice, truncates: Bool) {
    self.origin = origin
    self.entries = entries
    self.truncates = truncates
  }
}

/// What became of a request.
public enum Outcome: Hashable, Sendable {
  /// The entries are committed, the last of them here; of a transfer: this node leads no longer.
  case done(LogPosition)
  /// Nothing was done, and nothing will be.
  case refused(Refusal)
  /// Leadership ended first: it may yet be done, or not.
  case unknown
}

/// Why a request was not taken.
public enum Refusal: Hashable, Sendable {
  case notLeader(hint: NodeID?)
  /// So many bytes wait to be committed, or so many reads for their index.
  case overloaded(waiting: Int, limit: Int)
  /// The term moved on from the one that was asked for.
  case fenced(current: Term)
  /// Leadership is being handed over.
  case transferring(to: NodeID)
  /// The leader has committed nothing in its own term yet (dissertation 4.1, footnote; 6.4).
  case notYetEstablished
  /// Another change of members is not committed yet.
  case changePending(at: LogIndex)
  case invalidChange(ConfigurationError)
  /// The node that should lead is not a voter of the group, or leads already.
  case noSuchVoter(NodeID)
  /// It took longer than an election timeout.
  case timedOut
  case halted(HaltReason)
  /// An entry has more bytes than the log takes.
  case tooLarge(bytes: Int, limit: Int)
  /// A proposal without entries, or with more than an index can count.
  case malformed
}

/// The part that a node plays.
public enum RoleKind: String, Hashable, Sendable, CaseIterable {
  case follower
  case preCandidate
  case candidate
  case leader
  case halted
}
