// NodeEffect: what whoever runs a node has to do about an event, in order; what takes its time is begun,
// and its end is an event of its own.

public import LogFormat
public import Raft
public import StorageIO

/// Who carries a job of the disk out. Each lane has one job out at most; lanes run beside each other.
public enum NodeLane: Sendable, CaseIterable {
  /// Batches, manifest edits, votes.
  case writer
  /// Spares, seals, removals.
  case background
  /// Snapshots.
  case snapshots
}

public enum NodeEffect: Sendable {
  /// Send a message, now.
  case send(Packet)
  /// Send a message with a part of this snapshot, read from its file as the message says; if that is
  /// not there any more, tell with `snapshotGone`.
  case sendChunk(Envelope, of: SnapshotName)
  /// Carry a job out, and tell with `finished`.
  case carryOut(NodeLane, DiskJob)
  /// Read batches, mostly from the disk, and tell with `fetched`.
  case fetch(FetchID, EntrySource, bytesMax: Int)
  /// What became of a proposal, a change of members or a transfer.
  case resolve(RequestID, Outcome)
  /// A read is linearizable as soon as the state machine has applied this index.
  case readReady(RequestID, at: LogIndex)
  case readFailed(RequestID, Refusal)
  /// Entries up to here may be applied: `Node.entries(from:)` has them, or says where they lie.
  case apply(through: LogIndex)
  /// Read a snapshot's file, all of it, and tell with `verified` whether it is the one that is named.
  case verify(file: String, SnapshotInfo)
  /// Give the state machine the state of this snapshot, and tell with `restored`.
  case restore(SnapshotName, UID)
  /// This node plays another part from now on.
  case role(RoleKind, Term, leader: NodeID?)
  /// A directory speaks under the id of another one that the group knows: a wiped disk, or a copy. What
  /// it answers counts for nothing; whoever wants it in the group replaces the member.
  case stranger(NodeID, UID)
  /// A peer broke the protocol; the connection to it should end.
  case misbehaved(NodeID, String)
  /// This node takes no further part.
  case halt(HaltReason)
}
