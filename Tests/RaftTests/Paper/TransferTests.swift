// Dissertation 3.10: leadership handed over.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct TransferTests {
  private func group(_ voters: Int = 3) throws -> CoreGroup {
    let group = CoreGroup(voters: voters)
    try group.elect(1)
    return group
  }

  @Test func leadershipIsHandedOver() throws {
    let group = try group()
    let transfer = group.transfer(1, to: 3)
    group.deliver()
    #expect(group[3].role == .leader && group[3].hardState.term == 2)
    #expect(group.outcome(1, transfer) == .done(LogPosition(term: 1, index: 1)))
    #expect(group.finding == nil)
  }

  /// "The prior leader sends its log entries to the target server before" and stops accepting new ones.
  @Test func theTargetGetsEverythingFirst() throws {
    let group = try group()
    for _ in 0..<5 { _ = group.propose(1) }
    group.drop { $0.to == 3 }
    _ = group.transfer(1, to: 3)
    #expect(!group.inFlight.contains { $0.envelope.isTimeoutNow })
    let refused = group.propose(1)
    #expect(group.outcome(1, refused) == .refused(.transferring(to: 3)))
    group.pass(.milliseconds(140))
    #expect(group[3].role == .leader && group.node(3).terms.prefix(6) == [1, 1, 1, 1, 1, 1])
  }

  /// "If leadership transfer does not complete after about an election timeout, the prior leader aborts
  /// the transfer and resumes accepting client requests."
  @Test func aTransferThatTakesTooLongIsGivenUp() throws {
    let group = try group()
    let transfer = group.transfer(1, to: 3)
    group.pass(.milliseconds(300)) { $0.to != 3 && $0.from != 3 }
    #expect(group[1].role == .leader && group.outcome(1, transfer) == .refused(.timedOut))
    let proposal = group.propose(1)
    group.deliver { $0.to != 3 && $0.from != 3 }
    #expect(group.outcome(1, proposal) == .done(LogPosition(term: 1, index: 2)))
  }

  @Test(arguments: [1, 7] as [NodeID])
  func onlyAnotherVoterCanTakeOver(_ target: NodeID) throws {
    let group = try group()
    let transfer = group.transfer(1, to: target)
    #expect(group.outcome(1, transfer) == .refused(.noSuchVoter(target)))
    let follower = group.transfer(2, to: 3)
    #expect(group.outcome(2, follower) == .refused(.notLeader(hint: 1)))
  }

  @Test func oneTransferAtATime() throws {
    let group = try group()
    _ = group.transfer(1, to: 2)
    let second = group.transfer(1, to: 3)
    #expect(group.outcome(1, second) == .refused(.transferring(to: 2)))
  }

  /// A request to campaign counts from the leader that is followed, in its term (regression 30).
  @Test func aStaleTimeoutNowIsIgnored() throws {
    let group = try group()
    group.say(.timeoutNow, from: 2, to: 3, term: 1)
    group.say(.timeoutNow, from: 1, to: 3, term: 0)
    #expect(group[3].role == .follower && group[3].hardState.term == 1)
    group.say(.timeoutNow, from: 1, to: 3, term: 1)
    #expect(group[3].role == .candidate && group[3].hardState.term == 2)
  }

  /// A transfer ends with the leadership, and is no part of the next one (regression 30).
  @Test func aTransferEndsWithTheLeadership() throws {
    let group = try group()
    let transfer = group.transfer(1, to: 3)
    group.drop()
    group.say(group.append(to: 1), from: 2, to: 1, term: 4)
    #expect(group.outcome(1, transfer) == .done(LogPosition(term: 1, index: 1)))
    group.now += .seconds(1)
    group.pass(.seconds(3))
    let leader = try #require(group.leader)
    let proposal = group.propose(leader)
    group.deliver()
    #expect(group.finding == nil)
    guard case .done? = group.outcome(leader, proposal) else {
      Issue.record("the group does not serve")
      return
    }
  }
}
