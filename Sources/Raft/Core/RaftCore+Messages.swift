// Messages: who may say what to whom, and in which term.
//
// What must always hold: a later term is taken over before anything else is done with its message, from
// requests and from answers alike (Raft section 5.1), except from a pre-vote, and from a vote that would
// disturb a leader who is there; whoever leads in an earlier term gets to know.

import LogFormat

extension RaftCore {
  mutating func receive(_ envelope: Envelope) {
    guard !isHalted, envelope.to == server.id else { return }
    if let fault = envelope.fault {
      server.effects.append(.misbehaved(envelope.from, fault))
      return
    }
    if envelope.term > server.term {
      guard raisesTerm(envelope.message) else {
        if case .preVote(let request) = envelope.message {
          answer(preVote: request, from: envelope.from)
        }
        return
      }
      becomeFollower(envelope.term)
    }
    if envelope.term < server.term {
      receiveStale(envelope)
    } else {
      receiveCurrent(envelope)
    }
  }

  private func raisesTerm(_ message: Message) -> Bool {
    switch message {
    case .preVote: false
    case .vote(let request): request.isTransfer || !holdsToLeader
    default: true
    }
  }

  /// Something was said in an earlier term: it counts for nothing, and a sender that acts on being in
  /// that term is told of this one.
  private mutating func receiveStale(_ envelope: Envelope) {
    switch envelope.message {
    case .preVote(let request): answer(preVote: request, from: envelope.from)
    case .vote(let request): answer(vote: request, from: envelope.from)
    case .append(let request): tellTerm(to: envelope.from, request.session)
    case .snapshot(let chunk): tellTerm(to: envelope.from, chunk.session)
    // Who grants a pre-vote stays in its own term, which may be an earlier one.
    case .preVoteReply(let reply): count(reply, from: envelope.from, isReal: false)
    case .timeoutNow, .read, .voteReply, .appendReply, .snapshotReply, .readReply:
      break
    }
  }

  private mutating func tellTerm(to peer: NodeID, _ session: Session) {
    let session = Session(addedAt: session.addedAt, boot: server.boot)
    server.send(.appendReply(AppendReply(.earlierTerm, session: session)), to: peer)
  }

  private mutating func receiveCurrent(_ envelope: Envelope) {
    let peer = envelope.from
    switch envelope.message {
    case .preVote(let request): answer(preVote: request, from: peer)
    case .preVoteReply(let reply): count(reply, from: peer, isReal: false)
    case .vote(let request): answer(vote: request, from: peer)
    case .voteReply(let reply): count(reply, from: peer, isReal: true)
    case .append(let request):
      guard hears(peer) else { return }
      follow { follower, server in follower.receive(request, from: peer, &server) }
    case .appendReply(let reply):
      lead { leader, server in leader.receive(reply, from: peer, &server) }
    case .snapshot(let chunk): if hears(peer) { receive(chunk, from: peer) }
    case .snapshotReply(let reply):
      lead { leader, server in
        leader.receive(reply, from: peer, &server)
        return nil
      }
    case .timeoutNow: timeoutNow(from: peer)
    case .read(let request): receive(request, from: peer)
    case .readReply(let reply):
      follow { follower, server in
        follower.receive(reply, from: peer, &server)
        return nil
      }
    }
  }

  /// Follows the leader of this term, who said something.
  ///
  /// - Returns: false if there cannot be such a leader: then this node has halted.
  private mutating func hears(_ leader: NodeID) -> Bool {
    switch role.kind {
    case .leader:
      halt(.twoLeaders(server.term, server.id, leader))
      return false
    case .preCandidate, .candidate: becomeFollower(server.term)
    case .follower, .halted: break
    }
    if let known = role.leader, known != leader {
      halt(.twoLeaders(server.term, known, leader))
      return false
    }
    follow { follower, server in
      follower.heard(leader, &server)
      return nil
    }
    return !isHalted
  }
}

extension Envelope {
  /// What no correct node says; nil for what one may say.
  fileprivate var fault: String? {
    guard from != 0, from != to else { return "a message from node \(from) to node \(to)" }
    guard term < Layout.indexMax else { return "a message in term \(term)" }
    switch message {
    case .preVote(let request) where request.term != term + 1:
      return "a pre-vote of term \(term) for term \(request.term)"
    case .vote(let request) where request.term != term:
      return "a vote of term \(term) for term \(request.term)"
    case .preVote(let request), .vote(let request):
      return request.last.term <= term ? nil : "a candidate of term \(term) with \(request.last)"
    case .append(let request): return request.fault(in: term)
    case .snapshot(let chunk): return chunk.fault(in: term)
    default: return nil
    }
  }
}

extension AppendRequest {
  fileprivate func fault(in term: Term) -> String? {
    guard previous.term <= term, previous.index < Layout.indexMax,
      (previous.index == 0) == (previous == LogPosition())
    else { return "entries of term \(term) behind \(previous)" }
    guard let entries else { return nil }
    guard entries.first == previous.index + 1, entries.last < Layout.indexMax,
      entries.runs[0].term >= previous.term, entries.lastPosition.term <= term
    else { return "entries \(entries.indices) of term \(term) behind \(previous)" }
    return nil
  }
}

extension SnapshotChunk {
  fileprivate func fault(in term: Term) -> String? {
    let position = snapshot.position
    guard position.term <= term, position.index >= 1, position.index < Layout.indexMax,
      snapshot.configuration.index <= position.index
    else { return "a snapshot at \(position) in term \(term)" }
    guard offset >= 0, bytes > 0, offset < snapshot.bytes, bytes <= snapshot.bytes - offset
    else { return "bytes \(offset) and \(bytes) more of a snapshot of \(snapshot.bytes)" }
    return nil
  }
}
