// Requests: what this node's users ask of it. Whoever asks gets one answer.

public import LogFormat

extension RaftCore {
  /// Whom to ask instead, as far as this node knows.
  public var leaderHint: NodeID? {
    role.kind == .leader ? server.id : role.leader
  }

  /// Why a node that does not lead takes no request.
  private var refusal: Refusal {
    role.haltReason.map { .halted($0) } ?? .notLeader(hint: leaderHint)
  }

  mutating func propose(_ proposal: Proposal) {
    let isTaken = lead { leader, server in
      leader.propose(proposal, &server)
      return nil
    }
    if !isTaken { server.resolve(proposal.id, .refused(refusal)) }
  }

  mutating func change(_ id: RequestID, _ change: MembershipChange) {
    let isTaken = lead { leader, server in leader.change(id, change, &server) }
    if !isTaken { server.resolve(id, .refused(refusal)) }
  }

  mutating func transfer(_ id: RequestID, to target: NodeID) {
    let isTaken = lead { leader, server in
      leader.transfer(id, to: target, &server)
      return nil
    }
    if !isTaken { server.resolve(id, .refused(refusal)) }
  }

  mutating func read(_ id: RequestID) {
    switch role.kind {
    case .leader:
      lead { leader, server in
        leader.read(.local(id), &server)
        return nil
      }
    case .follower:
      follow { follower, server in
        follower.read(id, &server)
        return nil
      }
    case .preCandidate, .candidate, .halted: server.effects.append(.readFailed(id, refusal))
    }
  }

  /// A follower asks on behalf of its users.
  mutating func receive(_ request: ReadRequest, from peer: NodeID) {
    let isTaken = lead { leader, server in
      leader.read(.follower(peer, request), &server)
      return nil
    }
    guard !isTaken else { return }
    let reply = ReadReply(id: request.id, boot: request.boot, index: nil)
    server.send(.readReply(reply), to: peer)
  }
}
