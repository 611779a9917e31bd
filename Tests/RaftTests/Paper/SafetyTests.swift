// Raft section 5.4: why a leader has everything that is committed.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct SafetyTests {
  /// "The voter denies its vote if its own log is more up-to-date than that of the candidate": the later
  /// last term, and then the longer log (5.4.1).
  @Test(
    arguments: [
      ([1, 1, 2], LogPosition(term: 2, index: 3), true),
      ([1, 1, 2], LogPosition(term: 2, index: 4), true),
      ([1, 1, 2], LogPosition(term: 2, index: 2), false),
      ([1, 1, 2], LogPosition(term: 3, index: 1), true),
      ([1, 1, 2], LogPosition(term: 1, index: 100), false),
      ([], LogPosition(), true), ([1], LogPosition(), false),
    ] as [([Term], LogPosition, Bool)])
  func votesAreForLogsThatAreUpToDate(
    _ log: [Term], _ last: LogPosition, _ isGranted: Bool
  ) throws {
    let group = CoreGroup(logs: [log, log])
    group.say(.vote(group.vote(of: 1, term: 9, last: last)), from: 2, to: 1, term: 9)
    #expect(group.said(from: 1).first?.voteReply?.isGranted == isGranted)
    #expect(group[1].hardState == HardState(term: 9, vote: isGranted ? 2 : nil))
  }

  /// Figure 8: an entry of an earlier term that is on a majority is not committed by that, for it can
  /// still be replaced; it is once an entry of the leader's own term is (5.4.2).
  @Test(arguments: [false, true])
  func figure8(_ isReplaced: Bool) throws {
    let group = CoreGroup(
      logs: [[1, 2], [1, 2], [1], [1], [1, 3]], terms: [3, 3, 3, 3, 3])
    // (c) node 1 leads term 4 and brings its entry of term 2 to a majority, and nothing of term 4.
    group.expire(1)
    group.deliver { $0.append == nil }
    try #require(group[1].role == .leader && group[1].hardState.term == 4)
    group.isPrompt = false
    // Its own first entry goes nowhere, and what it finds the others to lack it sends one at a time.
    let isOld = { (e: Envelope) in (e.append?.entries?.lastPosition.term ?? 0) < 4 }
    for id in [2, 3] as [NodeID] {
      group.deliver { ($0.to == id || $0.from == id) && isOld($0) }
    }
    group.drop()
    group.expire(1)
    for id in [2, 3] as [NodeID] {
      group.deliver { ($0.to == id || $0.from == id) && isOld($0) }
    }
    group.completeFetch(1, 1)
    group.deliver { ($0.to == 3 || $0.from == 3) && isOld($0) }
    group.completeWrites(3)
    group.deliver { $0.from == 3 && isOld($0) }
    group.drop()
    try #require(group[1].peers.prefix(2).allSatisfy { $0.match == 2 })
    #expect((1...3).allSatisfy { group.node($0).terms.prefix(2) == [1, 2] })
    #expect(group[1].commit == 0, "committed by counting")
    group.isPrompt = true
    if isReplaced {
      // (d) node 5 is elected by 2, 3 and 4, and replaces it everywhere.
      group.crash(1)
      group.drop()
      group.now += .seconds(1)
      group.expire(5)
      group.pass(.seconds(1))
      try #require(group[5].role == .leader)
      #expect((2...5).allSatisfy { group.node($0).terms.prefix(2) == [1, 3] })
    } else {
      // (e) an entry of its own term commits both.
      group.pass(.seconds(1))
      #expect(group[1].commit == 3 && group.node(5).terms == [1, 2, 4])
    }
    #expect(group.finding == nil)
  }

  /// A follower commits what it has in common with the leader, and no more (regression 14).
  @Test func aFollowerCommitsWhatWasVerified() {
    let group = CoreGroup(logs: [[1, 2, 2, 2], [1, 2]])
    group.say(
      group.append(to: 1, after: LogPosition(term: 1, index: 1), terms: [2], commit: 9), from: 2,
      to: 1, term: 3)
    #expect(group[1].commit == 2)
    group.say(
      group.append(to: 1, after: LogPosition(term: 2, index: 2), terms: [3, 3], commit: 3), from: 2,
      to: 1, term: 3)
    #expect(group[1].commit == 3 && group.node(1).terms == [1, 2, 3, 3])
  }

  /// What is committed is never replaced: the node stops instead (regressions 18 and 38). What agrees may
  /// come again.
  @Test(
    arguments: [
      (LogPosition(), [1, 1, 1, 3], nil), (LogPosition(), [2], 1), (LogPosition(), [1, 1, 2], 3),
      (LogPosition(term: 1, index: 2), [2], 3), (LogPosition(term: 2, index: 3), [], 3),
      (LogPosition(term: 2, index: 2), [], 2), (LogPosition(term: 2, index: 4), [], nil),
    ] as [(LogPosition, [Term], LogIndex?)])
  func aConflictWithWhatIsCommittedHalts(
    _ previous: LogPosition, _ terms: [Term], _ conflict: LogIndex?
  ) {
    let group = CoreGroup(logs: [[1, 1, 1], [1]])
    group.say(
      group.append(to: 1, after: LogPosition(term: 1, index: 3), commit: 3), from: 2, to: 1, term: 2
    )
    #expect(group[1].commit == 3)
    group.say(group.append(to: 1, after: previous, terms: terms), from: 2, to: 1, term: 3)
    #expect(group[1].halt == conflict.map { .conflictBelowCommit($0, commit: 3) })
    #expect(group.node(1).terms.prefix(3) == [1, 1, 1])
  }

  /// A leader that goes on with an earlier term than that of what is committed cannot have that (found by
  /// FuzzStep).
  @Test func entriesOlderThanWhatIsCommittedHalt() {
    let group = CoreGroup(logs: [[1, 2], [1]])
    group.say(
      group.append(to: 1, after: LogPosition(term: 2, index: 2), commit: 2), from: 2, to: 1, term: 2
    )
    group.say(
      group.append(to: 1, after: LogPosition(term: 1, index: 1), terms: [1, 1]), from: 2, to: 1,
      term: 2)
    #expect(group[1].halt == .conflictBelowCommit(2, commit: 2))
  }

  /// Two leaders in one term: a vote was given twice, and nothing can be trusted (regression 38).
  @Test(arguments: [false, true])
  func twoLeadersInOneTermHalt(_ isLeader: Bool) throws {
    let group = CoreGroup(voters: 3)
    if isLeader {
      try group.elect(1)
      group.say(group.append(to: 1), from: 2, to: 1, term: 1)
      #expect(group[1].halt == .twoLeaders(1, 1, 2))
    } else {
      group.say(group.append(to: 1), from: 2, to: 1, term: 1)
      group.say(group.append(to: 1), from: 3, to: 1, term: 1)
      #expect(group[1].halt == .twoLeaders(1, 2, 3))
    }
    let proposal = group.propose(1)
    guard case .refused(.halted)? = group.outcome(1, proposal) else {
      Issue.record("a halted node took a proposal")
      return
    }
    #expect(group.node(1).deadline == nil)
  }

  /// A proposal that a leader could not commit before it lost its place has an unknown outcome, and is
  /// told so once (regression 32).
  @Test func aLostLeaderDoesNotKnow() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let proposals = (0..<3).map { _ in group.propose(1) }
    group.drop()
    group.say(group.append(to: 1), from: 2, to: 1, term: 5)
    #expect(proposals.allSatisfy { group.outcome(1, $0) == .unknown })
    group.pass(.seconds(2))
    #expect(group.finding == nil, "resolved twice")
  }

  /// A write that ends after its entries were replaced makes nothing durable that is gone
  /// (regression 17).
  @Test func aLateNoticeConfirmsNothingThatIsGone() {
    let group = CoreGroup(logs: [[1], [1], [1]])
    group.isPrompt = false
    let previous = LogPosition(term: 1, index: 1)
    group.say(group.append(to: 1, after: previous, terms: [2, 2, 2]), from: 2, to: 1, term: 2)
    group.say(group.append(to: 1, after: previous, terms: [3, 3]), from: 3, to: 1, term: 3)
    #expect(group.node(1).terms == [1, 3, 3])
    // Term and entries of the first leader.
    group.completeWrites(1, 2)
    #expect(group[1].durable == 1)
    group.completeWrites(1)
    #expect(group[1].durable == 3 && group.finding == nil)
  }

  /// After a failed write nothing more is said.
  @Test func aFailedDiskHalts() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let proposal = group.propose(1)
    group.drop()
    group.step(1, .storageFailed("write: Input/output error"))
    #expect(group[1].halt == .storage("write: Input/output error"))
    #expect(group.outcome(1, proposal) == .unknown)
    group.say(
      .vote(group.vote(of: 1, term: 9, last: LogPosition(term: 8, index: 9))), from: 2, to: 1,
      term: 9)
    #expect(group.inFlight.isEmpty)
  }
}
