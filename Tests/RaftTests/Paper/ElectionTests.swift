// Raft section 5.1 and 5.2: terms, and how a leader is elected.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct ElectionTests {
  private var withoutPreVote: RaftOptions {
    var options = RaftOptions()
    options.preVote = false
    return options
  }

  // MARK: 5.1

  /// "If one server's current term is smaller than the other's, then it updates its current term to the
  /// larger value. If a candidate or leader discovers that its term is out of date, it immediately
  /// reverts to follower state."
  @Test(arguments: [RoleKind.follower, .preCandidate, .candidate, .leader])
  func aLaterTermIsTakenOver(_ role: RoleKind) throws {
    let group = CoreGroup(voters: 3)
    switch role {
    case .preCandidate: group.expire(1)
    case .candidate:
      group.expire(1)
      group.deliver { $0.preVote != nil || $0.preVoteReply != nil }
    case .leader: try group.elect(1)
    case .follower, .halted: break
    }
    try #require(group[1].role == role)
    group.say(group.append(to: 1), from: 2, to: 1, term: 7)
    #expect(group[1].role == .follower && group[1].hardState.term == 7 && group[1].leader == 2)
    #expect(group.finding == nil)
  }

  /// "If a server receives a request with a stale term number, it rejects the request."
  @Test func anEarlierTermIsRefused() throws {
    let group = CoreGroup(logs: [[1, 2], [1, 2], [1, 2]])
    group.say(
      group.append(to: 1, after: LogPosition(term: 2, index: 2), terms: [2]), from: 2, to: 1,
      term: 2)
    try #require(group.node(1).terms == [1, 2, 2])
    group.say(
      .vote(group.vote(of: 1, term: 5, last: LogPosition(term: 4, index: 9))), from: 3, to: 1,
      term: 5)
    group.drop()
    // The vote is refused while 2 is heard of: this node is still in term 2, so use a later leader.
    group.say(group.append(to: 1), from: 3, to: 1, term: 5)
    group.drop()
    group.say(
      group.append(to: 1, after: LogPosition(term: 2, index: 3), terms: [4]), from: 2, to: 1,
      term: 4)
    #expect(group.node(1).terms == [1, 2, 2] && group[1].leader == 3)
    let answer = try #require(group.said(from: 1, to: 2).first)
    #expect(answer.term == 5, "whoever is behind is told of the term")
  }

  // MARK: 5.2

  /// "When servers start up, they begin as followers."
  @Test func aNodeBeginsAsAFollower() {
    let group = CoreGroup(voters: 3)
    #expect((1...3).allSatisfy { group[$0].role == .follower && group[$0].leader == nil })
  }

  /// "To begin an election, a follower increments its current term and transitions to candidate state.
  /// It then votes for itself and issues RequestVote RPCs in parallel to each of the other servers."
  @Test func aFollowerThatHearsNothingCampaigns() {
    let group = CoreGroup(voters: 5, options: withoutPreVote)
    group.expire(1)
    #expect(group[1].role == .candidate)
    #expect(group[1].hardState == HardState(term: 1, vote: 1))
    let asked = group.said(from: 1)
    #expect(asked.map(\.to) == [2, 3, 4, 5] && asked.allSatisfy { $0.vote?.term == 1 })
  }

  /// "A candidate wins an election if it receives votes from a majority of the servers in the full
  /// cluster for the same term."
  @Test(arguments: [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3)])
  func aMajorityElects(_ voters: Int, _ needed: Int) {
    let group = CoreGroup(voters: voters, options: withoutPreVote)
    group.expire(1)
    for i in 0..<needed {
      #expect(group[1].role == .candidate, "elected by \(i) others of \(voters)")
      group.say(
        .voteReply(VoteReply(term: 1, isGranted: true)), from: NodeID(i) + 2, to: 1, term: 1)
    }
    #expect(group[1].role == .leader)
  }

  /// A vote counts once, and one for an earlier term not at all.
  @Test func aVoteCountsOnceAndForItsTerm() {
    let group = CoreGroup(voters: 5, options: withoutPreVote)
    group.expire(1)
    group.expire(1)
    try? #require(group[1].hardState.term == 2)
    for _ in 0..<3 {
      group.say(.voteReply(VoteReply(term: 2, isGranted: true)), from: 2, to: 1, term: 2)
      group.say(.voteReply(VoteReply(term: 1, isGranted: true)), from: 3, to: 1, term: 1)
    }
    #expect(group[1].role == .candidate)
  }

  /// "Each server will vote for at most one candidate in a given term, on a first-come-first-served
  /// basis." The first may ask again.
  @Test func aTermHasOneVote() {
    let group = CoreGroup(voters: 3)
    let last = LogPosition()
    for candidate in [2, 3, 2] as [NodeID] {
      group.say(.vote(group.vote(of: 1, term: 4, last: last)), from: candidate, to: 1, term: 4)
    }
    let answers = group.said(from: 1).map { ($0.to, $0.voteReply?.isGranted) }
    #expect(answers.map(\.0) == [2, 3, 2] && answers.map(\.1) == [true, false, true])
    #expect(group[1].hardState == HardState(term: 4, vote: 2))
  }

  /// A node that is about to ask for votes itself still has its own to give.
  @Test func aPreCandidateVotes() {
    let group = CoreGroup(logs: [[1], [1, 1], [1]], terms: [3, 3, 3])
    group.expire(1)
    group.say(
      .vote(group.vote(of: 1, term: 3, last: LogPosition(term: 1, index: 2))), from: 2, to: 1,
      term: 3)
    #expect(group[1].role == .follower && group[1].hardState == HardState(term: 3, vote: 2))
  }

  /// "It sends heartbeat messages to all of the other servers to establish its authority and prevent new
  /// elections", and again whenever the interval has passed.
  @Test func aLeaderMakesItselfHeard() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    for _ in 0..<3 {
      let before = group.now
      group.pass(group.options.heartbeatInterval, where: { _ in false })
      #expect(group.now == before + group.options.heartbeatInterval)
      #expect(group.said(from: 1, to: 2).contains { $0.append?.entries == nil })
      #expect(group.said(from: 1, to: 3).contains { $0.append?.entries == nil })
      group.deliver()
    }
    group.pass(.seconds(3))
    #expect(group[1].role == .leader && group[1].hardState.term == 1)
  }

  /// "If the leader's term (included in its RPC) is at least as large as the candidate's current term,
  /// then the candidate recognizes the leader as legitimate and returns to follower state. If the term
  /// in the RPC is smaller, then the candidate rejects the RPC and continues in candidate state."
  @Test(arguments: [(0, RoleKind.candidate), (1, .follower), (2, .follower)] as [(Term, RoleKind)])
  func aCandidateRecognizesALeader(_ term: Term, _ role: RoleKind) throws {
    let group = CoreGroup(voters: 3, options: withoutPreVote)
    group.expire(1)
    group.say(group.append(to: 1), from: 2, to: 1, term: term)
    #expect(group[1].role == role)
    #expect(group[1].hardState.term == max(1, term))
  }

  /// "If many followers become candidates at the same time, votes could be split [...] each candidate
  /// will time out and start a new election by incrementing its term."
  @Test func aSplitVoteIsFollowedByAnotherElection() {
    let group = CoreGroup(voters: 4, options: withoutPreVote)
    group.expire(1)
    group.expire(2)
    group.deliver { $0.vote != nil && ($0.to == 3) == ($0.from == 1) || $0.voteReply != nil }
    group.drop()
    #expect(group[1].role == .candidate || group[1].role == .follower)
    group.pass(.seconds(5))
    #expect(group.leader != nil && group.finding == nil)
  }

  /// "Election timeouts are chosen randomly from a fixed interval", here from one timeout to two.
  @Test func timeoutsAreSpread() {
    var buckets = [Int](repeating: 0, count: 4)
    let timeout = RaftOptions().electionTimeout
    for seed in 1...400 as ClosedRange<UInt64> {
      let group = CoreGroup(voters: 2, seed: seed)
      guard let deadline = group.node(1).deadline else { continue }
      #expect(deadline >= timeout && deadline < timeout * 2)
      buckets[Int((deadline - timeout) * 4 / timeout)] += 1
    }
    #expect(buckets.allSatisfy { $0 > 60 }, "\(buckets)")
  }

  /// Elections that fail take longer and longer, so that a slow group comes to an end with them, and
  /// a leader that is heard of makes them short again.
  @Test func failedElectionsDoubleTheTimeout() {
    let group = CoreGroup(voters: 3, options: withoutPreVote)
    var last = Duration.zero
    for failed in 0..<12 {
      group.expire(1)
      group.drop()
      let wait = group.node(1).deadline! - group.now
      let least = min(
        group.options.electionTimeout * (1 << failed), group.options.electionTimeoutMax)
      #expect(wait >= least && wait < least * 2)
      last = wait
    }
    #expect(last >= group.options.electionTimeoutMax)
    group.say(group.append(to: 1), from: 2, to: 1, term: 50)
    #expect(group.node(1).deadline! - group.now < group.options.electionTimeout * 2)
  }

  /// A slow disk is no reason for the next election: its time begins when the own vote is durable.
  @Test func anElectionBeginsWhenTheVoteIsDurable() throws {
    let group = CoreGroup(voters: 3, options: withoutPreVote)
    group.isPrompt = false
    group.expire(1)
    #expect(group[1].role == .candidate && group.node(1).deadline == nil)
    #expect(group.inFlight.isEmpty, "asked for votes before its own was durable")
    group.now += .seconds(60)
    group.completeWrites(1)
    #expect(group.said(from: 1).count == 2)
    let deadline = try #require(group.node(1).deadline)
    #expect(deadline >= group.now + group.options.electionTimeout)
  }

  /// A group of one needs nobody, but its own disk (regression 36).
  @Test func aGroupOfOneElectsItselfAtOnce() {
    let group = CoreGroup(voters: 1)
    group.pass(.zero)
    #expect(group[1].role == .leader && group[1].commit == 1)
  }
}
