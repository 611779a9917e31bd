// Invariants: what holds after every step of every node, in every build.
//
// A broken one is a defect of this program: the node halts, and says which. It costs a few comparisons
// a step, and a look at each of its effects.

import LogFormat

/// What a step may only move forward.
struct Standing {
  let hardState: HardState
  let commit: LogIndex
  let applied: LogIndex
  let compacted: LogIndex
  let last: LogIndex
  let isLeader: Bool

  init(_ core: borrowing RaftCore) {
    hardState = core.server.hardState
    commit = core.server.log.commit
    applied = core.server.log.applied
    compacted = core.server.log.compacted
    last = core.server.log.last.index
    isLeader = core.role.kind == .leader
  }
}

extension RaftCore {
  /// The rule that the last step broke; nil if it broke none.
  func violation(since before: Standing) -> String? {
    brokenOrder ?? brokenDirection(since: before) ?? brokenLeadership(since: before)
  }

  private var brokenOrder: String? {
    let log = server.log
    let snapshot = log.snapshot?.position.index ?? log.compacted
    let order = [log.compacted, snapshot, log.applied, log.commit, log.last.index]
    for (a, b) in zip(order, order.dropFirst()) where a > b {
      return "compacted <= snapshot <= applied <= commit <= last, but these are \(order)"
    }
    if log.applied > log.durable {
      return "applied \(log.applied), of which \(log.durable) durable"
    }
    if log.durable > log.last.index { return "durable \(log.durable) behind the last \(log.last)" }
    if log.tail.lastIndex != log.last.index {
      return "sizes are known up to \(log.tail.lastIndex), and the log ends at \(log.last)"
    }
    return nil
  }

  /// A vote or an acknowledgement of this step that may leave before what it says is durable.
  func brokenPromise(from first: Int) -> String? {
    for case .send(let envelope, let write) in server.effects[first...] {
      switch envelope.message {
      case .appendReply(let reply):
        guard case .matched(let index) = reply.result, index > server.log.durable else { continue }
        guard let write, let needed = server.writes.write(covering: index), needed <= write else {
          return "entry \(index) is acknowledged before it is durable"
        }
      case .voteReply(let reply) where reply.isGranted:
        guard let needed = server.writes.hardState else { continue }
        guard let write, needed <= write else { return "a vote is given before it is durable" }
      default: continue
      }
    }
    return nil
  }

  private func brokenDirection(since before: Standing) -> String? {
    let now = server.hardState
    if now.term < before.hardState.term {
      return "the term went back from \(before.hardState.term)"
    }
    if now.term == before.hardState.term, let vote = before.hardState.vote, now.vote != vote {
      return "the vote for \(vote) in term \(now.term) was changed"
    }
    if server.log.commit < before.commit { return "the commit index went back" }
    if server.log.applied < before.applied { return "the applied index went back" }
    if server.log.compacted < before.compacted { return "the log grew at its front" }
    return nil
  }

  private func brokenLeadership(since before: Standing) -> String? {
    switch role {
    case .leader(let leader): brokenLeadership(leader, since: before)
    default: nil
    }
  }

  private func brokenLeadership(_ leader: borrowing Leader, since before: Standing) -> String? {
    if leader.term != server.term { return "a leader of term \(leader.term) in \(server.term)" }
    if before.isLeader, before.hardState.term == server.term, server.log.last.index < before.last {
      return "a leader truncated its own log"
    }
    if leader.uncommittedBytes < 0 { return "fewer than no bytes are uncommitted" }
    return brokenConfiguration(leader) ?? brokenProgress(leader)
  }

  private func brokenConfiguration(_ leader: borrowing Leader) -> String? {
    let entries = server.log.configurations.entries
    // Before that it does not know how much of its log was committed long ago.
    if leader.isEstablished(server), entries.count > 1,
      entries[entries.count - 2].index > server.log.commit
    {
      return "two configurations are uncommitted"
    }
    if leader.configuration.index != server.log.configurations.latest.index {
      return "the leader's configuration is not the last one of its log"
    }
    return nil
  }

  private func brokenProgress(_ leader: borrowing Leader) -> String? {
    for peer in leader.peers {
      if peer.match >= peer.next { return "match \(peer.match) >= next \(peer.next) of \(peer.id)" }
      if peer.next > server.log.last.index + 1 { return "\(peer.id) is ahead of its leader" }
      if !peer.inflights.isEmpty, peer.state != .replicating {
        return "messages are on their way to \(peer.id), which is not replicating"
      }
    }
    return nil
  }
}
