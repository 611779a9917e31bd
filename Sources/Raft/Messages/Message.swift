// Message: what nodes say to each other.
//
// What must always hold: every message carries the current term of its sender (Raft section 5.1), a
// pre-vote too, which asks about a term without being in it.

public import LogFormat

/// A message on its way.
public struct Envelope: Hashable, Sendable {
  public var from: NodeID
  public var to: NodeID
  /// The sender's current term.
  public var term: Term
  public var message: Message

  public init(from: NodeID, to: NodeID, term: Term, _ message: Message) {
    self.from = from
    self.to = to
    self.term = term
    self.message = message
  }
}

public enum Message: Hashable, Sendable {
  /// "Would you vote for me?" (dissertation 9.6)
  case preVote(VoteRequest)
  case preVoteReply(VoteReply)
  /// RequestVote (Raft section 5.2)
  case vote(VoteRequest)
  case voteReply(VoteReply)
  /// AppendEntries (section 5.3); without entries, a heartbeat.
  case append(AppendRequest)
  case appendReply(AppendReply)
  /// InstallSnapshot (section 7), a chunk of it.
  case snapshot(SnapshotChunk)
  case snapshotReply(SnapshotReply)
  /// "Campaign now" (dissertation 3.10)
  case timeoutNow
  /// A follower asks for an index that it can read at (dissertation 6.4).
  case read(ReadRequest)
  case readReply(ReadReply)
}

public struct VoteRequest: Hashable, Sendable {
  /// The term that the candidate is in, or, of a pre-vote, would go to.
  public var term: Term
  /// The last entry of the candidate's log.
  public var last: LogPosition
  /// Whom the vote is asked of: the directory that the candidate's configuration has under the
  /// receiver's id. It votes even if its own log does not say yet that it may (section 6).
  public var voter: UID
  /// The leader asked for this election: having heard of it lately is no reason to refuse.
  public var isTransfer: Bool

  public init(term: Term, last: LogPosition, voter: UID, isTransfer: Bool = false) {
    self.term = term
    self.last = last
    self.voter = voter
    self.isTransfer = isTransfer
  }
}

public struct VoteReply: Hashable, Sendable {
  /// The term that was asked about.
  public var term: Term
  public var isGranted: Bool

  public init(term: Term, isGranted: Bool) {
    self.term = term
    self.isGranted = isGranted
  }
}

/// A follower's place in the group, as its leader knows it, and its life: what an acknowledgement has to
/// echo, so that one from an earlier membership or an earlier life counts for nothing (raft-rs#571).
public struct Session: Hashable, Sendable {
  /// The entry of the configuration that added the member; 0 if it was there when the leader was
  /// elected.
  public var addedAt: LogIndex
  /// nil while the leader has not heard of any.
  public var boot: Boot?

  public init(addedAt: LogIndex = 0, boot: Boot? = nil) {
    self.addedAt = addedAt
    self.boot = boot
  }
}

public struct AppendRequest: Hashable, Sendable {
  /// The entry before the first of `entries`.
  public var previous: LogPosition
  /// nil for a heartbeat.
  public var entries: LogSlice?
  /// The leader's commit index.
  public var commit: LogIndex
  public var session: Session
  /// The leader's last index when it met this life of the follower: with that, and an entry of the
  /// leader's term, a member that may have forgotten has everything back.
  public var contact: LogIndex
  /// The last entry that the follower acknowledged in this term, in an earlier life perhaps: one that
  /// lacks it has forgotten something.
  public var acknowledged: LogPosition?
  /// Counts the leader's questions whether it is still the leader (ReadIndex, dissertation 6.4).
  public var round: UInt64

  public init(
    previous: LogPosition, entries: LogSlice? = nil, commit: LogIndex, session: Session,
    contact: LogIndex = 0, acknowledged: LogPosition? = nil, round: UInt64 = 0
  ) {
    self.previous = previous
    self.entries = entries
    self.commit = commit
    self.session = session
    self.contact = contact
    self.acknowledged = acknowledged
    self.round = round
  }
}

public struct AppendReply: Hashable, Sendable {
  public enum Result: Hashable, Sendable {
    /// Up to here the follower's log is the leader's, and is durable.
    case matched(LogIndex)
    /// The entry before the first, which is repeated here, was missing or of another term.
    /// - Parameter hint: the last entry that may be common to both.
    case rejected(previous: LogIndex, hint: LogPosition)
    /// The request was for an earlier life, or for none in particular: nothing was looked at.
    case otherLife
    /// The request was of an earlier term than this answer: nothing was looked at.
    case earlierTerm
    /// Nothing is taken while a snapshot is being installed.
    case installing
  }

  public var result: Result
  /// The request's session, with the boot of the life that answers.
  public var session: Session
  /// The request's round.
  public var round: UInt64

  public init(_ result: Result, session: Session, round: UInt64 = 0) {
    self.result = result
    self.session = session
    self.round = round
  }
}

public struct SnapshotChunk: Hashable, Sendable {
  public var snapshot: SnapshotInfo
  /// Where the chunk lies in the file.
  public var offset: Int
  public var bytes: Int
  public var session: Session
  public var contact: LogIndex

  public init(
    snapshot: SnapshotInfo, offset: Int, bytes: Int, session: Session, contact: LogIndex
  ) {
    self.snapshot = snapshot
    self.offset = offset
    self.bytes = bytes
    self.session = session
    self.contact = contact
  }
}

public struct SnapshotReply: Hashable, Sendable {
  /// The snapshot that is being received.
  public var uid: UID
  /// Everything before this offset has arrived.
  public var received: Int
  public var session: Session

  public init(uid: UID, received: Int, session: Session) {
    self.uid = uid
    self.received = received
    self.session = session
  }
}

/// Names a request of this node's users: a proposal, a read, a change of members, a transfer. Whoever
/// gives them out gives each once in a life of the node.
public struct RequestID: RawRepresentable, Hashable, Sendable {
  public var rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

public struct ReadRequest: Hashable, Sendable {
  public var id: RequestID
  /// The life that asks: its ids mean nothing in the next one.
  public var boot: Boot

  public init(id: RequestID, boot: Boot) {
    self.id = id
    self.boot = boot
  }
}

public struct ReadReply: Hashable, Sendable {
  public var id: RequestID
  public var boot: Boot
  /// What the reader has to have applied before it reads; nil if the leader cannot say.
  public var index: LogIndex?

  public init(id: RequestID, boot: Boot, index: LogIndex?) {
    self.id = id
    self.boot = boot
    self.index = index
  }
}
