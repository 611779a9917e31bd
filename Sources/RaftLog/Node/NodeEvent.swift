// NodeEvent: what happens to a node. One at a time goes into `Node.step`.

public import ByteBuffers
public import LogFormat
public import LogStorage
public import Raft
public import StorageIO

public enum NodeEvent: Sendable {
  /// A message arrived, decoded and checked, from the directory of this incarnation.
  case received(Packet, from: UID)
  /// The time of `Node.deadline` has come, or more.
  case deadline
  /// Entries that somebody wants in the log, all of them or none.
  case propose(RequestID, [Bytes], fence: Term?)
  case read(RequestID)
  case changeMembers(RequestID, MembershipChange)
  case transfer(RequestID, to: NodeID)
  /// A job of the disk was carried out, or failed.
  case finished(JobID, StorageError?)
  /// A `fetch` has ended.
  case fetched(FetchID, Result<[StoredBatch], LogError>)
  /// The state machine has everything up to here.
  case applied(LogIndex)
  /// The state machine's state as of the last entry that it applied.
  case captured(LogIndex, Bytes)
  /// A snapshot's file was read back: is it what it should be?
  case verified(UID, isSound: Bool)
  /// The state machine has the state of the snapshot of this name.
  case restored(UID)
  /// A snapshot's file cannot be read any more.
  case snapshotGone(UID)
  /// The connection to a peer broke.
  case unreachable(NodeID)
}
