// Snapshots on their way: what the leader sends to a follower that lacks what the log has forgotten
// (Raft section 7).

import LogFormat

extension Leader {
  /// Sends the next chunk, if one may be sent.
  mutating func sendChunk(_ i: Int, _ server: inout ServerState) -> Bool {
    guard case .snapshot(var transfer) = peers[i].state,
      let range = transfer.next(server.options)
    else { return false }
    let chunk = SnapshotChunk(
      snapshot: transfer.snapshot, offset: range.lowerBound, bytes: range.count,
      session: peers[i].session, contact: peers[i].contact)
    transfer.sent(through: range.upperBound)
    peers[i].advance(transfer)
    server.send(.snapshot(chunk), to: peers[i].id)
    return true
  }

  mutating func receive(
    _ reply: SnapshotReply, from id: NodeID, _ server: inout ServerState
  ) {
    guard let i = position(of: id), reply.session == peers[i].session else { return }
    peers[i].heard = server.now
    guard case .snapshot(var transfer) = peers[i].state, transfer.snapshot.uid == reply.uid else {
      return
    }
    guard transfer.received(through: reply.received) else {
      server.effects.append(
        .misbehaved(
          id, "it has \(reply.received) bytes of a snapshot of \(transfer.snapshot.bytes)"))
      return
    }
    peers[i].advance(transfer)
    replicate(i, &server)
  }

  /// A snapshot cannot be read any more: whoever was being sent it begins with the newest one.
  mutating func snapshotGone(_ uid: UID, _ server: inout ServerState) {
    for i in peers.indices {
      guard case .snapshot(let transfer) = peers[i].state, transfer.snapshot.uid == uid else {
        continue
      }
      peers[i].probe(from: peers[i].next)
      // Nothing else can be sent while that is the newest: it is tried again with the next heartbeat.
      if server.log.snapshot?.uid == uid { peers[i].waitForAnswer() }
      replicate(i, &server)
    }
  }
}
