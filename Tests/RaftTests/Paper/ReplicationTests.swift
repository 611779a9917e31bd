// Raft section 5.3 and 5.5: how entries get into the logs, and how logs that differ become equal.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct ReplicationTests {
  /// "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in
  /// parallel to each of the other servers to replicate the entry."
  @Test func entriesGoToEverybodyAtOnce() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    group.isPrompt = false
    _ = group.propose(1, count: 3)
    // Before the leader's own disk has them.
    #expect(group[1].durable == 1 && group[1].last.index == 4)
    for peer in [2, 3] as [NodeID] {
      #expect(group.said(from: 1, to: peer).first?.append?.entries?.indices == 2...4)
    }
  }

  /// "A log entry is committed once the leader that created the entry has replicated it on a majority of
  /// the servers." The leader's own disk counts like any other.
  @Test(arguments: [[1, 2], [2, 3], [1, 3], [1, 2, 3]] as [[NodeID]])
  func aMajorityCommits(_ disks: [NodeID]) throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    group.isPrompt = false
    let proposal = group.propose(1)
    group.deliver()
    for id in disks {
      #expect(group[1].commit == 1 || id == disks.last! || disks.count == 3)
      group.completeWrites(id)
      group.deliver()
    }
    #expect(group[1].commit == 2)
    #expect(group.outcome(1, proposal) == .done(LogPosition(term: 1, index: 2)))
    #expect(group.finding == nil)
  }

  /// "Once a follower learns that a log entry is committed, it applies the entry to its local state
  /// machine (in log order)": without another proposal, and not further than it was told.
  @Test func followersLearnWhatIsCommitted() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    for _ in 0..<10 { _ = group.propose(1, count: 2) }
    group.deliver()
    #expect((1...3).allSatisfy { group[$0].applied == 21 })
    #expect(group.finding == nil)
  }

  /// "This also commits all preceding entries in the leader's log, including entries created by previous
  /// leaders."
  @Test func anEntryCommitsThoseBeforeIt() throws {
    let group = CoreGroup(logs: [[1, 1, 2], [1, 1], [1]])
    try group.elect(1)
    #expect(group[1].commit == 4 && group[1].hardState.term == 3)
    #expect((1...3).allSatisfy { group.node($0).terms == [1, 1, 2, 3] })
  }

  /// "If the follower does not find an entry in its log with the same index and term, then it refuses the
  /// new entries."
  @Test(
    arguments: [
      (LogPosition(term: 2, index: 2), true), (LogPosition(term: 1, index: 2), false),
      (LogPosition(term: 2, index: 3), false), (LogPosition(term: 1, index: 1), true),
      (LogPosition(), true),
    ])
  func theEntryBeforeHasToMatch(_ previous: LogPosition, _ isTaken: Bool) {
    let group = CoreGroup(logs: [[1, 2], [1, 2]])
    group.say(group.append(to: 1, after: previous, terms: [3]), from: 2, to: 1, term: 3)
    let answer = group.said(from: 1, to: 2).first
    #expect(answer?.matched == (isTaken ? previous.index + 1 : nil))
    #expect(answer?.rejectedPrevious == (isTaken ? nil : previous.index))
    #expect((group.node(1).terms.last == 3) == isTaken)
  }

  /// "If an existing entry conflicts with a new one (same index but different terms), delete the existing
  /// entry and all that follow it. Append any new entries not already in the log." (figure 2)
  @Test(
    arguments: [
      (2, 2, [3], [1, 2, 3]), (1, 1, [3, 4], [1, 3, 4]), (0, 0, [1], [1, 2, 2]),
      (1, 1, [2, 2], [1, 2, 2]), (3, 2, [], [1, 2, 2]), (0, 0, [3], [3]),
    ] as [(LogIndex, Term, [Term], [Term])])
  func whatConflictsIsReplaced(
    _ index: LogIndex, _ term: Term, _ terms: [Term], _ result: [Term]
  ) {
    let group = CoreGroup(logs: [[1, 2, 2], [1]])
    group.say(
      group.append(to: 1, after: LogPosition(term: term, index: index), terms: terms), from: 2,
      to: 1, term: 4)
    #expect(group.node(1).terms == result)
    #expect(group.said(from: 1, to: 2).first?.matched == index + LogIndex(terms.count))
  }

  /// Figure 7: whatever a follower has, it ends with the leader's log.
  @Test(
    arguments: [
      [1, 1, 1, 4, 4, 5, 5, 6, 6], [1, 1, 1, 4], [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7], [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3], [],
    ] as [[Term]])
  func followersOfFigure7(_ log: [Term]) throws {
    let leader: [Term] = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
    let group = CoreGroup(logs: [leader, log, leader], terms: [7, 7, 7])
    group.expire(1)
    group.deliver()
    try #require(group[1].role == .leader && group[1].hardState.term == 8)
    #expect(group.node(2).terms == leader + [8])
    #expect(group.node(1).terms == leader + [8], "a leader changes nothing of its own")
    #expect(group.finding == nil)
  }

  /// "A more sophisticated implementation [...] one AppendEntries RPC will be required for each term with
  /// conflicting entries, rather than one RPC per entry."
  @Test func logsThatDifferMeetInAMessageATerm() throws {
    let common = [Term](repeating: 1, count: 10)
    let group = CoreGroup(
      logs: [
        common + [Term](repeating: 5, count: 300),
        common + [Term](repeating: 3, count: 200)
          + [Term](repeating: 4, count: 200), common,
      ])
    group.expire(1)
    group.deliver {
      !($0.from == 1 && $0.to == 2 && $0.append != nil) && !($0.from == 2) || $0.preVoteReply != nil
        || $0.voteReply != nil
    }
    try #require(group[1].role == .leader)
    var rejections = 0
    while let i = group.inFlight.firstIndex(where: { _ in true }) {
      let parcel = group.inFlight.remove(at: i)
      if parcel.envelope.from == 2, parcel.envelope.rejectedPrevious != nil { rejections += 1 }
      group.deliver(parcel)
    }
    #expect(rejections >= 1 && rejections <= 3, "\(rejections) rejections")
    #expect(group.node(2).terms == group.node(1).terms && group.finding == nil)
  }

  /// "If followers crash or run slowly, or if network packets are lost, the leader retries AppendEntries
  /// RPCs indefinitely" (5.3), and "Raft RPCs are idempotent" (5.5).
  @Test func whatIsLostIsSentAgainAndTwiceIsAsGoodAsOnce() throws {
    let group = CoreGroup(voters: 3)
    try group.elect(1)
    for _ in 0..<5 { _ = group.propose(1) }
    group.deliver { $0.to != 2 }
    group.drop()
    #expect(group[1].commit == 6 && group[2].last.index == 1)
    group.inFlight += group.inFlight
    group.pass(.milliseconds(200))
    #expect(group[2].commit == 6 && group.node(2).terms == group.node(1).terms)
    group.crash(3)
    _ = group.propose(1)
    group.pass(.seconds(2))
    group.start(3)
    group.pass(.seconds(1))
    #expect(group[3].commit == group[1].commit && group[3].commit >= 7 && group.finding == nil)
  }

  // MARK: Windows

  /// Messages follow each other without waiting for answers, as many as the window allows.
  @Test(arguments: [1, 4, 10])
  func asManyMessagesAreOutAsTheWindowHas(_ window: Int) throws {
    var options = RaftOptions()
    options.inflightMessagesMax = window
    options.messageBytesMax = 100
    let group = CoreGroup(voters: 3, options: options)
    try group.elect(1)
    for _ in 0..<20 { _ = group.propose(1, bytes: 100) }
    let sent = group.said(from: 1, to: 2).filter { $0.append?.entries != nil }
    #expect(sent.count == window)
    let peer = try #require(group[1].peers.first { $0.id == 2 })
    #expect(peer.inflightMessages == window && peer.inflightBytes == window * 100)
    group.deliver()
    #expect(group[1].peers.allSatisfy { $0.inflightBytes == 0 && $0.inflightMessages == 0 })
    #expect(group[2].commit == 21)
  }

  @Test func noMoreBytesAreOutThanTheWindowHas() throws {
    var options = RaftOptions()
    options.inflightBytesMax = 1000
    options.messageBytesMax = 300
    let group = CoreGroup(voters: 3, options: options)
    try group.elect(1)
    for _ in 0..<50 { _ = group.propose(1, bytes: 100) }
    let bytes = group[1].peers.map(\.inflightBytes)
    #expect(bytes.allSatisfy { $0 > 700 && $0 <= 1000 }, "\(bytes)")
    group.deliver()
    #expect(group[3].commit == 51 && group.finding == nil)
  }

  /// Proposals are refused while too much waits to be committed, and one always fits.
  @Test func whatWaitsIsLimited() throws {
    var options = RaftOptions()
    options.uncommittedBytesMax = 1000
    let group = CoreGroup(voters: 3, options: options)
    try group.elect(1)
    let large = group.propose(1, bytes: 5000)
    let refused = group.propose(1, bytes: 1)
    #expect(
      group.outcome(1, refused) == .refused(.overloaded(waiting: 5000, limit: 1000)))
    group.deliver()
    #expect(group.outcome(1, large) == .done(LogPosition(term: 1, index: 2)))
    let next = group.propose(1, bytes: 1000)
    group.deliver()
    #expect(group.outcome(1, next) == .done(LogPosition(term: 1, index: 3)))
  }

  /// Entries that are not in memory are read first, and sent as they were.
  @Test func whatIsNotInMemoryIsRead() throws {
    var options = RaftOptions()
    options.tailBytesMax = 1
    options.messageBytesMax = 500
    let group = CoreGroup(voters: 3, options: options)
    group.crash(3)
    try group.elect(1)
    for _ in 0..<40 { _ = group.propose(1) }
    group.deliver()
    group.start(3)
    group.pass(.seconds(2))
    #expect(group[3].commit == 41 && group.node(3).terms == group.node(1).terms)
    #expect(group.finding == nil)
  }

  /// The term fences a proposal, and only a leader takes one.
  @Test func aProposalThatCannotBeTakenSaysWhy() throws {
    let group = CoreGroup(voters: 3)
    let early = group.propose(1)
    #expect(group.outcome(1, early) == .refused(.notLeader(hint: nil)))
    try group.elect(1)
    let elsewhere = group.propose(2)
    #expect(group.outcome(2, elsewhere) == .refused(.notLeader(hint: 1)))
    let fenced = group.propose(1, fence: 7)
    #expect(group.outcome(1, fenced) == .refused(.fenced(current: 1)))
    let empty = group.propose(1, count: 0)
    #expect(group.outcome(1, empty) == .refused(.malformed))
    let right = group.propose(1, fence: 1)
    group.deliver()
    #expect(group.outcome(1, right) == .done(LogPosition(term: 1, index: 2)))
  }
}
