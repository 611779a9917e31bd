// CoreExplorer: random histories of a group of bare cores, each from its seed.
//
// What must always hold: a seed alone says what happens; each choice stands for itself, so that a history
// without some of them is a history as well, and a finding can be shrunk.

import LogFormat
public import Raft

/// One thing that happens. Numbers are taken modulo what there is to choose from.
public enum CoreAction: Hashable, Sendable {
  case deliver(UInt32)
  case drop(UInt32)
  case duplicate(UInt32)
  case expireFirst
  case expire(UInt32)
  case write(UInt32, count: UInt32)
  case fetch(UInt32, count: UInt32)
  case install(UInt32)
  case apply(UInt32, count: UInt32)
  case propose(UInt32, count: UInt32, bytes: UInt32)
  case read(UInt32)
  case change(UInt32, UInt32)
  case transfer(UInt32, to: UInt32)
  case snapshot(UInt32)
  case crash(UInt32)
  case start(UInt32)
  case cut(UInt32, UInt32)
  case heal
  case forget(UInt32, count: UInt32)
}

/// A group, and what becomes of it.
public struct CoreExplorer {
  /// How a seed's group is made, and what happens to it how often.
  public struct Plan {
    public var voters: Int
    public var learners: Int
    public var spares: Int
    public var options: RaftOptions
    /// Relative frequencies, in the order of `CoreAction`.
    public var weights: [Int]
  }

  /// How many kinds of actions there are.
  public static let kinds = 19

  public let seed: UInt64
  public let plan: Plan
  public let actions: [CoreAction]

  public init(seed: UInt64, steps: Int) {
    var random = SplitMix64(seed: seed)
    self.seed = seed
    plan = Self.plan(&random)
    let weights = plan.weights
    actions = (0..<steps).map { _ in Self.action(weights, &random) }
  }

  /// A history from elsewhere; the seed says how its group is made.
  public init(seed: UInt64, actions: [CoreAction]) {
    var random = SplitMix64(seed: seed)
    self.seed = seed
    plan = Self.plan(&random)
    self.actions = actions
  }

  private static func plan(_ random: inout SplitMix64) -> Plan {
    var options = RaftOptions()
    options.preVote = random.next() % 4 != 0
    options.checkQuorum = random.next() % 4 != 0
    options.messageBytesMax = [100, 250, 1000, 1 << 20][Int(random.next() % 4)]
    options.inflightMessagesMax = [1, 2, 5, 256][Int(random.next() % 4)]
    options.inflightBytesMax = [200, 1000, 8 << 20][Int(random.next() % 3)]
    options.uncommittedBytesMax = [500, 5000, 64 << 20][Int(random.next() % 3)]
    options.tailBytesMax = [1, 500, 16 << 20][Int(random.next() % 3)]
    options.snapshotChunkBytes = 600
    options.snapshotChunksMax = 1 + Int(random.next() % 3)
    options.entriesKept = [0, 5, 10_000][Int(random.next() % 3)]
    options.waitingReadsMax = [2, 100][Int(random.next() % 2)]
    func weight(_ most: UInt64, _ random: inout SplitMix64) -> Int {
      random.next() % 4 == 0 ? 0 : Int(1 + random.next() % most)
    }
    var weights = [400]  // deliver
    weights += [weight(40, &random), weight(40, &random)]  // drop, duplicate
    weights += [10 + weight(20, &random), weight(random.next() % 4 == 0 ? 60 : 4, &random)]
    weights += [100, 30, 30, 60]  // write, fetch, install, apply
    weights += [10 + weight(60, &random), weight(60, &random)]  // propose, read
    weights += [weight(6, &random), weight(6, &random)]  // change, transfer
    weights += [weight(8, &random), weight(6, &random), 6, weight(12, &random), 6]
    weights += [weight(6, &random)]  // forget
    return Plan(
      voters: 1 + Int(random.next() % 5), learners: Int(random.next() % 2),
      spares: Int(random.next() % 3), options: options, weights: weights)
  }

  private static func action(_ weights: [Int], _ random: inout SplitMix64) -> CoreAction {
    var left = Int(random.next() % UInt64(weights.reduce(0, +)))
    var kind = 0
    while left >= weights[kind] {
      left -= weights[kind]
      kind += 1
    }
    let a = UInt32(truncatingIfNeeded: random.next())
    return action(kind, a, UInt32(truncatingIfNeeded: random.next()))
  }

  /// An action by the number of its kind, which is below `kinds`.
  public static func action(_ kind: Int, _ a: UInt32, _ b: UInt32) -> CoreAction {
    switch kind {
    case 0: .deliver(a)
    case 1: .drop(a)
    case 2: .duplicate(a)
    case 3: .expireFirst
    case 4: .expire(a)
    case 5: .write(a, count: 1 + b % 4)
    case 6: .fetch(a, count: 1 + b % 8)
    case 7: .install(a)
    case 8: .apply(a, count: 1 + b % 8)
    case 9: .propose(a, count: 1 + b % 3, bytes: 50 + (b >> 8) % 200)
    case 10: .read(a)
    case 11: .change(a, b)
    case 12: .transfer(a, to: b)
    case 13: .snapshot(a)
    case 14: .crash(a)
    case 15: .start(a)
    case 16: .cut(a, b)
    case 17: .heal
    default: .forget(a, count: 1 + b % 20)
    }
  }

  // MARK: Running

  /// Carries the actions out, heals everything, and waits for the group to serve again.
  ///
  /// - Returns: what went wrong; nil if nothing did.
  public func run() -> String? { run(actions) }

  public func run(_ actions: [CoreAction]) -> String? { runTraced(actions).finding }

  /// The same, with the number of all that happened.
  public func runTraced(_ actions: [CoreAction]) -> (finding: String?, traceHash: UInt64) {
    let group = CoreGroup(
      voters: plan.voters, spares: plan.spares, learners: plan.learners, options: plan.options,
      seed: seed)
    group.isPrompt = false
    var cuts: [(NodeID, NodeID)] = []
    for (i, action) in actions.enumerated() {
      carryOut(action, group, &cuts)
      if let finding = group.finding {
        return ("step \(i), \(action): \(finding)", group.traceHash)
      }
    }
    return (converge(group), group.traceHash)
  }

  private func carryOut(
    _ action: CoreAction, _ group: CoreGroup, _ cuts: inout [(NodeID, NodeID)]
  ) {
    func node(_ number: UInt32) -> NodeID { NodeID(number) % NodeID(group.nodes.count) + 1 }
    func message(_ number: UInt32) -> Int? {
      group.inFlight.isEmpty ? nil : Int(number) % min(group.inFlight.count, 16)
    }
    switch action {
    case .deliver(let n):
      guard let i = message(n) else { return group.stepFirstDeadline() }
      let parcel = group.inFlight.remove(at: i)
      let isCut = cuts.contains { $0 == (parcel.envelope.from, parcel.envelope.to) }
      if !isCut { group.deliver(parcel) }
    case .drop(let n): if let i = message(n) { group.inFlight.remove(at: i) }
    case .duplicate(let n): if let i = message(n) { group.inFlight.append(group.inFlight[i]) }
    case .expireFirst: group.stepFirstDeadline()
    case .expire(let n):
      // Somebody who does not lead loses patience.
      let id = node(n)
      group.expire(id == group.leader ? id % NodeID(group.nodes.count) + 1 : id)
    case .write(let n, let count): group.completeWrites(node(n), Int(count))
    case .fetch(let n, let count): group.completeFetch(node(n), Int(count))
    case .install(let n):
      if n % 8 == 0 { group.failInstall(node(n >> 3)) } else { group.completeInstall(node(n)) }
    case .apply(let n, let count): group.apply(node(n), Int(count))
    case .propose(let n, let count, let bytes):
      _ = group.propose(target(n, group), count: Int(count), bytes: Int(bytes))
    case .read(let n): _ = group.read(node(n))
    case .change(let n, let what): _ = group.change(target(n, group), change(what, group))
    case .transfer(let n, let to): _ = group.transfer(target(n, group), to: node(to))
    case .snapshot(let n): group.takeSnapshot(node(n))
    case .crash(let n): group.crash(node(n))
    case .start(let n): if !group.node(node(n)).isUp { group.start(node(n)) }
    case .cut(let a, let b): cuts += links(a, b, group)
    case .heal: cuts = []
    case .forget(let n, let count): forget(node(n), Int(count), group)
    }
  }

  /// A voter crashes and loses what it had last; one at a time.
  private func forget(_ id: NodeID, _ count: Int, _ group: CoreGroup) {
    guard plan.voters >= 3, group.nodes.allSatisfy({ $0.disk.mark == nil }),
      group[id].configuration.configuration.isVoter(id)
    else { return }
    group.crash(id)
    group.node(id).forget(count, isKnown: count % 2 == 0)
  }

  /// What is cut: all links of the leader or of somebody else, or one link, in one direction or both.
  private func links(_ a: UInt32, _ b: UInt32, _ group: CoreGroup) -> [(NodeID, NodeID)] {
    let ids = group.nodes.map(\.id)
    let one = a % 4 < 2 ? group.leader ?? ids[0] : ids[Int(a >> 8) % ids.count]
    let others = b % 4 == 0 ? [ids[Int(b >> 8) % ids.count]] : ids
    return others.flatMap { b & 8 == 0 ? [(one, $0), ($0, one)] : [(one, $0)] }
  }

  /// Mostly the leader, sometimes anybody.
  private func target(_ number: UInt32, _ group: CoreGroup) -> NodeID {
    if number % 8 != 0, let leader = group.leader { return leader }
    return NodeID(number >> 3) % NodeID(group.nodes.count) + 1
  }

  private func change(_ number: UInt32, _ group: CoreGroup) -> MembershipChange {
    func one(_ number: UInt32) -> MemberChange {
      let id = NodeID(number >> 4) % NodeID(group.nodes.count) + 1
      return switch number % 4 {
      case 0: .remove(id)
      case 1: .learner(CoreGroup.member(id))
      default: .voter(CoreGroup.member(id))
      }
    }
    return switch number >> 24 & 7 {
    case 0: .leaveJoint
    case 1: .joint([one(number), one(number >> 8)], .explicit)
    case 2, 3: .change([one(number), one(number >> 8)])
    default: .change([one(number)])
    }
  }

  // MARK: Convergence

  /// With everybody up and every message delivered, a leader is found, commits, and everybody has it all.
  private func converge(_ group: CoreGroup) -> String? {
    group.heal()
    for _ in 0..<40 {
      guard group.pass(.seconds(2), messagesMax: 200_000) else {
        return group.finding ?? "messages without end"
      }
      if let finding = group.finding { return finding }
      guard let leader = group.leader else { continue }
      let proposal = group.propose(leader)
      guard group.pass(.seconds(1), messagesMax: 200_000) else {
        return group.finding ?? "messages without end"
      }
      if let finding = group.finding { return finding }
      if case .done? = group.outcome(leader, proposal), group.isOfOneMind(leader) { return nil }
    }
    // Whoever may have forgotten may be needed for a majority: then an operator has to decide.
    if group.needsWhoMayHaveForgotten { return nil }
    return "two minutes after all was healed, the group does not serve: \(group.summary)"
  }
}

extension CoreGroup {
  func stepFirstDeadline() {
    guard let next = nextDeadline else { return }
    now = max(now, next.time)
    step(next.id, .deadline)
  }

  /// Everybody is up, and nothing is slow.
  func heal() {
    isPrompt = true
    for node in nodes {
      if !node.isUp { start(node.id) } else { step(node.id, .deadline) }
    }
  }

  /// Time passes as in `pass`; false if messages beget messages without end.
  func pass(_ time: Duration, messagesMax: Int) -> Bool {
    var left = messagesMax
    let end = now + time
    repeat {
      while left > 0, deliverOne() { left -= 1 }
      guard left > 0, finding == nil else { return false }
      guard let next = nextDeadline, next.time <= end else { break }
      now = max(now, next.time)
      step(next.id, .deadline)
    } while true
    now = end
    return true
  }

  /// Every member has applied what the leader has, who is one of them, no change is half done, and every
  /// request has its answer.
  func isOfOneMind(_ leader: NodeID) -> Bool {
    let status = self[leader]
    guard status.configuration.configuration.isVoter(leader),
      status.configuration.configuration.joint != .automatic
    else { return false }
    guard nodes.allSatisfy({ $0.openRequests.isEmpty }) else { return false }
    return status.configuration.configuration.members.allSatisfy {
      self[$0.id].applied == status.applied
    } && status.applied == status.last.index
  }

  /// True if those who have forgotten nothing cannot elect anybody, by the configuration of whoever of them
  /// has most: nobody else can get the votes of the others.
  var needsWhoMayHaveForgotten: Bool {
    let candidates = nodes.filter {
      $0.disk.mark == nil && !$0.status.configuration.configuration.members.isEmpty
    }
    guard let best = candidates.max(by: { $0.status.last < $1.status.last }) else { return true }
    let quorum = best.status.configuration.configuration.quorum
    return quorum.result { node($0).disk.mark == nil } != .won
  }

  var summary: String {
    nodes.map { node in
      let s = node.status
      let members = s.configuration.configuration.members.map { "\($0.id) \($0.suffrage)" }
      return
        "\(node.id): \(s.role) term \(s.hardState.term) commit \(s.commit) last \(s.last) applied "
        + "\(s.applied) compacted \(s.compacted) mark \(s.mark.map { "\($0)" } ?? "none") members \(members) "
        + s.peers.map { "[\($0.id) \($0.state) match \($0.match) next \($0.next)]" }.joined()
    }.joined(separator: "; ")
  }
}

extension CoreExplorer {
  /// The fewest actions of this history that this way of removing them finds to fail still.
  public func shrunk() -> [CoreAction] {
    var kept = actions
    var size = max(1, kept.count / 2)
    while size >= 1 {
      var start = 0
      while start < kept.count {
        var fewer = kept
        fewer.removeSubrange(start..<min(start + size, kept.count))
        if run(fewer) != nil { kept = fewer } else { start += size }
      }
      size /= 2
    }
    return kept
  }
}
