// MemoryGroup: nodes whose disk and network take no time.
//
// What must always hold: effects are carried out in order; a message that waits for a write leaves when
// that write was reported durable, and not before.

import LogFormat
import Raft

final class MemoryGroup {
  private var nodes: [MemoryNode] = []
  private var inFlight: [Envelope] = []
  private var now = Duration.zero
  private var lastRequest: UInt64 = 0

  init(_ count: Int) {
    let members = (1...NodeID(count)).map { Member(id: $0, incarnation: UID(high: 0, low: $0)) }
    guard let configuration = try? Configuration(members) else {
      preconditionFailure("a group that cannot be")
    }
    for member in members { nodes.append(MemoryNode(member, configuration)) }
    now = nodes[0].deadline
    step(nodes[0], .deadline)
    deliver()
    precondition(nodes[0].isLeader, "the group has no leader")
  }

  /// Commits entries in batches, so many of which are on their way at any time.
  ///
  /// - Returns: how many were committed.
  func commit(entries: Int, batch: Int, depth: Int) -> Int {
    let leader = nodes[0]
    let goal = leader.commit + LogIndex(entries)
    let start = leader.commit
    var proposed = leader.commit
    while leader.commit < goal {
      while proposed < min(goal, leader.commit + LogIndex(depth * batch)) {
        lastRequest += 1
        let id = RequestID(rawValue: lastRequest)
        step(leader, .propose(Proposal(id: id, count: batch, bytes: batch * 128)))
        proposed += LogIndex(batch)
      }
      now += .microseconds(1)
      if now >= leader.deadline { step(leader, .deadline) }
      deliver()
    }
    return Int(leader.commit - start)
  }

  private func deliver() {
    var next = 0
    while next < inFlight.count {
      let envelope = inFlight[next]
      next += 1
      step(nodes[Int(envelope.to) - 1], .received(envelope))
    }
    inFlight.removeAll(keepingCapacity: true)
  }

  private func step(_ node: MemoryNode, _ event: Event) {
    node.step(event, at: now, &inFlight)
  }
}

/// One core, and what it waits for.
final class MemoryNode {
  private var core: RaftCore
  private var effects: [Effect] = []
  private var held: [Envelope] = []
  private var written: WriteID?

  init(_ member: Member, _ configuration: Configuration) {
    core = RaftCore(
      Recovered(
        id: member.id, incarnation: member.incarnation, boot: Boot(counter: 1, random: member.id),
        base: ConfigurationEntry(index: 0, configuration: configuration)),
      seed: member.id, at: .zero)
  }

  var isLeader: Bool { core.roleKind == .leader }
  var commit: LogIndex { core.commitIndex }
  var deadline: Duration { core.deadline ?? .seconds(1 << 40) }

  func step(_ event: consuming Event, at now: Duration, _ leaving: inout [Envelope]) {
    carryOut(event, at: now, &leaving)
    // The disk is asked once for all that a step wrote.
    while let write = written {
      written = nil
      leaving += held
      held.removeAll(keepingCapacity: true)
      carryOut(.durable(write), at: now, &leaving)
    }
  }

  private func carryOut(_ event: consuming Event, at now: Duration, _ leaving: inout [Envelope]) {
    effects.removeAll(keepingCapacity: true)
    core.step(event, at: now, into: &effects)
    var commit: LogIndex?
    for effect in effects {
      switch effect {
      case .append(let write, _), .save(let write, _): written = write
      case .send(let envelope, nil): leaving.append(envelope)
      case .send(let envelope, _): held.append(envelope)
      case .apply(let index): commit = index
      case .halt(let reason): preconditionFailure("\(reason)")
      default: break
      }
    }
    if let commit { carryOut(.applied(commit), at: now, &leaving) }
  }
}
