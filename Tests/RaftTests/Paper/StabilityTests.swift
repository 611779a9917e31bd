// Dissertation 4.2.3, 6.2 and 9.6: what keeps a leader in place while it serves, and takes it out of
// it when it does not.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct StabilityTests {
  // MARK: Pre-vote, 9.6

  /// "A candidate only increments its term if it first learns from a majority of the cluster that they
  /// would be willing to grant the candidate their votes": until then nothing changes, for anybody.
  @Test func aPreVoteChangesNothing() throws {
    let group = CoreGroup(voters: 3)
    group.expire(1)
    #expect(group[1].role == .preCandidate && group[1].hardState == HardState())
    group.deliver { $0.preVote != nil }
    #expect((1...3).allSatisfy { group[$0].hardState == HardState() })
    let answers = group.inFlight.compactMap(\.envelope.preVoteReply)
    #expect(answers == [VoteReply(term: 1, isGranted: true), VoteReply(term: 1, isGranted: true)])
    group.deliver()
    #expect(group[1].role == .leader && group[1].hardState.term == 1)
  }

  /// A node that was cut off comes back without having raised its term, and disturbs nobody.
  @Test func aNodeThatWasCutOffDisturbsNobody() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    group.pass(.seconds(5)) { $0.from != 3 && $0.to != 3 }
    group.drop()
    #expect(group[3].role != .follower || group[3].leader == nil)
    #expect(group[3].hardState.term == 1)
    group.pass(.seconds(2))
    #expect(group[1].role == .leader && group[1].hardState.term == 1 && group[3].leader == 1)
  }

  /// A granted pre-vote comes from the term of whoever grants it, which may be an earlier one.
  @Test func aPreVoteOfAnEarlierTermCounts() {
    let group = CoreGroup(logs: [[1], [1]], terms: [5, 2])
    group.expire(1)
    group.deliver()
    #expect(group[1].role == .leader && group[1].hardState.term == 6)
  }

  /// A pre-vote that is refused in a later term brings that term along: the next one can succeed.
  @Test func aRefusedPreVoteBringsTheTerm() {
    let group = CoreGroup(logs: [[1], [1]], terms: [2, 7])
    group.expire(1)
    group.deliver()
    #expect(group[1].hardState.term == 7)
    group.expire(1)
    group.deliver()
    #expect(group[1].role == .leader && group[1].hardState.term == 8)
  }

  /// Nodes that ask first and nodes that do not live together (regression 29): whoever is in a later term
  /// is heard of, and the group gets there.
  @Test func aNodeInALaterTermComesBack() throws {
    let group = CoreGroup(logs: [[1], [1], [1]], terms: [1, 1, 9])
    group.crash(3)
    group.expire(1)
    group.deliver()
    try #require(group[1].role == .leader && group[1].hardState.term == 2)
    group.start(3)
    group.pass(.seconds(2))
    let leader = try #require(group.leader)
    #expect(group[leader].hardState.term > 9)
    #expect((1...3).allSatisfy { group[$0].commit == group[leader].commit })
  }

  // MARK: Check-quorum, 6.2 and 4.2.3

  /// "If a server receives a RequestVote request within the minimum election timeout of hearing from a
  /// current leader, it does not update its term or grant its vote."
  @Test func whoHearsOfALeaderVotesForNoOther() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let request = group.vote(of: 2, term: 8, last: LogPosition(term: 7, index: 99))
    group.say(.vote(request), from: 3, to: 2, term: 8)
    #expect(group[2].hardState.term == 1 && group.inFlight.isEmpty)
    group.now += group.options.electionTimeout
    group.say(.vote(request), from: 3, to: 2, term: 8)
    #expect(group[2].hardState == HardState(term: 8, vote: 3))
  }

  /// The leader itself does not give way to it either.
  @Test func aLeaderWithAMajorityDoesNotGiveWay() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let request = group.vote(of: 1, term: 8, last: LogPosition(term: 7, index: 99))
    group.say(.vote(request), from: 3, to: 1, term: 8)
    #expect(group[1].role == .leader && group[1].hardState.term == 1)
  }

  /// "A leader in Raft steps down if an election timeout elapses without a successful round of heartbeats
  /// to a majority of its cluster." Its vote of that term stays (regression 12).
  @Test func aLeaderWithoutAMajorityStepsDown() throws {
    let group = CoreGroup(voters: 5)
    try group.elect(1)
    group.pass(.seconds(1)) { [1, 2, 3].contains($0.from) && [1, 2, 3].contains($0.to) }
    #expect(group[1].role == .leader, "with a majority it goes on")
    let cut = group.now
    while group[1].role == .leader, group.now < cut + .seconds(2) { group.expire(1) }
    #expect(group[1].role == .follower && group[1].hardState == HardState(term: 1, vote: 1))
    #expect(group.now <= cut + group.options.electionTimeout * 2)
  }

  /// A disk that stalls while heartbeats go on takes the leader out of its place (regression 33), but not
  /// one that has always been slow.
  @Test(arguments: [false, true])
  func aLeaderWhoseDiskStallsStepsDown(_ isSlow: Bool) throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    group.isPrompt = false
    let timeout = group.options.electionTimeout
    if isSlow {
      _ = group.propose(1)
      group.now += timeout / 2
      group.completeWrites(1)
    }
    _ = group.propose(1)
    let start = group.now
    while group[1].role == .leader, group.now < start + timeout * 10 {
      group.expire(1)
      group.deliver()
    }
    let took = group.now - start
    #expect(group[1].role == .follower)
    #expect(took >= (isSlow ? timeout * 3 / 2 : timeout) && took < timeout * (isSlow ? 3 : 2))
  }

  // MARK: Timers

  /// A vote that is denied changes nothing about when a follower campaigns (regression 11).
  @Test func aDeniedVoteDoesNotRestartTheTimer() {
    let group = CoreGroup(logs: [[1, 2], [1, 2]])
    let deadline = group.node(1).deadline
    group.now += .milliseconds(10)
    group.say(
      .vote(group.vote(of: 1, term: 6, last: LogPosition(term: 1, index: 9))), from: 2, to: 1,
      term: 6)
    #expect(group[1].hardState == HardState(term: 6) && group.node(1).deadline == deadline)
  }

  @Test func aVoteThatIsGivenRestartsTheTimer() throws {
    let group = CoreGroup(logs: [[1], [1]])
    let deadline = try #require(group.node(1).deadline)
    group.now = deadline - .milliseconds(1)
    group.say(
      .vote(group.vote(of: 1, term: 6, last: LogPosition(term: 1, index: 9))), from: 2, to: 1,
      term: 6)
    #expect(group.node(1).deadline! >= group.now + group.options.electionTimeout)
  }

  /// An append that is rejected comes from a leader all the same.
  @Test func aRejectedAppendRestartsTheTimer() throws {
    let group = CoreGroup(logs: [[1], [1]])
    let deadline = try #require(group.node(1).deadline)
    group.now = deadline - .milliseconds(1)
    group.say(group.append(to: 1, after: LogPosition(term: 2, index: 9)), from: 2, to: 1, term: 6)
    #expect(group.said(from: 1).first?.rejectedPrevious == 9)
    #expect(group.node(1).deadline! >= group.now + group.options.electionTimeout)
  }
}
