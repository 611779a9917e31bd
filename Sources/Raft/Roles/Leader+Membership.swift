// Membership: changes of the configuration (Raft section 6, dissertation chapter 4).
//
// What must always hold: a configuration is in force from its append on; the next one is proposed only
// when it is committed, and by a leader that has committed an entry of its own term (etcd#7331).

import LogFormat

extension Leader {
  mutating func change(
    _ id: RequestID, _ change: MembershipChange, _ server: inout ServerState
  ) -> Resignation? {
    if let refusal = refusalOfChanges(server) {
      server.resolve(id, .refused(refusal))
      return nil
    }
    do {
      let next = try configuration.configuration.after(change)
      waiting.append(Waiting(id: id, last: server.log.last.index + 1, bytes: 0))
      return propose(next, &server)
    } catch {
      server.resolve(id, .refused(.invalidChange(error)))
      return nil
    }
  }

  private func refusalOfChanges(_ server: borrowing ServerState) -> Refusal? {
    if let transfer { return .transferring(to: transfer.target) }
    guard isEstablished(server) else { return .notYetEstablished }
    guard configuration.index <= server.log.commit else {
      return .changePending(at: configuration.index)
    }
    return nil
  }

  /// Appends a configuration, which is in force from now on.
  private mutating func propose(
    _ next: Configuration, _ server: inout ServerState
  ) -> Resignation? {
    append(1, bytes: Self.noopBytes, from: .configuration(next), &server)
    enter(ConfigurationEntry(index: server.log.last.index, configuration: next), &server)
    replicateAll(&server)
    // Fewer voters may agree on more.
    return commit(&server)
  }

  private mutating func enter(_ entry: ConfigurationEntry, _ server: inout ServerState) {
    configuration = entry
    quorum = entry.configuration.quorum
    // Members that stay keep what is on its way; others begin anew.
    peers = entry.configuration.members.filter { $0.id != server.id }.map { member in
      progress(of: member.id)
        ?? Progress(
          member.id, next: server.log.last.index + 1, addedAt: entry.index, at: server.now)
    }
    if let transfer, !(entry.configuration[transfer.target]?.suffrage.isIncoming ?? false) {
      abandonTransfer(&server, .noSuchVoter(transfer.target))
    }
    // Whose answer was missing may not be asked any more.
    finishReads(&server)
  }

  /// Goes on from a configuration that is committed: out of a joint one, or out of office.
  mutating func configurationCommitted(_ server: inout ServerState) -> Resignation? {
    guard isEstablished(server), configuration.index <= server.log.commit else { return nil }
    let current = configuration.configuration
    if current.joint == .automatic {
      // Whoever leads does this, be it the one that began or not (etcd#12136).
      guard let next = try? current.leaving() else {
        preconditionFailure("a joint configuration that cannot be left")
      }
      return propose(next, &server)
    }
    // A leader that is no member any more leads until that is decided (dissertation 4.2.2).
    guard !current.isVoter(server.id) else { return nil }
    return .removed(successor: successor(in: current))
  }

  /// The voter that has most.
  private func successor(in configuration: Configuration) -> NodeID? {
    peers.filter { configuration.isVoter($0.id) }.max { $0.match < $1.match }?.id
  }
}

extension Configuration {
  /// What follows from a request.
  func after(_ change: MembershipChange) throws(ConfigurationError) -> Configuration {
    switch change {
    case .joint(let changes, let leaving): return try entering(changes, leaving: leaving)
    case .leaveJoint: return try leaving()
    case .change(let changes):
      do {
        return try applying(changes)
      } catch {
        guard error.code == .needsJoint else { throw error }
        return try entering(changes, leaving: .automatic)
      }
    }
  }
}
