// Reads: at which index a read is linearizable (ReadIndex, dissertation 6.4).
//
// What must always hold: an index is given only by a leader that has committed an entry of its own term
// (etcd#7331), and after a majority has said, later than the read came, that it leads.

import LogFormat

extension Leader {
  mutating func read(_ reader: Reader, _ server: inout ServerState) {
    guard !reads.contains(reader) else { return }
    // One peer that asks without end leaves room for the others, and for this node.
    var limit = server.options.waitingReadsMax
    if case .follower = reader { limit = max(1, limit / max(1, peers.count)) }
    let count = reads.count(besides: reader)
    guard count < limit else {
      refuse(reader, .overloaded(waiting: count, limit: limit), &server)
      return
    }
    reads.add(reader, at: server.now)
    startReads(&server)
  }

  /// Asks everybody whether this node still leads, if somebody waits for that.
  mutating func startReads(_ server: inout ServerState) {
    guard isEstablished(server), reads.begin(commit: server.log.commit) else { return }
    for i in peers.indices { sendHeartbeat(i, &server) }
    finishReads(&server)
  }

  mutating func confirm(_ i: Int, round: UInt64, _ server: inout ServerState) {
    guard round > peers[i].confirmedRound, round <= reads.round else { return }
    peers[i].confirmedRound = round
    finishReads(&server)
  }

  /// Reads that have waited for an election timeout get no index: followers may answer heartbeats while
  /// their disks keep this leader from its first commitment.
  mutating func expireReads(_ server: inout ServerState) {
    guard let deadline = readDeadline(server), server.now >= deadline else { return }
    let late = reads.removeAll(
      before: server.now - server.options.electionTimeout + .nanoseconds(1))
    for reader in late { refuse(reader, .timedOut, &server) }
    startReads(&server)
  }

  func readDeadline(_ server: borrowing ServerState) -> Duration? {
    reads.oldestSince.map { $0 + server.options.electionTimeout }
  }

  mutating func finishReads(_ server: inout ServerState) {
    let agreed = quorum.agreedIndex { id in
      id == server.id ? reads.round : progress(of: id)?.confirmedRound ?? 0
    }
    guard let agreed, let done = reads.confirmed(agreed) else { return }
    for reader in done.readers { answer(reader, done.index, &server) }
    startReads(&server)
  }

  private func answer(_ reader: Reader, _ index: LogIndex, _ server: inout ServerState) {
    switch reader {
    case .local(let id): server.effects.append(.readReady(id, at: index))
    case .follower(let node, let request):
      let reply = ReadReply(id: request.id, boot: request.boot, index: index)
      server.send(.readReply(reply), to: node)
    }
  }

  func refuse(_ reader: Reader, _ refusal: Refusal, _ server: inout ServerState) {
    switch reader {
    case .local(let id): server.effects.append(.readFailed(id, refusal))
    case .follower(let node, let request):
      let reply = ReadReply(id: request.id, boot: request.boot, index: nil)
      server.send(.readReply(reply), to: node)
    }
  }
}
