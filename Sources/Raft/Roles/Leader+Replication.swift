// Replication: what followers are sent, and what their answers mean (Raft section 5.3).
//
// What must always hold: a follower is sent what comes next for it, within its windows; no answer that
// comes late moves its match index back, or moves it at all if it belongs to an earlier membership or
// life.

import LogFormat

extension Leader {
  mutating func replicateAll(_ server: inout ServerState) {
    for i in peers.indices { replicate(i, &server) }
  }

  /// Sends a follower as much of what it lacks as may be on its way.
  mutating func replicate(_ i: Int, _ server: inout ServerState) {
    while true {
      switch peers[i].state {
      case .probing(isWaiting: true): return
      case .probing(isWaiting: false):
        guard peers[i].session.boot != nil else {
          // It answers with the life that it is in.
          peers[i].waitForAnswer()
          sendHeartbeat(i, &server)
          return
        }
        guard needsNoSnapshot(i, &server) else { continue }
        guard peers[i].next <= server.log.last.index else {
          peers[i].waitForAnswer()
          sendHeartbeat(i, &server)
          return
        }
        guard sendEntries(i, bytesMax: server.options.messageBytesMax, &server) else { return }
      case .replicating:
        guard peers[i].next <= server.log.last.index else { return }
        guard needsNoSnapshot(i, &server) else { continue }
        guard let room = peers[i].inflights.room(server.options),
          sendEntries(i, bytesMax: min(room, server.options.messageBytesMax), &server)
        else { return }
      case .snapshot:
        guard sendChunk(i, &server) else { return }
      }
    }
  }

  /// Sees whether the log still has the entry before the next one.
  private mutating func needsNoSnapshot(_ i: Int, _ server: inout ServerState) -> Bool {
    guard peers[i].next - 1 < server.log.compacted else { return true }
    guard let snapshot = server.log.snapshot else {
      preconditionFailure("a log was compacted without a snapshot")
    }
    peers[i].send(snapshot)
    return false
  }

  /// - Returns: false if the entries have to be read first.
  private mutating func sendEntries(
    _ i: Int, bytesMax: Int, _ server: inout ServerState
  ) -> Bool {
    guard peers[i].fetch == nil else { return false }
    guard let slice = server.log.slice(from: peers[i].next, bytesMax: bytesMax) else {
      let fetch = server.newFetch()
      peers[i].began(fetch)
      server.effects.append(
        .fetch(fetch, for: peers[i].id, after: peers[i].next - 1, bytesMax: bytesMax))
      return false
    }
    send(slice, to: i, &server)
    return true
  }

  private mutating func send(_ slice: LogSlice?, to i: Int, _ server: inout ServerState) {
    let previous = server.log.position(at: peers[i].next - 1)!
    let request = AppendRequest(
      previous: previous, entries: slice, commit: server.log.commit, session: peers[i].session,
      contact: peers[i].contact, acknowledged: peers[i].acknowledged, round: reads.round)
    if let slice { peers[i].sent(slice) }
    peers[i].toldCommit = server.log.commit
    server.send(.append(request), to: peers[i].id)
  }

  /// Entries that were not in memory were read: they are sent if they are still what comes next.
  mutating func fetched(
    _ fetch: FetchID, last: LogIndex, bytes: Int, _ server: inout ServerState
  ) {
    guard let i = peers.firstIndex(where: { $0.fetch == fetch }), peers[i].ended(fetch),
      last >= peers[i].next, peers[i].next > server.log.compacted
    else { return }
    let end = min(last, server.log.last.index)
    send(server.log.slice(peers[i].next...end, bytes: bytes), to: i, &server)
    replicate(i, &server)
  }

  // MARK: Heartbeats

  /// Makes itself heard, and finds out what was lost on the way.
  mutating func heartbeat(_ i: Int, _ server: inout ServerState) {
    switch peers[i].state {
    case .probing, .replicating: sendHeartbeat(i, &server)
    case .snapshot(var transfer):
      transfer.retryIfStuck(server.options)
      peers[i].advance(transfer)
      sendHeartbeat(i, &server)
      replicate(i, &server)
    }
  }

  /// An AppendEntries without entries: in front of what comes next, so that a gap shows.
  func sendHeartbeat(_ i: Int, _ server: inout ServerState) {
    // A follower without the front of the log is asked for nothing.
    let previous = server.log.position(at: peers[i].next - 1) ?? LogPosition()
    let request = AppendRequest(
      previous: previous, commit: server.log.commit, session: peers[i].session,
      contact: peers[i].contact, acknowledged: peers[i].acknowledged, round: reads.round)
    server.send(.append(request), to: peers[i].id)
  }

  /// Tells followers of a commit index that no message with entries has told them.
  mutating func tellCommit(_ server: inout ServerState) {
    for i in peers.indices { tellCommit(i, &server) }
  }

  private mutating func tellCommit(_ i: Int, _ server: inout ServerState) {
    guard peers[i].toldCommit < server.log.commit, peers[i].state == .replicating else { return }
    peers[i].toldCommit = server.log.commit
    sendHeartbeat(i, &server)
  }

  // MARK: Answers

  /// - Returns: why this node leads no longer, if it does not.
  mutating func receive(
    _ reply: AppendReply, from id: NodeID, _ server: inout ServerState
  ) -> Resignation? {
    guard let i = position(of: id), reply.session.addedAt == peers[i].session.addedAt,
      let boot = reply.session.boot
    else { return nil }
    switch peers[i].meet(boot, last: server.log.last.index) {
    case .known: break
    case .new:
      // What it said is about a life that this leader had not met.
      peers[i].heard = server.now
      replicate(i, &server)
      return nil
    case .over: return nil
    case .twin:
      server.effects.append(
        .misbehaved(id, "two lives of it are going on: its directory was copied or restored"))
      return nil
    }
    peers[i].heard = server.now
    confirm(i, round: reply.round, &server)
    switch reply.result {
    case .matched(let index): return matched(i, index, &server)
    case .rejected(let previous, let hint): rejected(i, previous: previous, hint, &server)
    case .installing:
      guard case .snapshot(var transfer) = peers[i].state else { break }
      transfer.beingInstalled()
      peers[i].advance(transfer)
    case .otherLife, .earlierTerm: break
    }
    return nil
  }

  private mutating func matched(
    _ i: Int, _ index: LogIndex, _ server: inout ServerState
  ) -> Resignation? {
    guard index <= server.log.last.index else {
      server.effects.append(
        .misbehaved(
          peers[i].id, "it acknowledges entry \(index), and the log ends at \(server.log.last)"))
      return nil
    }
    let id = peers[i].id
    let isNews = peers[i].matched(index, term: server.log.terms.term(at: index))
    switch peers[i].state {
    case .probing: peers[i].replicate()
    case .replicating: break
    case .snapshot(let transfer):
      // Enough to go on with, or all that this snapshot has: the log may have forgotten more since.
      if index >= min(server.log.compacted, transfer.snapshot.position.index) {
        peers[i].replicate()
      }
    }
    if isNews, let resignation = commit(&server) { return resignation }
    // A change of members that was committed just now may have taken it out.
    if let i = position(of: id) {
      replicate(i, &server)
      tellCommit(i, &server)
    }
    continueTransfer(&server)
    return nil
  }

  private mutating func rejected(
    _ i: Int, previous: LogIndex, _ hint: LogPosition, _ server: inout ServerState
  ) {
    switch peers[i].state {
    case .snapshot: return
    case .probing:
      // An answer to an earlier probe says nothing about this one.
      guard previous == peers[i].next - 1 else { return }
    case .replicating:
      guard previous > peers[i].match else { return }
    }
    let common = server.log.terms.lastPosition(
      upTo: min(hint.index, server.log.last.index), termAtMost: hint.term)
    peers[i].probe(from: min(previous, common.index + 1))
    replicate(i, &server)
  }

  mutating func unreachable(_ id: NodeID) {
    guard let i = position(of: id), case .replicating = peers[i].state else { return }
    peers[i].probe(from: peers[i].match + 1)
  }
}
