// Raft section 7: logs that are compacted, and followers that need what is gone.

import LogFormat
import Raft
import Simulation
import Testing

@Suite struct SnapshotTests {
  private var keepingNothing: RaftOptions {
    var options = RaftOptions()
    options.entriesKept = 0
    options.snapshotChunkBytes = 100
    return options
  }

  /// A leader with a snapshot of everything, and a follower that was down.
  private func group() throws -> CoreGroup {
    let group = CoreGroup(voters: 3, options: keepingNothing)
    group.crash(3)
    try group.elect(1)
    for _ in 0..<20 { _ = group.propose(1) }
    group.deliver()
    group.takeSnapshot(1, bytes: 730)
    try #require(group[1].compacted == 21 && group[1].snapshot?.index == 21)
    return group
  }

  /// "The leader must occasionally send snapshots to followers that lag behind", when "the leader has
  /// already discarded the next log entry that it needs to send".
  @Test func aFollowerThatLagsGetsASnapshot() throws {
    let group = try group()
    group.start(3)
    group.pass(.seconds(1))
    #expect(group[3].applied == 21 && group[3].compacted == 21 && group[3].last.index == 21)
    _ = group.propose(1)
    group.deliver()
    #expect(group[3].commit == 22 && group.finding == nil)
  }

  /// Chunks that are lost are sent again, from where they are missing, and not from the beginning.
  @Test func aTransferGoesOnWhereItStopped() throws {
    let group = try group()
    group.start(3)
    var arrived: [Int: Int] = [:]
    var sent = 0
    while group[3].applied < 21, group.now < .seconds(30) {
      while let i = group.inFlight.indices.first {
        let parcel = group.inFlight.remove(at: i)
        if case .snapshot(let chunk) = parcel.envelope.message {
          sent += 1
          // Every third one is lost.
          if sent % 3 == 0 { continue }
          arrived[chunk.offset, default: 0] += 1
        }
        group.deliver(parcel)
      }
      group.expire(1)
    }
    #expect(group[3].applied == 21 && group.finding == nil)
    #expect(arrived.count >= 4, "a snapshot of \(arrived.count) chunks shows nothing")
    #expect(arrived[0] == 1, "begun again")
  }

  /// A snapshot that could not be installed is asked for again, from its beginning.
  @Test func anInstallThatFailsIsTriedAgain() throws {
    let group = try group()
    group.start(3)
    group.isPrompt = false
    for _ in 0..<20 where !group.node(3).hasInstall {
      group.pass(.milliseconds(30))
      for id in 1...3 as ClosedRange<NodeID> { group.completeWrites(id) }
    }
    try #require(group.node(3).hasInstall)
    group.failInstall(3)
    group.isPrompt = true
    group.pass(.seconds(1))
    #expect(group[3].applied == 21 && group.finding == nil)
  }

  /// What the log has forgotten it still knows the term of, at the boundary (regressions 6 and 9).
  @Test func theBoundaryHasATerm() throws {
    let group = try group()
    group.deliver()
    let proposal = group.propose(1)
    let request = group.said(from: 1, to: 2).first?.append
    #expect(request?.previous == LogPosition(term: 1, index: 21))
    group.deliver()
    #expect(group.outcome(1, proposal) == .done(LogPosition(term: 1, index: 22)))
  }

  private func chunk(
    _ group: CoreGroup, to id: NodeID, at position: LogPosition, members: [NodeID], uid: UInt64 = 5
  ) throws -> CoreParcel {
    let configuration = try Configuration(members.map { CoreGroup.member($0) })
    let info = SnapshotInfo(
      position: position,
      configuration: ConfigurationEntry(index: 0, configuration: configuration),
      uid: UID(high: 1, low: uid), bytes: 10)
    let chunk = SnapshotChunk(
      snapshot: info, offset: 0, bytes: 10, session: Session(boot: group.node(id).boot), contact: 0)
    var parcel = CoreParcel(
      envelope: Envelope(from: 2, to: id, term: 9, .snapshot(chunk)))
    parcel.state = CoreState(applied: position.index, chain: 1)
    return parcel
  }

  /// "If instead the follower receives a snapshot that describes a prefix of its log, then log entries
  /// covered by the snapshot are deleted but entries following the snapshot are still valid and must be
  /// retained"; where the entry at its end has another term, everything goes (regression 23), the
  /// configuration with it.
  @Test(
    arguments: [(LogPosition(term: 2, index: 2), [3, 3]), (LogPosition(term: 4, index: 2), [])]
      as [(LogPosition, [Term])])
  func entriesBehindASnapshotStayIfItsEndAgrees(
    _ position: LogPosition, _ rest: [Term]
  ) throws {
    let group = CoreGroup(logs: [[1, 2, 3, 3], [1]])
    group.deliver(try chunk(group, to: 1, at: position, members: [1, 2, 3]))
    #expect(group.node(1).terms == rest)
    #expect(group[1].compacted == 2 && group[1].commit == 2 && group[1].applied == 2)
    #expect(group[1].last.index == 2 + LogIndex(rest.count))
    let members = group[1].configuration.configuration.members.map(\.id)
    #expect(members == (rest.isEmpty ? [1, 2, 3] : [1, 2]))
    #expect(group.said(from: 1, to: 2).contains { $0.matched == 2 })
  }

  /// A snapshot of what is committed already changes nothing, and says what is.
  @Test func aStaleSnapshotChangesNothing() throws {
    let group = CoreGroup(logs: [[1, 2, 3, 3], [1]])
    group.say(
      group.append(to: 1, after: LogPosition(term: 3, index: 3), commit: 3), from: 2, to: 1, term: 9
    )
    group.drop()
    group.deliver(try chunk(group, to: 1, at: LogPosition(term: 2, index: 2), members: [1]))
    #expect(group[1].compacted == 0 && group[1].configuration.configuration.members.count == 2)
    #expect(group.said(from: 1).first?.matched == 3)
  }

  /// Nothing is taken, nor is there a campaign, while a snapshot is being installed.
  @Test func nothingIsTakenWhileASnapshotIsInstalled() throws {
    let group = CoreGroup(logs: [[1], [1]])
    group.isPrompt = false
    group.deliver(try chunk(group, to: 1, at: LogPosition(term: 2, index: 5), members: [1, 2]))
    group.completeWrites(1)
    group.drop()
    group.say(
      group.append(to: 1, after: LogPosition(term: 1, index: 1), terms: [9]), from: 2, to: 1,
      term: 9)
    #expect(group.said(from: 1).first?.appendReply?.result == .installing)
    #expect(group.node(1).terms == [1])
    group.expire(1)
    #expect(group[1].role == .follower)
    group.completeInstall(1)
    #expect(group[1].commit == 5 && group.node(1).terms == [])
  }

  /// A node that restarts in the middle of a log goes on from its snapshot, and applies nothing twice
  /// (regression 35).
  @Test func aRestartGoesOnFromTheSnapshot() throws {
    let group = try group()
    _ = group.propose(1, count: 5)
    group.deliver()
    group.crash(1)
    group.start(1)
    #expect(group[1].applied == 21 && group[1].last.index == 26)
    group.start(3)
    group.pass(.seconds(4))
    #expect((1...3).allSatisfy { group[$0].applied == group[1].last.index })
    #expect(group[1].last.index >= 26 && group.finding == nil)
  }
}
