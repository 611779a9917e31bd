// ClusterOracle: what must hold for the group as a whole, after each step of anybody (Raft figure 3, and
// what this project promises).
//
// What must always hold: it looks only at what changed, so that a long history costs no more a step than a
// short one.

import ByteBuffers
import LogFormat
import Raft
import RaftLog

struct ClusterOracle {
  /// What is wrong; nil while nothing is. The first finding stays.
  private(set) var finding: String?
  /// Who led each term.
  private var leaders: [Term: NodeID] = [:]
  /// The term of whoever was the first to know that the last one was committed.
  private var commitTerm: Term = 0
  /// The terms of all entries that somebody knew to be committed.
  private(set) var committed: [Term] = []
  /// The state after each entry, as the first one had it that applied it.
  private var chains: [UInt64] = []
  /// Checksums of the payloads that were applied.
  private var payloads: [UInt32] = []
  /// Payloads that were acknowledged, by index.
  private var acknowledged: [LogIndex: UInt32] = [:]
  private(set) var acknowledgements = 0
  /// The last entry of a leader's log.
  private var leading: [NodeID: (term: Term, last: LogIndex)] = [:]
  private var commits: [NodeID: LogIndex] = [:]
  /// The configuration of each node after its last step, and where that stands.
  private var deciding: [NodeID: Configuration] = [:]
  private var configurationIndices: [NodeID: LogIndex] = [:]
  private var reads: [ReadKey: LogIndex] = [:]

  struct ReadKey: Hashable {
    var node: NodeID
    var life: Int
    var read: RequestID
  }

  /// The last entry that somebody knew to be committed.
  var commit: LogIndex { LogIndex(committed.count) }

  mutating func find(_ what: String) { if finding == nil { finding = what } }

  // MARK: After a step

  mutating func look(at member: SimulatedMember, in cluster: Cluster) {
    let (last, index) = (member.node.node.lastPosition, member.node.node.commitIndex)
    if member.node.node.roleKind == .leader {
      let term = member.node.node.term
      if let before = leading[member.id], before.term == term, last.index < before.last {
        find("the leader, node \(member.id), cut its log from \(before.last) to \(last.index)")
      }
      leading[member.id] = (term, last.index)
    }
    defer { noteConfiguration(of: member) }
    guard index != commits[member.id] else { return }
    commits[member.id] = index
    let terms = member.node.node.terms
    if index <= commit {
      if let term = terms.term(at: index), index > 0, term != committed[Int(index) - 1] {
        find("node \(member.id) has committed entry \(index) of term \(term), and others another")
      }
      return
    }
    lookAtCommit(index, terms, of: member, in: cluster)
  }

  private mutating func noteConfiguration(of member: SimulatedMember) {
    let index = member.node.node.configurationIndex
    guard configurationIndices[member.id] != index else { return }
    configurationIndices[member.id] = index
    deciding[member.id] = member.node.node.status.configuration.configuration
  }

  /// An entry is committed only once it is on the disks of a quorum (section 5.3; 5.4.2).
  private mutating func lookAtCommit(
    _ index: LogIndex, _ terms: TermTable, of member: SimulatedMember, in cluster: Cluster
  ) {
    let status = member.node.node.status
    let term = terms.term(at: index)!
    let before = commit
    commitTerm = member.node.node.term
    if let first = terms.term(at: before + 1), first < commitTerm {
      cluster.report.reach(.earlierTermCommitted)
    }
    for i in before + 1...index { committed.append(terms.term(at: i) ?? 0) }
    // A change may be in the very step: then those who decided are the ones of before.
    let sets = [status.configuration.configuration] + (deciding[member.id].map { [$0] } ?? [])
    let isOnQuorum = sets.contains { set in
      set.quorum.result { cluster.member($0).holds(index, of: term) ? true : nil } == .won
    }
    if !isOnQuorum {
      find(
        "entry \(index) of term \(term) was committed by node \(member.id), and is not on the disks of a "
          + "quorum")
    }
  }

  mutating func began(_ term: Term, leader id: NodeID, _ terms: TermTable) {
    if let other = leaders.updateValue(id, forKey: term), other != id {
      find("nodes \(other) and \(id) both lead term \(term)")
    }
    leading[id] = nil
    // Leader completeness: with log matching, the last one says it for all. One that was elected for an
    // earlier term may come late, and commits nothing.
    if term > commitTerm, commit >= terms.firstIndex, terms.term(at: commit) != committed.last! {
      find("node \(id) leads term \(term) without entry \(commit), which is committed")
    }
  }

  mutating func stopped(_ id: NodeID) {
    leading[id] = nil
    commits[id] = nil
    deciding[id] = nil
    configurationIndices[id] = nil
  }

  // MARK: Entries

  mutating func applied(_ entry: Entry, _ machine: SimulatedMachine, by id: NodeID) {
    let i = Int(entry.index) - 1
    if entry.index > commit { find("node \(id) applied entry \(entry.index), of \(commit)") }
    if i < chains.count {
      if chains[i] != machine.chain { find("node \(id) applied something else at \(entry.index)") }
      return
    }
    guard i == chains.count else {
      return find("node \(id) applied entry \(entry.index), and nobody the one before")
    }
    chains.append(machine.chain)
    payloads.append(entry.checksum)
    check(entry.index)
  }

  /// A state machine was restored: it is what the others had at that entry.
  mutating func restored(_ machine: SimulatedMachine, by id: NodeID) {
    let i = Int(machine.applied) - 1
    if i >= chains.count || (i >= 0 && chains[i] != machine.chain) {
      find("node \(id) restored another state at \(machine.applied)")
    }
  }

  mutating func acknowledged(_ payload: UInt32, at index: LogIndex) {
    acknowledgements += 1
    if index > commit { find("entry \(index) was acknowledged, and \(commit) is committed") }
    if let other = acknowledged.updateValue(payload, forKey: index), other != payload {
      find("two proposals were acknowledged at \(index)")
    }
    check(index)
  }

  private mutating func check(_ index: LogIndex) {
    guard let payload = acknowledged[index], Int(index) <= payloads.count,
      payloads[Int(index) - 1] != payload
    else { return }
    find("entry \(index) is not the one that was acknowledged")
  }

  // MARK: Reads

  mutating func began(_ read: ReadKey) { reads[read] = commit }

  mutating func isReady(_ read: ReadKey, at index: LogIndex) {
    guard let before = reads.removeValue(forKey: read) else {
      return find(
        "read \(read.read.rawValue) of node \(read.node) was answered twice, or never asked")
    }
    if index < before {
      find("node \(read.node) reads at \(index), and \(before) was committed before it was asked")
    }
  }

  mutating func failed(_ read: ReadKey) { reads[read] = nil }

  // MARK: Messages

  /// Nothing is said that a crash could make untrue (sections 5.1 to 5.3).
  mutating func look(leaving envelope: Envelope, of member: SimulatedMember) {
    let state = member.node.node.durableState
    if envelope.term > state.term {
      find("node \(member.id) speaks in term \(envelope.term), and \(state.term) is on its disk")
    }
    switch envelope.message {
    case .voteReply(let reply) where reply.isGranted:
      if state != HardState(term: reply.term, vote: envelope.to) {
        find("node \(member.id) gave a vote that is not on its disk")
      }
    case .appendReply(let reply):
      if case .matched(let index) = reply.result, index > member.node.node.durableIndex {
        find("node \(member.id) acknowledged entry \(index) before it was on its disk")
      }
    default: break
    }
  }
}

extension SimulatedMember {
  /// True if an entry is on its disk, or was on one that it lost.
  func holds(_ index: LogIndex, of term: Term) -> Bool {
    durable.holds(index, of: term) || wiped?.holds(index, of: term) ?? false
  }
}
