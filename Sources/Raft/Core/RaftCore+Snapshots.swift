// Snapshots: how a node that lacks what its leader has forgotten gets a state instead (Raft section 7).
//
// What must always hold: a snapshot of what is committed here already changes nothing; the log begins
// anew only when the snapshot is durable, verified and restored, and acknowledges only then.

import LogFormat

extension RaftCore {
  /// A chunk from the leader of this term, which was heard.
  mutating func receive(_ chunk: SnapshotChunk, from leader: NodeID) {
    var reply = AppendReply(
      .otherLife, session: Session(addedAt: chunk.session.addedAt, boot: server.boot))
    guard chunk.session.boot == server.boot else {
      server.send(.appendReply(reply), to: leader)
      return
    }
    follow { follower, _ in
      follower.meets(chunk)
      return nil
    }
    guard !server.isInstalling else {
      reply.result = .installing
      server.send(.appendReply(reply), to: leader)
      return
    }
    guard chunk.snapshot.position.index > server.log.commit else {
      reply.result = .matched(min(server.log.commit, server.log.durable))
      server.send(.appendReply(reply), to: leader)
      return
    }
    take(chunk)
    if let reception = server.reception {
      let reply = SnapshotReply(
        uid: reception.snapshot.uid, received: reception.received, session: chunk.session)
      server.send(.snapshotReply(reply), to: leader)
    }
  }

  private mutating func take(_ chunk: SnapshotChunk) {
    if server.reception?.snapshot != chunk.snapshot {
      server.reception = SnapshotReception(chunk.snapshot)
    }
    guard server.reception?.take(chunk) ?? false else { return }
    server.effects.append(.store(chunk))
    guard server.reception?.isComplete ?? false else { return }
    server.reception?.install()
    server.effects.append(.install(chunk.snapshot))
  }

  mutating func installed(_ uid: UID) {
    guard !isHalted, let reception = server.reception, reception.isInstalling,
      reception.snapshot.uid == uid
    else { return }
    server.reception = nil
    server.restart(reception.snapshot)
    follow { follower, server in
      follower.installed(&server)
      return nil
    }
  }

  mutating func installFailed(_ uid: UID) {
    // It is asked for again from its beginning.
    if server.reception?.snapshot.uid == uid { server.reception = nil }
  }
}
