// ClusterExplorer: one history of a simulated group, from its seed: a while of faults and requests, and then
// peace, in which the group has to serve again.
//
// What must always hold: a seed alone says what happens; a history without some of its actions is a history
// as well, so that a finding can be shrunk.

import LogFormat
import LogStorage
import Raft
import RaftLog

/// What became of a history.
public struct ClusterHistory: Sendable {
  /// What was wrong, and when; nil if nothing was.
  public var finding: String?
  public var report: ClusterReport
  /// A number of everything that happened: the same for the same seed, on every machine.
  public var traceHash: UInt64
  /// What was done to the group.
  public var actions: [ClusterAction]
}

public struct ClusterExplorer {
  public let seed: UInt64
  public let plan: ClusterPlan
  /// Protocol steps before peace comes.
  public let steps: Int
  /// The seeds of what is done, and of what the world does.
  private let actionSeed: UInt64
  private let worldSeed: UInt64

  public init(seed: UInt64, steps: Int) {
    var random = SplitMix64(seed: seed)
    self.seed = seed
    self.steps = steps
    plan = ClusterPlan(&random)
    actionSeed = random.next()
    worldSeed = random.next()
  }

  public func run() -> ClusterHistory {
    var random = SplitMix64(seed: actionSeed)
    let cluster = Cluster(plan, seed: worldSeed)
    var actions: [ClusterAction] = []
    while cluster.steps < steps, cluster.oracle.finding == nil {
      let action = ClusterAction(plan, after: actions.last?.at ?? 0, &random)
      actions.append(action)
      cluster.advance(to: action.at, stepsMax: steps)
      cluster.perform(action)
    }
    return finish(cluster, actions)
  }

  /// The same world, and only these actions.
  public func run(_ actions: [ClusterAction]) -> ClusterHistory {
    let cluster = Cluster(plan, seed: worldSeed)
    for action in actions where cluster.oracle.finding == nil && cluster.steps < steps {
      cluster.advance(to: action.at, stepsMax: steps)
      cluster.perform(action)
    }
    return finish(cluster, actions)
  }

  private func finish(_ cluster: Cluster, _ actions: [ClusterAction]) -> ClusterHistory {
    if cluster.oracle.finding == nil { cluster.converge() }
    var report = cluster.report
    report.seeds = 1
    report.steps = cluster.steps
    report.time = cluster.time
    report.acknowledgements = cluster.oracle.acknowledgements
    let finding = cluster.oracle.finding.map {
      "at \(cluster.time / 1_000_000) ms, step \(cluster.steps): \($0)"
    }
    return ClusterHistory(
      finding: finding, report: report, traceHash: cluster.traceHash, actions: actions)
  }

  /// The fewest actions that this way of removing them finds to fail still.
  public func shrunk(_ actions: [ClusterAction]) -> [ClusterAction] {
    var kept = actions
    guard run(kept).finding != nil else { return kept }
    var size = max(1, kept.count / 2)
    while size >= 1 {
      var start = 0
      while start < kept.count {
        var fewer = kept
        fewer.removeSubrange(start..<min(start + size, kept.count))
        if run(fewer).finding != nil { kept = fewer } else { start += size }
      }
      size /= 2
    }
    return kept
  }
}

extension Cluster {
  /// Everything happens that is due before `end`.
  func advance(to end: UInt64, stepsMax: Int) {
    while let next = nextTime, next <= end, steps < stepsMax, oracle.finding == nil { advance() }
    if steps < stepsMax { pass(to: end) }
  }

  func perform(_ action: ClusterAction) {
    let (a, b) = (action.a, action.b)
    let anybody = members[Int(a % UInt64(members.count))]
    // Mostly the leader, sometimes anybody.
    let target = a >> 32 & 7 == 0 ? anybody : leader ?? anybody
    switch action.kind {
    case .propose: propose(to: target, bytes: Int(b % 20 == 0 ? 4000 : 8 + b % 300))
    case .read: read(from: anybody)
    case .change: change(change(b), by: target)
    case .transfer: transfer(to: NodeID(1 + b % UInt64(members.count)), from: target)
    case .snapshot: takeSnapshot(of: anybody, padding: Int(b % 3000))
    case .partition: partition(b)
    case .isolate: isolate(a >> 33 & 1 == 0 ? leader ?? anybody : anybody, oneWay: b & 3)
    case .clog:
      let other = members[Int(b % UInt64(members.count))]
      network.clog(anybody.id, other.id, until: time + b % 500_000_000)
    case .heal: network.heal()
    case .pause: target.pausedUntil = time + b % 400_000_000
    case .crash: crash(target) { kill($0) }
    case .powerCut:
      crash(target) {
        cutPower($0, weakDirectory: b & 1 == 0, withGarbage: b & 6 == 0)
      }
    case .wipe: wipeIfPossible(anybody)
    case .jump: anybody.jump(b % 1_000_000_000)
    case .slowDisk: target.slowUntil = time + b % 600_000_000
    case .failWrite:
      if target.isUp {
        target.disk.faults.append(.fail(call: target.disk.changes + 1 + Int(b % 20), errno: 5))
      }
    case .failSync: if target.isUp { target.disk.failNextSync() }
    }
    restartHalted()
  }

  private func crash(_ member: SimulatedMember, _ body: (SimulatedMember) -> Void) {
    guard member.isUp else { return }
    body(member)
    start(member, after: random.next() % 300_000_000)
  }

  /// Somebody looks after nodes that have stopped.
  private func restartHalted() {
    for member in members where member.isUp && member.isHalted {
      kill(member)
      start(member, after: random.next() % 300_000_000)
    }
  }

  /// Two halves, or a ring in which everybody hears the one before alone.
  private func partition(_ number: UInt64) {
    for x in members {
      for y in members where x.id != y.id {
        let isApart = number >> x.id & 1 != number >> y.id & 1
        let isNeighbour = y.id == x.id % UInt64(members.count) + 1
        if number >> 40 & 3 == 0 ? !isNeighbour : isApart { network.cut(x.id, y.id) }
      }
    }
  }

  private func isolate(_ member: SimulatedMember, oneWay: UInt64) {
    for other in members where other.id != member.id {
      if oneWay != 1 { network.cut(member.id, other.id) }
      if oneWay != 2 { network.cut(other.id, member.id) }
    }
  }

  /// One disk is lost in a history, and never so that an entry is left without a copy.
  private func wipeIfPossible(_ member: SimulatedMember) {
    guard let configuration = latest?.configuration,
      configuration.members.filter({ configuration.isVoter($0.id) }).count >= 3,
      configuration.joint == nil, members.allSatisfy({ $0.wiped == nil })
    else { return }
    wipe(member)
    start(member, after: random.next() % 300_000_000)
  }

  /// The configuration of whoever has most.
  var latest: ConfigurationEntry? {
    members.filter(\.isUp).map(\.status).max { $0.last < $1.last }?.configuration
  }

  private func change(_ number: UInt64) -> MembershipChange {
    func one(_ number: UInt64) -> MemberChange {
      let member = members[Int((number >> 4) % UInt64(members.count))]
      let named = Member(id: member.id, incarnation: member.incarnation)
      return switch number % 4 {
      case 0: .remove(member.id)
      case 1: .learner(named)
      default: .voter(named)
      }
    }
    return switch number >> 24 & 7 {
    case 0: .leaveJoint
    case 1: .joint([one(number), one(number >> 8)], .explicit)
    case 2, 3: .change([one(number), one(number >> 8)])
    default: .change([one(number)])
    }
  }

  // MARK: Peace

  /// With faults at an end and a quorum up, a leader is found, commits, and everybody has it all.
  func converge() {
    isHostile = false
    network.heal()
    for member in members {
      member.pausedUntil = 0
      member.disk.faults = []
      if member.isUp && member.isHalted { kill(member) }
      if !member.isUp { start(member, after: 1000) }
    }
    if plan.leavesMinorityAway {
      advance(to: time + 1_000_000, stepsMax: .max)
      sendMinorityAway()
    }
    for round in 0..<60 {
      advance(to: time + 2_000_000_000, stepsMax: .max)
      guard oracle.finding == nil else { return }
      guard let leader else { continue }
      // Nobody ends an explicit joint configuration by itself.
      if leader.node.node.status.configuration.configuration.joint == .explicit {
        change(.leaveJoint, by: leader)
      }
      propose(to: leader, bytes: 50 + round)
      let wanted = leader.node.node.lastPosition.index
      advance(to: time + 1_000_000_000, stepsMax: .max)
      guard oracle.finding == nil else { return }
      if isOfOneMind(leader, through: wanted) { return }
    }
    if needsWhoMayHaveForgotten {
      report.undecidable += 1
      return
    }
    oracle.find("three minutes after all was healed, the group does not serve: \(summary)")
  }

  /// As many as can be done without never come back. Where nodes differ on who the members are nobody can
  /// say who that is.
  private func sendMinorityAway() {
    guard oracle.finding == nil, let latest, latest.configuration.joint == nil else { return }
    let configuration = latest.configuration
    let present = configuration.members.map(\.id).filter { id in
      configuration.members.contains {
        $0.id == id && $0.incarnation == member(id).incarnation && member(id).isUp
          && !member(id).mayHaveForgotten
      }
    }
    guard present.allSatisfy({ member($0).node.node.configurationIndex == latest.index }) else {
      return
    }
    var left = present
    for id in present where configuration.isVoter(id) {
      let fewer = left.filter { $0 != id }
      guard configuration.quorum.result({ fewer.contains($0) ? true : nil }) == .won else {
        continue
      }
      left = fewer
      kill(member(id))
      member(id).isAway = true
      report.reach(.minorityAway)
    }
  }

  /// Every member has applied what the leader has, who is one of them, no change is half done, and every
  /// request has its answer.
  private func isOfOneMind(_ leader: SimulatedMember, through index: LogIndex) -> Bool {
    let status = leader.node.node.status
    let configuration = status.configuration.configuration
    guard configuration.isVoter(leader.id), configuration.joint == nil, status.commit >= index,
      leader.machine.applied >= index
    else { return false }
    let present = members.filter { member in
      !member.isAway
        && configuration.members.contains {
          $0.id == member.id && $0.incarnation == member.incarnation
        }
    }
    return present.allSatisfy {
      $0.isUp && $0.machine.applied == leader.machine.applied
        && $0.machine.chain == leader.machine.chain
        && (plan.leavesMinorityAway || $0.node.node.mark == nil)
    } && members.allSatisfy { $0.openRequests.isEmpty }
  }

  /// True if those who have forgotten nothing cannot elect anybody, by the configuration of whoever of them
  /// has most: nobody else can get the votes of the others.
  private var needsWhoMayHaveForgotten: Bool {
    let candidates = members.filter { $0.isUp && $0.node.node.mark == nil }.map(\.status)
      .filter { !$0.configuration.configuration.members.isEmpty }
    guard let best = candidates.max(by: { $0.last < $1.last }) else { return true }
    let configuration = best.configuration.configuration
    return configuration.quorum.result { id in
      let member = member(id)
      let isThere = configuration.members.contains {
        $0.id == id && $0.incarnation == member.incarnation
      }
      return isThere && !member.isAway && member.node.node.mark == nil ? true : nil
    } != .won
  }

  private var summary: String {
    members.map { member in
      guard member.isUp else { return "\(member.id): down" }
      let s = member.node.node.status
      let names = s.configuration.configuration.members.map { other in
        let isThis = other.incarnation == self.member(other.id).incarnation
        return "\(other.id) \(other.suffrage)\(isThis ? "" : " (another)")"
      }
      return
        "\(member.id)\(member.wiped == nil ? "" : " (wiped)"): \(s.role) term \(s.hardState.term) commit \(s.commit) last \(s.last) durable "
        + "\(s.durable) applied \(s.applied)/\(member.machine.applied) compacted \(s.compacted) open "
        + "\(member.openRequests.count) mark \(s.mark.map { "\($0)" } ?? "none") members \(names) "
        + s.peers.map { "[\($0.id) \($0.state) match \($0.match) next \($0.next)]" }.joined()
    }.joined(separator: "; ")
  }
}
