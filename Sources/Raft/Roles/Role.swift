// Role: the part that a node plays. What only a leader has is in its case, and nowhere else.

import LogFormat

enum Role: ~Copyable {
  case follower(Follower)
  /// Asks whether it would be elected, without raising the term.
  case preCandidate(Campaign)
  case candidate(Campaign)
  case leader(Leader)
  /// Takes no further part.
  case halted(Halted)

  var kind: RoleKind {
    switch self {
    case .follower: .follower
    case .preCandidate: .preCandidate
    case .candidate: .candidate
    case .leader: .leader
    case .halted: .halted
    }
  }

  /// When time alone makes it do something.
  var deadline: Duration? {
    switch self {
    case .follower(let follower): follower.deadline
    case .preCandidate(let campaign): campaign.deadline
    case .candidate(let campaign): campaign.deadline
    case .leader(let leader): leader.deadline
    case .halted: nil
    }
  }
}

/// A node that takes no further part.
struct Halted: ~Copyable {
  let reason: HaltReason
}

extension Role {
  /// The leader that a follower follows.
  var leader: NodeID? {
    switch self {
    case .follower(let follower): follower.leader
    default: nil
    }
  }

  /// When a follower campaigns, or a candidate does so again.
  var electionDeadline: Duration? {
    switch self {
    case .follower(let follower): follower.electionDeadline
    case .preCandidate(let campaign): campaign.deadline
    case .candidate(let campaign): campaign.deadline
    default: nil
    }
  }

  /// The term that a campaign asks about.
  var campaignTerm: Term? {
    switch self {
    case .preCandidate(let campaign): campaign.term
    case .candidate(let campaign): campaign.term
    default: nil
    }
  }

  var haltReason: HaltReason? {
    switch self {
    case .halted(let halted): halted.reason
    default: nil
    }
  }

  /// Does what only a leader does.
  ///
  /// - Returns: false if this node is none.
  mutating func lead(_ body: (inout Leader) -> Void) -> Bool {
    switch consume self {
    case .leader(var leader):
      body(&leader)
      self = .leader(leader)
      return true
    case let other:
      self = other
      return false
    }
  }

  /// Does what only a follower does; nothing if this node is none.
  mutating func follow(_ body: (inout Follower) -> Void) {
    switch consume self {
    case .follower(var follower):
      body(&follower)
      self = .follower(follower)
    case let other: self = other
    }
  }

  /// Does what only a candidate does, of votes or of pre-votes.
  ///
  /// - Returns: how its election stands; nil if this node is none.
  mutating func campaign(_ body: (inout Campaign) -> VoteResult?) -> VoteResult? {
    var result: VoteResult?
    switch consume self {
    case .preCandidate(var campaign):
      result = body(&campaign)
      self = .preCandidate(campaign)
    case .candidate(var campaign):
      result = body(&campaign)
      self = .candidate(campaign)
    case let other: self = other
    }
    return result
  }

  /// Ends this part: whoever waits for what it would have done gets to know.
  mutating func end(_ next: consuming Role, _ server: inout ServerState) {
    switch consume self {
    case .leader(let leader): leader.resign(&server)
    case .follower(var follower):
      follower.failReads(.notLeader(hint: nil), dueBy: nil, &server)
    default: break
    }
    self = next
  }
}

/// Why a leader leads no longer.
enum Resignation {
  /// No majority was heard of for an election timeout.
  case quorumLost
  /// A write of its own takes longer than an election timeout.
  case diskStalled
  /// The configuration without it is committed: `successor` is the voter that is furthest.
  case removed(successor: NodeID?)
}
