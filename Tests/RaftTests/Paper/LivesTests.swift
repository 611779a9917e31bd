// What a node may have forgotten: boots, and members that are marked. (Not in the paper, which takes it
// that a disk keeps what it was given.)

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct LivesTests {
  /// A life that the leader has not met begins from nothing, and says nothing that counts.
  @Test func aNewLifeBeginsFromNothing() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    _ = group.propose(1, count: 3)
    group.deliver()
    #expect(group[1].peers.map(\.match) == [4, 4])
    group.crash(2)
    group.start(2)
    _ = group.propose(1)
    group.deliverOne { $0.to == 2 }
    group.deliverOne { $0.from == 2 }
    let peer = try #require(group[1].peers.first { $0.id == 2 })
    #expect(peer.match == 0 && peer.state == .probing)
    group.pass(.milliseconds(100))
    #expect(group[1].peers.first { $0.id == 2 }?.match == 5 && group.finding == nil)
  }

  /// An acknowledgement of an earlier life that comes late counts for nothing.
  @Test func anAcknowledgementOfAnEarlierLifeCountsForNothing() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    _ = group.propose(1)
    group.deliver { $0.to == 2 }
    let late = group.inFlight.filter { $0.envelope.from == 2 && $0.envelope.matched == 2 }
    try #require(late.count == 1)
    group.drop()
    group.crash(2)
    group.start(2)
    group.pass(.milliseconds(40)) { $0.to == 1 || $0.to == 2 && $0.append?.entries == nil }
    let before = try #require(group[1].peers.first { $0.id == 2 }?.match)
    group.crash(2)
    group.start(2)
    group.pass(.milliseconds(40)) { $0.to == 2 || $0.from == 2 && $0.matched == nil }
    try #require(group[1].peers.first { $0.id == 2 }?.match == 0)
    group.deliver(late[0])
    #expect(group[1].peers.first { $0.id == 2 }?.match == 0, "it was \(before)")
  }

  private func group(mark: Mark) -> CoreGroup {
    let group = CoreGroup(logs: [[1, 2], [1, 2], [1, 2, 2]], terms: [2, 2, 2])
    group.crash(1)
    group.node(1).rewrite(terms: [1], hardState: HardState(term: 2), mark: mark)
    group.start(1)
    return group
  }

  /// "It does not campaign, and grants votes only to a candidate whose last position is at least the last
  /// one that it may have held", where nobody can say, to none.
  @Test(
    arguments: [
      (LogPosition(term: 2, index: 3), LogPosition(term: 2, index: 3), true),
      (LogPosition(term: 2, index: 3), LogPosition(term: 2, index: 2), false),
      (nil, LogPosition(term: 2, index: 100), false),
    ] as [(LogPosition?, LogPosition, Bool)])
  func aMarkedMemberVotesByWhatItMayHaveHeld(
    _ held: LogPosition?, _ last: LogPosition, _ isGranted: Bool
  ) {
    let group = group(mark: Mark(term: 2, mayHaveHeld: held))
    group.expire(1)
    #expect(group[1].role == .follower && group.inFlight.isEmpty)
    group.say(.preVote(group.vote(of: 1, term: 5, last: last)), from: 2, to: 1, term: 4)
    group.say(.vote(group.vote(of: 1, term: 5, last: last)), from: 2, to: 1, term: 5)
    #expect(group.said(from: 1).compactMap(\.preVoteReply?.isGranted) == [isGranted])
    #expect(group.said(from: 1).compactMap(\.voteReply?.isGranted) == [isGranted])
  }

  /// The mark is lifted when the member has, durably, what its leader had at first contact, and an entry
  /// of that leader's own term.
  @Test func theMarkIsLiftedWhenAllIsBack() throws {
    let group = group(mark: Mark(term: 2, mayHaveHeld: nil))
    group.crash(1)
    group.expire(3)
    group.deliver()
    try #require(group[3].role == .leader && group[3].commit == 4)
    group.start(1)
    // The term gets to its disk, and after that nothing does.
    group.pass(.milliseconds(40)) { $0.append?.entries == nil }
    try #require(group[1].hardState.term == 3 && group[1].last.index == 1)
    group.isPrompt = false
    for _ in 0..<4 {
      group.pass(.milliseconds(40))
      group.completeFetch(3)
    }
    group.deliver()
    #expect(group[1].mark != nil && group[1].last.index == 4, "not durable yet")
    group.completeWrites(1)
    #expect(group[1].mark == nil)
    #expect(group.finding == nil)
  }

  /// A new life that lacks what an earlier one acknowledged in this term has forgotten it, whatever it
  /// believes: it marks itself.
  @Test func aMemberThatForgotIsTold() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    _ = group.propose(1, count: 3)
    group.deliver()
    group.crash(2)
    group.node(2).rewrite(terms: [1], hardState: HardState(term: 1, vote: 1))
    group.start(2)
    group.pass(.milliseconds(100)) { $0.append?.entries == nil }
    #expect(group[2].mark == Mark(term: 1, mayHaveHeld: nil))
    _ = group.propose(1)
    group.pass(.milliseconds(100))
    #expect(group[2].mark == nil && group[2].commit == 5)
  }

  /// The leader's last index at first contact counts too if the member's patience ends while it installs
  /// a snapshot.
  @Test func theMarkStaysOverAnInstall() throws {
    let group = CoreGroup(logs: [[1], [1, 2, 2, 2], [1, 2, 2, 2]], terms: [2, 2, 2])
    group.crash(1)
    group.node(1).rewrite(
      terms: [1], hardState: HardState(term: 2), mark: Mark(term: 2, mayHaveHeld: nil))
    group.start(1)
    group.isPrompt = false
    let session = Session(boot: group.node(1).boot)
    let info = SnapshotInfo(
      position: LogPosition(term: 2, index: 2), configuration: group[1].configuration,
      uid: UID(high: 1, low: 1), bytes: 10)
    let chunk = SnapshotChunk(snapshot: info, offset: 0, bytes: 10, session: session, contact: 4)
    var parcel = CoreParcel(envelope: Envelope(from: 2, to: 1, term: 2, .snapshot(chunk)))
    parcel.state = CoreState(applied: 2, chain: 1)
    group.deliver(parcel)
    try #require(group.node(1).hasInstall)
    group.expire(1)
    group.say(
      .append(
        AppendRequest(previous: LogPosition(), commit: 2, session: session, contact: 4)),
      from: 2, to: 1, term: 2)
    group.completeInstall(1)
    #expect(group[1].commit == 2 && group[1].mark != nil)
    group.say(
      .append(
        AppendRequest(
          previous: LogPosition(term: 2, index: 2), entries: LogSlice(3...4, term: 2, bytes: 1),
          commit: 2, session: session, contact: 4)), from: 2, to: 1, term: 2)
    #expect(group[1].mark != nil)
    group.completeWrites(1)
    #expect(group[1].mark == nil)
  }

  /// A node that must not take part says why, and nothing else.
  @Test func aHaltedNodeSaysNothing() {
    var recovered = Recovered(
      id: 1, incarnation: CoreGroup.member(1).incarnation, boot: Boot(counter: 1, random: 1),
      base: ConfigurationEntry(index: 0, configuration: Configuration()))
    recovered.halt = .faultyEntries(3...7)
    var core = RaftCore(recovered, seed: 1, at: .zero)
    var effects: [Effect] = []
    #expect(core.deadline == nil)
    let request = AppendRequest(
      previous: LogPosition(), commit: 0, session: Session(boot: recovered.boot))
    core.step(
      .received(Envelope(from: 2, to: 1, term: 4, .append(request))), at: .seconds(1),
      into: &effects)
    #expect(effects.isEmpty)
    core.step(.read(RequestID(rawValue: 1)), at: .seconds(1), into: &effects)
    guard case .readFailed(_, .halted(.faultyEntries(3...7)))? = effects.first else {
      Issue.record("no reason: \(effects)")
      return
    }
    let status = core.status
    #expect(status.role == .halted && "\(status.halt!)".contains("entries 3 to 7"))
  }

  /// What a directory holds may contradict itself: then the node does not take part, and says why.
  @Test func aStateThatContradictsItselfHalts() {
    func reason(_ change: (inout Recovered) -> Void) -> HaltReason? {
      var terms = TermTable(firstIndex: 1, previousTerm: 0)
      terms.append(through: 20, term: 2)
      let base = ConfigurationEntry(index: 0, configuration: Configuration())
      var recovered = Recovered(
        id: 1, incarnation: CoreGroup.member(1).incarnation, boot: Boot(counter: 1, random: 1),
        hardState: HardState(term: 2), terms: terms, base: base, configurations: [], applied: 0)
      change(&recovered)
      return RaftCore(recovered, seed: 1, at: .zero).status.halt
    }
    func snapshot(_ index: LogIndex, _ term: Term, bytes: Int = 1) -> SnapshotInfo {
      SnapshotInfo(
        position: LogPosition(term: term, index: index),
        configuration: ConfigurationEntry(index: 0, configuration: Configuration()),
        uid: UID(high: 1, low: 1), bytes: bytes)
    }
    #expect(reason { _ in } == nil)
    #expect(
      reason {
        $0.snapshot = snapshot(5, 2)
        $0.applied = 5
      } == nil)
    #expect(reason { $0.applied = 21 } == .logEndsBeforeApplied(last: 20, applied: 21))
    let changes: [(inout Recovered) -> Void] = [
      { $0.terms.compact(through: 5) },
      { $0.hardState.term = 1 },
      { $0.configurations = [ConfigurationEntry(index: 21, configuration: Configuration())] },
      { $0.configurations = [$0.base] },
      { $0.base.index = 3 },
      { $0.snapshot = snapshot(5, 2) },
      {
        $0.snapshot = snapshot(5, 2)
        $0.terms.compact(through: 5)
      },
      {
        $0.snapshot = snapshot(5, 1)
        $0.applied = 5
      },
      {
        $0.snapshot = snapshot(5, 2, bytes: 0)
        $0.applied = 5
      },
    ]
    for (i, change) in changes.enumerated() {
      guard case .contradiction? = reason(change) else {
        Issue.record("contradiction \(i) was believed")
        continue
      }
    }
  }

  /// Two lives of one directory beside each other: it was copied. The one that was met second is
  /// reported, and confirms nothing.
  @Test func twoLivesAtOnceAreReported() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    let read = group.read(1)
    let round = try #require(group.said(from: 1, to: 2).last?.append?.round)
    let session = Session(boot: Boot(counter: 1, random: 99))
    group.say(
      .appendReply(AppendReply(.matched(1), session: session, round: round)), from: 2, to: 1,
      term: 1)
    #expect(round == 1 && group.readOutcome(1, read) == nil)
    guard case .misbehaved(2, _)? = group.node(1).findings.last else {
      Issue.record("\(group.node(1).findings)")
      return
    }
  }

  /// What no correct node says is refused, and the sender named.
  @Test func whatCannotBeIsRefused() {
    let group = CoreGroup(logs: [[1, 2], [1, 2]])
    let bad: [(Message, Term)] = [
      (group.append(to: 1, after: LogPosition(term: 5, index: 1)), 3),
      (group.append(to: 1, after: LogPosition(term: 2, index: 2), terms: [1]), 3),
      (group.append(to: 1, after: LogPosition(term: 2, index: 2), terms: [4]), 3),
      (group.append(to: 1, after: LogPosition(term: 1, index: 0)), 3),
      (.vote(group.vote(of: 1, term: 4, last: LogPosition())), 3),
      (.vote(group.vote(of: 1, term: 3, last: LogPosition(term: 4, index: 1))), 3),
      (.preVote(group.vote(of: 1, term: 3, last: LogPosition())), 3),
      (group.append(to: 1), .max),
    ]
    for (message, term) in bad {
      let before = group.node(1).findings.count
      group.say(message, from: 2, to: 1, term: term)
      #expect(group.node(1).findings.count == before + 1, "\(message)")
      guard case .misbehaved(2, _)? = group.node(1).findings.last else {
        Issue.record("\(group.node(1).findings)")
        continue
      }
    }
    #expect(
      group[1].hardState.term == 2 && group.node(1).terms == [1, 2] && group.inFlight.isEmpty)
  }
}
