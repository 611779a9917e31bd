// Leader: what exists only while this node leads a term (Raft figure 2, "volatile state on leaders").
//
// What must always hold: the leader's log only grows; only an entry of its own term is committed by
// counting (section 5.4.2); at most one configuration is uncommitted; every proposal gets one outcome,
// if not before then when the leadership ends.

import LogFormat

struct Leader: ~Copyable {
  /// A proposal that is in the log and not committed.
  struct Waiting {
    var id: RequestID
    var last: LogIndex
    var bytes: Int
  }

  let term: Term
  /// The empty entry with which the term began.
  let established: LogIndex
  /// In the order of the configuration's members, this node left out.
  var peers: [Progress]
  var configuration: ConfigurationEntry
  var quorum: Quorum
  /// In the order of their entries.
  var waiting: [Waiting] = []
  /// How many at the front are committed.
  var resolved = 0
  var uncommittedBytes = 0
  var reads = ReadRounds()
  var transfer: Transfer?
  var heartbeatDeadline: Duration
  var quorumDeadline: Duration
  /// When a write of this node will have taken too long.
  var stallDeadline: Duration?

  /// Begins the term, which the server is in and has won: its first entry goes into the log, and to
  /// everybody.
  init(_ server: inout ServerState) {
    term = server.term
    established = server.log.last.index + 1
    configuration = server.log.configurations.latest
    quorum = configuration.configuration.quorum
    peers = configuration.configuration.members.filter { $0.id != server.id }.map {
      Progress($0.id, next: server.log.last.index + 1, addedAt: 0, at: server.now)
    }
    heartbeatDeadline = server.now + server.options.heartbeatInterval
    quorumDeadline = server.now + server.options.electionTimeout
    append(1, bytes: Self.noopBytes, from: .noop, &server)
    replicateAll(&server)
  }

  /// What an entry without a payload takes: the size matters for windows alone.
  static let noopBytes = 128

  /// Reads are looked at with each heartbeat: they may wait that much longer.
  var deadline: Duration {
    [heartbeatDeadline, quorumDeadline, stallDeadline, transfer?.deadline].compactMap(\.self).min()!
  }

  /// True once an entry of its own term is committed: only then does the leader know what is
  /// (section 8, dissertation 6.4).
  func isEstablished(_ server: borrowing ServerState) -> Bool {
    server.log.commit >= established
  }

  /// Ends the leadership: who waits gets to know.
  consuming func resign(_ server: inout ServerState) {
    for proposal in waiting[resolved...] { server.resolve(proposal.id, .unknown) }
    if let transfer { server.resolve(transfer.id, .done(server.log.last)) }
    for read in reads.removeAll(before: server.now + .nanoseconds(1)) {
      refuse(read, .notLeader(hint: nil), &server)
    }
  }

  // MARK: Proposals

  func refusal(of proposal: Proposal, _ server: borrowing ServerState) -> Refusal? {
    if let fence = proposal.fence, fence != term { return .fenced(current: term) }
    if let transfer { return .transferring(to: transfer.target) }
    guard proposal.count > 0, proposal.bytes >= 0,
      UInt64(proposal.count) < Layout.indexMax - server.log.last.index
    else { return .malformed }
    let limit = server.options.uncommittedBytesMax
    if uncommittedBytes > 0, uncommittedBytes + proposal.bytes > limit {
      return .overloaded(waiting: uncommittedBytes, limit: limit)
    }
    return nil
  }

  mutating func propose(_ proposal: Proposal, _ server: inout ServerState) {
    if let refusal = refusal(of: proposal, server) {
      server.resolve(proposal.id, .refused(refusal))
      return
    }
    let last = server.log.last.index + LogIndex(proposal.count)
    waiting.append(Waiting(id: proposal.id, last: last, bytes: proposal.bytes))
    uncommittedBytes += proposal.bytes
    append(proposal.count, bytes: proposal.bytes, from: .proposal(proposal.id), &server)
    replicateAll(&server)
  }

  /// Puts entries of this term behind the last one.
  mutating func append(
    _ count: Int, bytes: Int, from origin: Append.Origin, _ server: inout ServerState
  ) {
    let first = server.log.last.index + 1
    var configurations: [ConfigurationEntry] = []
    if case .configuration(let configuration) = origin {
      configurations = [ConfigurationEntry(index: first, configuration: configuration)]
    }
    let slice = LogSlice(
      first...(first + LogIndex(count) - 1), term: term, bytes: bytes,
      configurations: configurations)
    server.append(slice, from: origin)
    watchDisk(server)
  }

  // MARK: Commitment

  /// Commits what a majority has on its disks (section 5.3 and 5.4.2), this node among them if it votes.
  ///
  /// - Returns: why this node leads no longer, if it does not.
  mutating func commit(_ server: inout ServerState) -> Resignation? {
    guard
      let index = quorum.agreedIndex({ id in
        id == server.id ? server.log.durable : progress(of: id)?.match ?? 0
      }), index > server.log.commit, server.log.terms.term(at: index) == term
    else { return nil }
    server.commit(through: index)
    resolveCommitted(server.log.commit, &server)
    startReads(&server)
    tellCommit(&server)
    return configurationCommitted(&server)
  }

  private mutating func resolveCommitted(_ commit: LogIndex, _ server: inout ServerState) {
    while resolved < waiting.count, waiting[resolved].last <= commit {
      let proposal = waiting[resolved]
      uncommittedBytes -= proposal.bytes
      server.resolve(proposal.id, .done(LogPosition(term: term, index: proposal.last)))
      resolved += 1
    }
    if resolved == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      resolved = 0
    } else if resolved > 1024, resolved * 2 > waiting.count {
      waiting.removeFirst(resolved)
      resolved = 0
    }
  }

  // MARK: Time

  /// - Returns: why this node leads no longer, if it does not.
  mutating func passTime(_ server: inout ServerState) -> Resignation? {
    let now = server.now
    if let transfer, now >= transfer.deadline { abandonTransfer(&server) }
    if now >= quorumDeadline {
      let heard = server.options.checkQuorum ? lastContactWithQuorum(server) : now
      guard now - heard < server.options.electionTimeout else { return .quorumLost }
      quorumDeadline = heard + server.options.electionTimeout
    }
    watchDisk(server)
    if let stallDeadline, now >= stallDeadline { return .diskStalled }
    expireReads(&server)
    if now >= heartbeatDeadline {
      heartbeatDeadline = now + server.options.heartbeatInterval
      for i in peers.indices { heartbeat(i, &server) }
    }
    return nil
  }

  /// The latest time by which a majority had been heard of (dissertation 6.2).
  private func lastContactWithQuorum(_ server: borrowing ServerState) -> Duration {
    let now = server.now
    // Times are agreed on like indices: the latest one that a majority has reached.
    let agreed = quorum.agreedIndex { id in
      let heard = id == server.id ? now : progress(of: id)?.heard ?? .zero
      return UInt64(heard.nanoseconds)
    }
    return .nanoseconds(Int64(agreed ?? 0))
  }

  /// A leader whose own disk stalls holds up everybody who waits for it (hashicorp/raft#503). A slow one
  /// has four times as long as it took of late.
  mutating func watchDisk(_ server: borrowing ServerState) {
    stallDeadline = server.writes.oldestSince.map {
      $0 + max(server.options.electionTimeout, server.writes.recentTime * 4)
    }
  }

  // MARK: Peers

  func position(of id: NodeID) -> Int? { peers.firstIndex { $0.id == id } }
  func progress(of id: NodeID) -> Progress? { position(of: id).map { peers[$0] } }
}

extension Duration {
  /// Whole nanoseconds; 0 for less than none.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }
}
