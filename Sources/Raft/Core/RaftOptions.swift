// RaftOptions: what can be chosen about the protocol. Every value is safe; they trade time for load.

/// Times, windows and limits of one member. Members of a group may differ in all but their judgement of
/// time: election timeouts should be of one magnitude.
public struct RaftOptions: Hashable, Sendable {
  /// A follower that has heard nothing of a leader for this long, and up to as long again, campaigns.
  public var electionTimeout = Duration.milliseconds(150)
  /// Elections that fail double that, up to this.
  public var electionTimeoutMax = Duration.seconds(30)
  /// How often a leader is heard of when it has nothing to say. At most half of the election timeout.
  public var heartbeatInterval = Duration.milliseconds(30)
  /// Ask before raising the term, so that a node that was cut off disturbs nobody (dissertation 9.6).
  public var preVote = true
  /// A leader that hears of no majority for an election timeout steps down, and a follower that hears
  /// of a leader votes for no other (dissertation 6.2).
  public var checkQuorum = true
  /// Bytes of entries in one message; a single batch may be more.
  public var messageBytesMax = 1 << 20
  /// Messages with entries that may be on their way to one follower.
  public var inflightMessagesMax = 256
  /// Bytes of entries that may be on their way to one follower; a single message may be more.
  public var inflightBytesMax = 8 << 20
  /// Bytes of proposals that may wait to be committed; a single proposal may be more.
  public var uncommittedBytesMax = 64 << 20
  /// Bytes of the newest entries that are kept in memory for followers.
  public var tailBytesMax = 16 << 20
  /// Reads of this node that may wait for their index; its peers share as many.
  public var waitingReadsMax = 65_536
  /// Bytes of a snapshot in one message.
  public var snapshotChunkBytes = 256 << 10
  /// Chunks of a snapshot that may be on their way.
  public var snapshotChunksMax = 4
  /// Entries that stay in the log behind a snapshot, for followers that lag a little.
  public var entriesKept: UInt64 = 10_000

  public init() {}

  /// What is wrong with these options; nil if they can be used.
  public var problem: String? {
    if electionTimeout <= .zero { return "the election timeout must be more than 0" }
    if heartbeatInterval <= .zero { return "the heartbeat interval must be more than 0" }
    if heartbeatInterval * 2 > electionTimeout {
      return "the heartbeat interval (\(heartbeatInterval)) must be at most half of the election "
        + "timeout (\(electionTimeout)), or followers campaign against a leader that is well"
    }
    if electionTimeoutMax < electionTimeout {
      return "the longest election timeout is shorter than the election timeout"
    }
    let positive = [
      ("messageBytesMax", messageBytesMax), ("inflightMessagesMax", inflightMessagesMax),
      ("inflightBytesMax", inflightBytesMax), ("uncommittedBytesMax", uncommittedBytesMax),
      ("tailBytesMax", tailBytesMax), ("waitingReadsMax", waitingReadsMax),
      ("snapshotChunkBytes", snapshotChunkBytes), ("snapshotChunksMax", snapshotChunksMax),
    ]
    return positive.first { $0.1 < 1 }.map { "\($0.0) must be at least 1" }
  }
}
