// Raft section 6 and dissertation chapter 4: how members come and go.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct MembershipTests {
  private func member(_ id: NodeID) -> Member { CoreGroup.member(id) }

  private func group(voters: Int, spares: Int) throws -> CoreGroup {
    let group = CoreGroup(voters: voters, spares: spares)
    try group.elect(1)
    return group
  }

  private func suffrages(_ group: CoreGroup, by id: NodeID = 1) -> [NodeID: Suffrage] {
    let members = group[id].configuration.configuration.members
    return Dictionary(uniqueKeysWithValues: members.map { ($0.id, $0.suffrage) })
  }

  /// "Once a given server adds the new configuration entry to its log, it uses that configuration for all
  /// future decisions (a server always uses the latest configuration in its log, regardless of whether
  /// the entry is committed)."
  @Test func aConfigurationIsInForceFromItsAppend() throws {
    let group = try group(voters: 1, spares: 1)
    let change = group.change(1, .change([.voter(member(2))]))
    #expect(suffrages(group) == [1: .voter, 2: .voter])
    #expect(group.outcome(1, change) == nil && group[1].commit == 1, "two have to agree now")
    group.deliver()
    group.pass(.milliseconds(100))
    #expect(group.outcome(1, change) == .done(LogPosition(term: 1, index: 2)))
    #expect(suffrages(group, by: 2) == [1: .voter, 2: .voter] && group[2].commit == 2)
  }

  /// A configuration that is truncated is in force no longer (regression 23).
  @Test func aTruncatedConfigurationIsRolledBack() throws {
    let group = try group(voters: 3, spares: 1)
    _ = group.change(1, .change([.voter(member(4))]))
    group.drop()
    #expect(suffrages(group).count == 4)
    group.say(
      group.append(to: 1, after: LogPosition(term: 1, index: 1), terms: [2]), from: 2, to: 1,
      term: 2)
    #expect(suffrages(group).count == 3)
  }

  /// One change at a time, and the first one after an entry of the leader's own term (regression 24).
  @Test func changesWaitForEachOther() throws {
    let group = CoreGroup(voters: 3, spares: 2)
    group.expire(1)
    group.deliver { $0.append?.entries == nil }
    try #require(group[1].role == .leader)
    let early = group.change(1, .change([.voter(member(4))]))
    #expect(group.outcome(1, early) == .refused(.notYetEstablished))
    group.pass(.milliseconds(100))
    let first = group.change(1, .change([.voter(member(4))]))
    let second = group.change(1, .change([.voter(member(5))]))
    #expect(group.outcome(1, second) == .refused(.changePending(at: 2)))
    group.pass(.milliseconds(200))
    #expect(group.outcome(1, first) == .done(LogPosition(term: 1, index: 2)))
  }

  /// More than one voter moves through a joint configuration, which a new leader leaves too.
  @Test func aJointConfigurationEndsByItself() throws {
    let group = try group(voters: 3, spares: 2)
    let change = group.change(
      1, .change([.voter(member(4)), .voter(member(5)), .remove(2), .remove(3)]))
    #expect(
      suffrages(group) == [
        1: .voter, 2: .outgoing, 3: .outgoing, 4: .incoming, 5: .incoming,
      ])
    group.pass(.milliseconds(300))
    #expect(group.outcome(1, change) == .done(LogPosition(term: 1, index: 2)))
    #expect(suffrages(group) == [1: .voter, 4: .voter, 5: .voter])
    #expect(group[1].commit == 3 && group[5].commit == 3 && group.finding == nil)
  }

  /// While it is joint, both halves have to agree: neither alone, nor a majority of their union
  /// (regression 25).
  @Test(arguments: [[2, 3], [4, 5], [2, 4], [3, 4, 5]] as [[NodeID]])
  func bothHalvesHaveToAgree(_ up: [NodeID]) throws {
    let group = try group(voters: 3, spares: 3)
    // The old half is 1, 2, 3; the new one 4, 5, 6.
    let change = group.change(
      1,
      .joint(
        [.remove(1), .remove(2), .remove(3)] + [4, 5, 6].map { .voter(member($0)) }, .explicit))
    let isUp = { (e: Envelope) in
      (e.from == 1 || up.contains(e.from)) && (e.to == 1 || up.contains(e.to))
    }
    group.drop { !isUp($0) }
    group.pass(.milliseconds(120), where: isUp)
    let old = 1 + up.count { $0 <= 3 }
    let new = up.count { $0 > 3 }
    #expect((group.outcome(1, change) != nil) == (old >= 2 && new >= 2), "\(up)")
    #expect(group.finding == nil)
  }

  /// A joint configuration that nobody leaves by itself is left when somebody asks for it.
  @Test func anExplicitTransitionWaits() throws {
    let group = try group(voters: 3, spares: 1)
    _ = group.change(1, .joint([.voter(member(4)), .remove(3)], .explicit))
    group.pass(.seconds(1))
    #expect(suffrages(group) == [1: .voter, 2: .voter, 3: .outgoing, 4: .incoming])
    let simple = group.change(1, .change([.remove(2)]))
    guard case .refused(.invalidChange(let error))? = group.outcome(1, simple) else {
      Issue.record("a change while the configuration is joint")
      return
    }
    #expect(error.code == .alreadyJoint)
    let leave = group.change(1, .leaveJoint)
    group.pass(.seconds(1))
    #expect(group.outcome(1, leave) == .done(LogPosition(term: 1, index: 3)))
    #expect(suffrages(group) == [1: .voter, 2: .voter, 4: .voter] && group.finding == nil)
  }

  /// The leader that began a transition crashes: whoever comes next ends it (regression 26).
  @Test func aNewLeaderEndsTheTransition() throws {
    let group = try group(voters: 3, spares: 2)
    _ = group.change(
      1, .change([.voter(member(4)), .voter(member(5)), .remove(2), .remove(3)]))
    // The joint entry reaches everybody, and node 1 never learns of it.
    group.deliver { $0.from == 1 || $0.to != 1 }
    group.pass(.milliseconds(60)) {
      $0.from == 1 || ($0.to == 1 && $0.appendReply?.result == .otherLife)
    }
    group.crash(1)
    group.drop()
    group.pass(.seconds(3))
    group.start(1)
    group.pass(.seconds(3))
    let leader = try #require(group.leader)
    #expect(group[leader].configuration.configuration.joint == nil)
    #expect(group.finding == nil)
  }

  /// "A server that is removed [...] steps down once the Cnew log entry is committed", and does not count
  /// itself for that (4.2.2, regression 27). Leadership goes to one who stays.
  @Test func aRemovedLeaderLeads_untilThatIsCommitted() throws {
    let group = try group(voters: 3, spares: 0)
    let change = group.change(1, .change([.remove(1)]))
    #expect(group[1].role == .leader)
    group.deliverOne { $0.to == 2 }
    group.deliver { $0.from == 2 }
    #expect(group[1].role == .leader, "one of the two others is no majority of them")
    group.deliver()
    #expect(group.outcome(1, change) == .done(LogPosition(term: 1, index: 2)))
    #expect(group[1].role == .follower)
    group.pass(.milliseconds(20))
    let leader = try #require(group.leader)
    #expect(leader != 1 && group[leader].hardState.term == 2, "handed over at once")
    #expect(suffrages(group, by: leader) == [2: .voter, 3: .voter] && group.finding == nil)
  }

  /// A node that is on its way out may be the only one that can commit that, and campaigns for it
  /// (4.2.2, figure 4.6).
  @Test func aNodeOnItsWayOutCampaignsWhileItIsNeeded() throws {
    let group = try group(voters: 2, spares: 0)
    _ = group.change(1, .change([.remove(1)]))
    group.drop()
    group.crash(1)
    group.start(1)
    group.pass(.seconds(4))
    // Node 2 has a shorter log: it cannot be elected by node 1, and node 1 does not count itself.
    let leader = try #require(group.leader)
    #expect(leader == 2 && suffrages(group, by: 2) == [2: .voter])
    #expect(group.finding == nil)
  }

  /// Learners get everything, decide nothing and do not campaign.
  @Test func learnersDecideNothing() throws {
    let group = CoreGroup(voters: 1, learners: 2)
    group.pass(.zero)
    let proposal = group.propose(1)
    #expect(group.outcome(1, proposal) == .done(LogPosition(term: 1, index: 2)))
    group.pass(.milliseconds(200))
    #expect(group[2].commit == 2 && group[3].commit == 2)
    group.crash(1)
    group.pass(.seconds(10))
    #expect(group[2].role == .follower && group[2].hardState.term == 1)
  }

  /// A node whose own log has not got as far as its promotion votes if it is asked (regression 28).
  @Test func aLearnerVotesWhenItIsNeeded() throws {
    let group = CoreGroup(voters: 2, learners: 1)
    try group.elect(1)
    let change = group.change(1, .change([.voter(member(3))]))
    group.deliver { $0.to != 3 && $0.from != 3 }
    #expect(group.outcome(1, change) != nil && suffrages(group, by: 3)[3] == .learner)
    group.drop()
    group.crash(2)
    group.crash(1)
    group.start(1)
    group.pass(.seconds(3))
    #expect(group[1].role == .leader && suffrages(group, by: 3)[3] == .voter)
  }

  /// A vote is asked of a directory, not of a number: another one under the same id does not give it.
  @Test func aVoteForAnotherDirectoryIsNotGiven() {
    let group = CoreGroup(voters: 3)
    var request = group.vote(of: 1, term: 3, last: LogPosition(term: 2, index: 9))
    request.voter = UID(high: 9, low: 9)
    group.say(.vote(request), from: 2, to: 1, term: 3)
    #expect(
      group.said(from: 1).first?.voteReply?.isGranted == false && group[1].hardState.vote == nil)
  }

  /// An acknowledgement from before a removal counts for nothing after the member was added again, in the
  /// same term (regression 20).
  @Test func anAcknowledgementFromAnEarlierMembershipCountsForNothing() throws {
    let group = try group(voters: 3, spares: 0)
    _ = group.propose(1)
    group.deliver { $0.from == 1 || $0.from == 2 }
    let late = group.inFlight.filter { $0.envelope.from == 3 && $0.envelope.matched != nil }
    try #require(!late.isEmpty)
    group.drop()
    _ = group.change(1, .change([.remove(3)]))
    group.deliver()
    _ = group.change(1, .change([.voter(member(3))]))
    group.deliver { $0.to == 2 || $0.from == 2 }
    try #require(suffrages(group).count == 3 && group[1].commit == 4)
    for parcel in late { group.deliver(parcel) }
    #expect(group[1].peers.first { $0.id == 3 }?.match == 0)
  }
}
