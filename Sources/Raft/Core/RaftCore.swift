// RaftCore: one member of a group, as a value. Events go in, effects come out; there is no I/O, no clock
// and no randomness of its own in it.
//
// What must always hold: what Invariants.swift says, after every step. What cannot be halts the node,
// with the reason, and changes nothing more.

import LogFormat

/// Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", extended version,
/// and Ongaro's dissertation) for one member of one group.
///
///     var core = RaftCore(recovered, options: options, seed: seed, at: now)
///     core.step(.received(envelope), at: now, into: &effects)
///     for effect in effects { carryOut(effect) }
///     wake(at: core.deadline)
///
/// Payloads never enter it: it decides about terms, indices and sizes. Effects of a step are carried out
/// in order before the next step, as far as they can be at once.
public struct RaftCore: ~Copyable {
  var server: ServerState
  var role: Role

  /// A node that was just started, with what it found on its disk. It begins as a follower (section
  /// 5.2), of nobody yet.
  ///
  /// - Parameters:
  ///   - seed: what election timeouts are drawn from. Members should have different ones.
  ///   - now: a monotonic time, on any scale that begins at 0 or above.
  public init(
    _ recovered: Recovered, options: RaftOptions = RaftOptions(), seed: UInt64, at now: Duration
  ) {
    if let problem = options.problem { preconditionFailure(problem) }
    if let reason = recovered.haltReason {
      server = ServerState(Recovered(nothingBut: recovered), options, seed: seed)
      role = .halted(Halted(reason: reason))
      return
    }
    server = ServerState(recovered, options, seed: seed)
    server.advance(to: now)
    var follower = Follower(campaignAt: nil, &server)
    // Nobody else could be leading.
    if server.decidesAlone { follower.expire(at: now) }
    role = .follower(follower)
  }

  /// When the next `Event.deadline` is due; nil for never.
  public var deadline: Duration? { role.deadline }

  /// Takes an event, and says what to do about it.
  ///
  /// - Parameters:
  ///   - now: the time, on the scale of `init`. One that goes back counts as standing still.
  ///   - effects: what is to be done is added here.
  public mutating func step(
    _ event: consuming Event, at now: Duration, into effects: inout [Effect]
  ) {
    let before = Standing(self)
    let first = effects.count
    server.advance(to: now)
    swap(&server.effects, &effects)
    take(event)
    server.save()
    if let broken = violation(since: before) ?? brokenPromise(from: first) {
      withdrawEffects(from: first)
      halt(.invariant(broken))
    }
    swap(&server.effects, &effects)
  }

  /// Nothing of a step that broke a rule is done. Whoever asked for something gets to know that much.
  private mutating func withdrawEffects(from first: Int) {
    let step = server.effects[first...]
    server.effects.removeSubrange(first...)
    for effect in step {
      switch effect {
      case .resolve(let id, .done): server.resolve(id, .unknown)
      case .readReady(let id, _):
        server.effects.append(.readFailed(id, .notLeader(hint: nil)))
      // What ends the node stands, if something else has ended it in this step already.
      case .resolve, .readFailed, .halt, .role(.halted, _, _): server.effects.append(effect)
      default: break
      }
    }
  }

  private mutating func take(_ event: consuming Event) {
    switch event {
    case .received(let envelope): receive(envelope)
    case .deadline: passTime()
    case .propose(let proposal): propose(proposal)
    case .durable(let write): becameDurable(write)
    case .storageFailed(let fault): halt(.storage(fault))
    case .applied(let index): server.applied(through: index)
    case .fetched(let fetch, let last, let bytes):
      lead { leader, server in
        leader.fetched(fetch, last: last, bytes: bytes, &server)
        return nil
      }
    case .read(let id): read(id)
    case .changeMembers(let id, let change): self.change(id, change)
    case .transfer(let id, let target): transfer(id, to: target)
    case .tookSnapshot(let info): if !isHalted { server.took(info) }
    case .installed(let uid): installed(uid)
    case .installFailed(let uid): installFailed(uid)
    case .snapshotGone(let uid):
      lead { leader, server in
        leader.snapshotGone(uid, &server)
        return nil
      }
    case .unreachable(let peer):
      lead { leader, _ in
        leader.unreachable(peer)
        return nil
      }
    }
  }

  // MARK: Parts

  var isHalted: Bool { role.kind == .halted }

  /// Does what only a leader does; nothing if this node is none.
  ///
  /// - Returns: false if it is none.
  @discardableResult
  mutating func lead(
    _ body: (inout Leader, inout ServerState) -> Resignation?
  ) -> Bool {
    var resignation: Resignation?
    let isLeader = role.lead { resignation = body(&$0, &server) }
    if let resignation { resign(resignation) }
    return isLeader
  }

  /// Does what only a follower does; nothing if this node is none.
  mutating func follow(
    _ body: (inout Follower, inout ServerState) -> HaltReason?
  ) {
    var reason: HaltReason?
    role.follow { reason = body(&$0, &server) }
    if let reason { halt(reason) }
  }

  /// Becomes a follower of this term, or of a later one.
  ///
  /// When it would have campaigned stays as it is: a candidate that gets no vote, however late its term,
  /// keeps nobody from being elected who can be.
  mutating func becomeFollower(_ term: Term) {
    if term > server.term { server.advance(to: term) }
    let deadline = role.electionDeadline
    role.end(.follower(Follower(campaignAt: deadline, &server)), &server)
    server.effects.append(.role(.follower, server.term, leader: nil))
  }

  private mutating func resign(_ resignation: Resignation) {
    becomeFollower(server.term)
    if case .removed(let successor?) = resignation {
      server.send(.timeoutNow, to: successor)
    }
  }

  mutating func halt(_ reason: HaltReason) {
    guard !isHalted else { return }
    role.end(.halted(Halted(reason: reason)), &server)
    server.effects.append(.role(.halted, server.term, leader: nil))
    server.effects.append(.halt(reason))
  }

  /// Ends this part of the node for a campaign.
  mutating func begin(_ role: consuming Role) {
    let kind = role.kind
    self.role.end(role, &server)
    server.effects.append(.role(kind, server.term, leader: nil))
  }

  // MARK: Time and disk

  private mutating func passTime() {
    switch role.kind {
    case .halted: break
    case .leader: lead { leader, server in leader.passTime(&server) }
    case .preCandidate, .candidate: passCampaignTime()
    case .follower:
      follow { follower, server in
        follower.failReads(.timedOut, dueBy: server.now, &server)
        return nil
      }
      if let deadline = role.electionDeadline, server.now >= deadline {
        campaignIfPossible()
      }
    }
  }

  private mutating func becameDurable(_ write: WriteID) {
    guard !isHalted else { return }
    guard server.finish(write) else {
      halt(.invariant("\(write) is done, and was not out"))
      return
    }
    countOwnVote(write)
    follow { follower, server in
      follower.liftMark(&server)
      return nil
    }
    lead { leader, server in
      leader.watchDisk(server)
      return leader.commit(&server)
    }
  }
}
