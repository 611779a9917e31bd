// Event: what happens to a node. One at a time goes into `RaftCore.step`.

public import LogFormat

public enum Event: Sendable {
  /// A message arrived.
  case received(Envelope)
  /// The time of `RaftCore.deadline` has come, or more.
  case deadline
  /// Entries that somebody wants in the log.
  case propose(Proposal)
  /// This write, and all before it, are on the disk.
  case durable(WriteID)
  /// The disk failed; nothing that is not durable yet will ever be.
  case storageFailed(String)
  /// The state machine has everything up to here.
  case applied(LogIndex)
  /// Entries that a `fetch` asked for.
  case fetched(FetchID, last: LogIndex, bytes: Int)
  /// At which index is a read linearizable?
  case read(RequestID)
  case changeMembers(RequestID, MembershipChange)
  /// Another voter shall lead.
  case transfer(RequestID, to: NodeID)
  /// The state machine's state is on the disk, was read back, and holds what it should.
  case tookSnapshot(SnapshotInfo)
  /// The snapshot that an `install` names is on the disk, the log begins behind it, and the state
  /// machine has it.
  case installed(UID)
  /// The received snapshot is not what it was said to be, or could not be written.
  case installFailed(UID)
  /// The snapshot of this name cannot be read any more.
  case snapshotGone(UID)
  /// The connection to a peer broke: what was on its way to it may be lost.
  case unreachable(NodeID)
}

/// Entries for the log, all of them or none.
public struct Proposal: Hashable, Sendable {
  public var id: RequestID
  /// How many.
  public var count: Int
  /// Bytes of the batch that holds them.
  public var bytes: Int
  /// They are refused unless this is the current term.
  public var fence: Term?

  public init(id: RequestID, count: Int, bytes: Int, fence: Term? = nil) {
    self.id = id
    self.count = count
    self.bytes = bytes
    self.fence = fence
  }
}

public enum MembershipChange: Hashable, Sendable {
  /// In one step where that is safe, through a joint configuration that ends by itself where not.
  case change([MemberChange])
  /// Through a joint configuration, which ends as it is said here.
  case joint([MemberChange], Configuration.Leaving)
  /// Ends the joint configuration.
  case leaveJoint
}

/// Names a request for entries that are not in memory any more.
public struct FetchID: RawRepresentable, Hashable, Sendable {
  public var rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }
}
