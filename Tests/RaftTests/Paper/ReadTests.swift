// Dissertation 6.4: reads that are linearizable without an entry in the log.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct ReadTests {
  /// "If the leader has not yet marked an entry from its current term committed, it waits until it has
  /// done so" (regression 24).
  @Test func aReadWaitsForAnEntryOfTheLeadersOwnTerm() throws {
    let group = CoreGroup(logs: [[1, 1], [1, 1], [1, 1]])
    group.expire(1)
    group.deliver { $0.append?.entries == nil }
    try #require(group[1].role == .leader && group[1].commit == 0)
    let read = group.read(1)
    group.deliver { $0.append?.entries == nil }
    #expect(group.readOutcome(1, read) == nil)
    group.pass(.milliseconds(100))
    #expect(group.readOutcome(1, read) == .ready(3) && group.finding == nil)
  }

  /// "It issues a new round of heartbeats and waits for their acknowledgments from a majority."
  @Test func aReadWaitsForAMajority() throws {
    let group = CoreGroup(voters: 5)
    try group.elect(1)
    let read = group.read(1)
    group.deliver { $0.to == 2 || $0.from == 2 }
    #expect(group.readOutcome(1, read) == nil)
    group.deliver { $0.to == 3 || $0.from == 3 }
    #expect(group.readOutcome(1, read) == .ready(1))
  }

  /// Answers to an earlier question do not count.
  @Test func aRoundBeginsAfterItsReads() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let first = group.read(1)
    let second = group.read(1)
    group.deliverOne { $0.to == 2 }
    group.deliver { $0.from == 2 }
    #expect(group.readOutcome(1, first) == .ready(1))
    #expect(group.readOutcome(1, second) == nil, "it came when the question was out")
    group.deliver()
    #expect(group.readOutcome(1, second) == .ready(1))
  }

  /// "It suffices to do one round of heartbeats for any number of read-only queries that it has
  /// accumulated."
  @Test func readsShareARound() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let reads = (0..<100).map { _ in group.read(1) }
    #expect(group.said(from: 1, to: 2).count == 1)
    group.deliver()
    #expect(reads.allSatisfy { group.readOutcome(1, $0) == .ready(1) })
  }

  /// A leader that was replaced and does not know answers nothing.
  @Test func aLeaderThatWasReplacedAnswersNothing() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    group.pass(.milliseconds(400)) { $0.from != 1 && $0.to != 1 }
    let leader = try #require([2, 3].first { group[$0].role == .leader })
    group.drop()
    _ = group.propose(leader)
    group.deliver { $0.from != 1 && $0.to != 1 }
    let read = group.read(1)
    group.pass(.seconds(1))
    if case .ready? = group.readOutcome(1, read) { Issue.record("a stale read") }
    #expect(group.readOutcome(1, read) != nil && group.finding == nil)
  }

  /// Followers ask the leader, and read when they have applied what it says.
  @Test func followersReadToo() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    _ = group.propose(1, count: 4)
    group.deliver()
    let read = group.read(3)
    group.deliver()
    #expect(group.readOutcome(3, read) == .ready(5))
  }

  /// A request that comes twice is answered once (regression 37).
  @Test func aReadThatComesTwiceIsOneRead() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let read = group.read(3)
    group.inFlight += group.inFlight + group.inFlight
    group.deliver { $0.to != 3 || $0.append != nil }
    #expect(group.said(from: 1, to: 3).count { $0.append == nil } == 1, "answered more than once")
    group.deliver()
    #expect(group.readOutcome(3, read) == .ready(1) && group.finding == nil)
  }

  @Test func aReadWithoutALeaderFails() throws {
    let group = CoreGroup(voters: 3)
    let early = group.read(1)
    #expect(group.readOutcome(1, early) == .failed(.notLeader(hint: nil)))
    try group.elect(1)
    let lost = group.read(2)
    group.drop()
    group.now += group.options.electionTimeout
    group.step(2, .deadline)
    #expect(group.readOutcome(2, lost) == .failed(.timedOut))
    let orphan = group.read(3)
    group.drop()
    group.say(group.append(to: 3), from: 2, to: 3, term: 9)
    #expect(group.readOutcome(3, orphan) == .failed(.notLeader(hint: nil)))
  }

  /// A voter that a read waits for is removed: the read goes on without it.
  @Test func aReadDoesNotWaitForAMemberThatLeft() throws {
    let group = CoreGroup(voters: 2)
    try group.elect(1)
    let read = group.read(1)
    group.drop()
    _ = group.change(1, .change([.remove(2)]))
    #expect(group.readOutcome(1, read) == .ready(1))
    let later = group.read(1)
    #expect(group.readOutcome(1, later) != nil)
  }

  /// Followers whose disks stall answer heartbeats, and keep a new leader from its first commitment: its
  /// reads are given up after an election timeout.
  @Test func aReadThatGetsNoIndexIsGivenUp() throws {
    let group = CoreGroup(voters: 3)
    group.expire(1)
    group.deliver { $0.append?.entries == nil }
    let read = group.read(1)
    group.pass(.milliseconds(200)) { $0.append?.entries == nil }
    #expect(group[1].role == .leader && group.readOutcome(1, read) == .failed(.timedOut))
  }

  /// One peer that asks without end leaves room for others.
  @Test func aPeerHasItsShareOfReads() throws {
    var options = RaftOptions()
    options.waitingReadsMax = 10
    let group = CoreGroup(voters: 3, options: options)
    try group.elect(1)
    for i in 0..<20 as Range<UInt64> {
      let request = ReadRequest(id: RequestID(rawValue: i), boot: group.node(3).boot)
      group.say(.read(request), from: 3, to: 1, term: 1)
    }
    // The sixth and all after it are refused at once.
    #expect(
      group.said(from: 1, to: 3).count { if case .readReply = $0.message { true } else { false } }
        == 15)
    let own = group.read(1)
    group.deliver()
    #expect(group.readOutcome(1, own) == .ready(1))
  }

  @Test func waitingReadsAreLimited() throws {
    var options = RaftOptions()
    options.waitingReadsMax = 2
    let group = CoreGroup(voters: 3, options: options)
    try group.elect(1)
    let reads = (0..<3).map { _ in group.read(1) }
    #expect(group.readOutcome(1, reads[2]) == .failed(.overloaded(waiting: 2, limit: 2)))
    group.deliver()
    #expect(group.readOutcome(1, reads[1]) == .ready(1))
  }

  @Test func aGroupOfOneReadsAtOnce() {
    let group = CoreGroup(voters: 1)
    group.pass(.zero)
    let read = group.read(1)
    #expect(group.readOutcome(1, read) == .ready(1))
  }
}
