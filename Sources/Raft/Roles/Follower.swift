// Follower: answers, and waits for a leader to be heard of (Raft section 5.2).
//
// What must always hold: `verified` is a prefix that this log has in common with `leader`'s, and only
// such a prefix is ever acknowledged or committed (scylladb#9965).

import LogFormat

struct Follower: ~Copyable {
  /// A read of this node's that the leader was asked about.
  struct Read {
    var id: RequestID
    var deadline: Duration
  }

  /// The leader of this term; nil until it is heard of.
  private(set) var leader: NodeID? = nil
  /// When the leader was last heard of.
  private(set) var heard: Duration?
  /// When to campaign.
  private(set) var electionDeadline: Duration
  /// What this log has in common with the leader's.
  private(set) var verified: LogIndex = 0
  /// The request of the leader that names this life and this membership.
  private(set) var session = Session()
  /// The leader's last index when it met this life.
  private(set) var contact: LogIndex = 0
  /// In the order of their deadlines.
  private(set) var reads: [Read] = []

  /// - Parameter deadline: when to campaign; nil for an election timeout from now.
  init(campaignAt deadline: Duration?, _ server: inout ServerState) {
    electionDeadline = deadline ?? server.now + server.electionTimeout()
  }

  var deadline: Duration { min(electionDeadline, reads.first?.deadline ?? electionDeadline) }

  /// True while another candidate has to wait: a leader is there (dissertation 4.2.3 and 6.4).
  func holdsToLeader(_ server: borrowing ServerState) -> Bool {
    guard server.options.checkQuorum, let heard, leader != nil else { return false }
    return server.now < heard + server.options.electionTimeout
  }

  mutating func restartTimer(_ server: inout ServerState) {
    electionDeadline = server.now + server.electionTimeout()
  }

  /// Campaigns as soon as time is looked at.
  mutating func expire(at now: Duration) { electionDeadline = now }

  /// The leader of this term said something.
  mutating func heard(_ leader: NodeID, _ server: inout ServerState) {
    if self.leader != leader {
      self.leader = leader
      verified = 0
      session = Session()
      server.effects.append(.role(.follower, server.term, leader: leader))
    }
    heard = server.now
    server.failedElections = 0
    restartTimer(&server)
  }

  // MARK: AppendEntries

  /// Answers an AppendEntries of the current leader.
  ///
  /// - Returns: why this node cannot go on, if it cannot.
  mutating func receive(
    _ request: AppendRequest, from leader: NodeID, _ server: inout ServerState
  ) -> HaltReason? {
    var reply = AppendReply(
      .otherLife, session: Session(addedAt: request.session.addedAt, boot: server.boot),
      round: request.round)
    guard request.session.boot == server.boot else {
      server.send(.appendReply(reply), to: leader)
      return nil
    }
    // What the leader had at first contact counts whatever else becomes of this message.
    session = request.session
    contact = request.contact
    guard !server.isInstalling else {
      reply.result = .installing
      server.send(.appendReply(reply), to: leader)
      return nil
    }
    markIfForgotten(request, &server)
    if let index = server.log.conflictBelowCommit(with: request) {
      return .conflictBelowCommit(index, commit: server.log.commit)
    }
    guard request.previous.index >= server.log.commit else {
      return accept(request.beginning(behind: server.log), reply, from: leader, &server)
    }
    guard server.log.contains(request.previous) else {
      reply.result = .rejected(
        previous: request.previous.index, hint: server.log.hint(against: request.previous))
      server.send(.appendReply(reply), to: leader)
      return nil
    }
    return accept(request, reply, from: leader, &server)
  }

  /// Takes the entries of a request whose `previous` this log has, and acknowledges them.
  private mutating func accept(
    _ request: AppendRequest, _ reply: AppendReply, from leader: NodeID,
    _ server: inout ServerState
  ) -> HaltReason? {
    if let entries = request.entries, let start = server.log.terms.firstDifference(from: entries) {
      verified = min(verified, start - 1)
      server.append(entries.suffix(from: start), from: .received)
    }
    verified = max(verified, request.entries?.last ?? request.previous.index)
    server.commit(through: min(request.commit, verified))
    acknowledge(request, reply, to: leader, &server)
    liftMark(&server)
    return nil
  }

  /// Says at once what is durable, and the rest as soon as it is.
  private func acknowledge(
    _ request: AppendRequest, _ reply: AppendReply, to leader: NodeID,
    _ server: inout ServerState
  ) {
    var reply = reply
    let last = request.entries?.last ?? request.previous.index
    guard last > server.log.durable else {
      reply.result = .matched(last)
      server.send(.appendReply(reply), to: leader)
      return
    }
    if request.entries == nil {
      // A heartbeat is answered even while the disk takes its time.
      reply.result = .matched(min(last, server.log.durable))
      server.send(.appendReply(reply), to: leader)
    } else {
      reply.result = .matched(last)
      guard let write = server.writes.write(covering: last) else {
        preconditionFailure("entry \(last) is neither durable nor on its way to the disk")
      }
      server.send(.appendReply(reply), to: leader, after: write)
    }
  }

  /// The leader remembers what this node acknowledged to it in an earlier life. If that is not here,
  /// then it was lost, and with it perhaps more.
  private func markIfForgotten(_ request: AppendRequest, _ server: inout ServerState) {
    guard let acknowledged = request.acknowledged,
      acknowledged.index > server.log.commit, !server.log.contains(acknowledged)
    else { return }
    let mark = Mark(term: server.term, mayHaveHeld: nil)
    guard server.mark != mark else { return }
    server.mark = mark
    server.effects.append(.mark(mark))
  }

  /// A member that may have forgotten is whole again when it has, durably, all that a leader of no
  /// older term had when it met this life, and an entry of that leader's own term.
  mutating func liftMark(_ server: inout ServerState) {
    guard let mark = server.mark, leader != nil, server.term >= mark.term else { return }
    let matched = min(verified, server.log.durable)
    guard matched >= contact, server.log.terms.term(at: matched) == server.term else { return }
    server.mark = nil
    server.effects.append(.mark(nil))
  }

  /// A snapshot took the place of the front of the log.
  mutating func installed(_ server: inout ServerState) {
    // What was verified behind it may be gone.
    verified = server.log.commit
    guard let leader else { return }
    let reply = AppendReply(.matched(server.log.commit), session: answering(server))
    server.send(.appendReply(reply), to: leader)
    liftMark(&server)
  }

  /// The leader's session, with this life's boot.
  func answering(_ server: borrowing ServerState) -> Session {
    Session(addedAt: session.addedAt, boot: server.boot)
  }

  /// The leader's chunk of a snapshot names the session too.
  mutating func meets(_ chunk: SnapshotChunk) {
    session = chunk.session
    contact = chunk.contact
  }

  // MARK: Reads

  /// Asks the leader for an index to read at.
  mutating func read(_ id: RequestID, _ server: inout ServerState) {
    guard let leader else {
      server.effects.append(.readFailed(id, .notLeader(hint: nil)))
      return
    }
    let limit = server.options.waitingReadsMax
    guard reads.count < limit else {
      server.effects.append(.readFailed(id, .overloaded(waiting: reads.count, limit: limit)))
      return
    }
    reads.append(Read(id: id, deadline: server.now + server.options.electionTimeout))
    server.send(.read(ReadRequest(id: id, boot: server.boot)), to: leader)
  }

  mutating func receive(_ reply: ReadReply, from leader: NodeID, _ server: inout ServerState) {
    guard leader == self.leader, reply.boot == server.boot,
      let i = reads.firstIndex(where: { $0.id == reply.id })
    else { return }
    reads.remove(at: i)
    if let index = reply.index {
      server.effects.append(.readReady(reply.id, at: index))
    } else {
      server.effects.append(.readFailed(reply.id, .notLeader(hint: nil)))
    }
  }

  /// Gives up on reads whose time has come, or on all of them.
  mutating func failReads(_ refusal: Refusal, dueBy time: Duration?, _ server: inout ServerState) {
    let failed = time.map { time in reads.prefix { $0.deadline <= time } } ?? reads[...]
    for read in failed { server.effects.append(.readFailed(read.id, refusal)) }
    reads.removeFirst(failed.count)
  }
}

extension AppendRequest {
  /// The same, without the entries that are committed in `log`.
  fileprivate func beginning(behind log: ReplicaLog) -> AppendRequest {
    var rest = self
    rest.previous = log.position(at: log.commit)!
    rest.entries = entries.flatMap {
      $0.last > log.commit ? $0.suffix(from: log.commit + 1) : nil
    }
    return rest
  }
}

extension ReplicaLog {
  /// The first entry that is committed here and differs from what a leader has there. Every leader has
  /// what is committed ("Leader Completeness"): this one should not be.
  func conflictBelowCommit(with request: AppendRequest) -> LogIndex? {
    let previous = request.previous
    if previous.index >= compacted, previous.index <= commit, !contains(previous) {
      return previous.index
    }
    guard previous.index < commit, let entries = request.entries, entries.last > compacted,
      let index = terms.firstDifference(from: entries.suffix(from: compacted + 1))
    else { return nil }
    if index <= commit { return index }
    // Terms do not fall: one that goes on with an earlier term has something else before that.
    let next = entries.runs.last { $0.firstIndex <= commit + 1 }
    return entries.last > commit && next!.term < terms.term(at: commit)! ? commit : nil
  }

  /// The last entry that this log may have in common with one that has `position`. What is committed
  /// is common to all.
  func hint(against position: LogPosition) -> LogPosition {
    let found = terms.lastPosition(
      upTo: min(position.index, last.index), termAtMost: position.term)
    return found.index >= commit ? found : self.position(at: commit)!
  }
}
