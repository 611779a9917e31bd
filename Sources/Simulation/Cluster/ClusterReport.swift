// ClusterReport: what happened in histories of clusters: what faults did, and which rare things were met.

/// Something that does not happen in every history, and has to happen in some.
public enum ClusterMark: String, Sendable, CaseIterable {
  case readOnLeader = "a read on the leader"
  case readOnFollower = "a read on a follower"
  case readForFollower = "entries read from the disk for a follower"
  case appliedFromDisk = "entries applied from the disk"
  case snapshotInstalled = "a snapshot installed"
  case snapshotGone = "a snapshot replaced while it was sent"
  case unknownOutcome = "a proposal whose outcome is unknown"
  case overloaded = "a proposal refused for load"
  case truncatedSuffix = "a conflicting suffix truncated"
  case earlierTermCommitted = "an entry of an earlier term committed by one of a later"
  case jointConfiguration = "a joint configuration"
  case snapshotDuringJoint = "a snapshot during a joint configuration"
  case leaderRemoved = "a leader that is no voter any more"
  case learner = "a learner"
  case spareJoined = "a spare that came to vote"
  case wipedJoined = "a wiped member that came back as another"
  case marked = "a start of a member that may have forgotten"
  case minorityAway = "a member that stayed away for ever"
  case stranger = "an answer of a wiped member, which did not count"
}

public struct ClusterReport: Sendable {
  public var seeds = 0
  /// Protocol steps.
  public var steps = 0
  /// Virtual nanoseconds.
  public var time: UInt64 = 0
  public var starts = 0
  public var elections = 0
  public var acknowledgements = 0
  /// Changes of members and transfers that were done.
  public var changes = 0
  /// Histories in which a quorum needs a member that has lost its disk: then an operator has to decide.
  public var undecidable = 0
  public private(set) var effects: [ClusterFault: Int] = [:]
  public private(set) var marks: [ClusterMark: Int] = [:]

  public init() {}

  mutating func count(_ fault: ClusterFault, _ more: Int = 1) { effects[fault, default: 0] += more }
  mutating func reach(_ mark: ClusterMark) { marks[mark, default: 0] += 1 }

  public mutating func add(_ other: ClusterReport) {
    seeds += other.seeds
    steps += other.steps
    time += other.time
    starts += other.starts
    elections += other.elections
    acknowledgements += other.acknowledgements
    changes += other.changes
    undecidable += other.undecidable
    effects.merge(other.effects, uniquingKeysWith: +)
    marks.merge(other.marks, uniquingKeysWith: +)
  }
}
