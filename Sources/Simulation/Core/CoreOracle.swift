// CoreOracle: what has to hold for a group as a whole, whatever happens to its members (Raft figure 3).
//
//   - Election Safety: a term has one leader at most.
//   - Log Matching, Leader Completeness and State Machine Safety: what anybody finds committed at an index
//     is the same for everybody, and forever.
//   - What is committed is on the disks of a quorum.
//   - Whoever knows a configuration to be committed has it in force, or a later one.
//   - A read is never told an index that is older than what was committed when it came.

import LogFormat
import Raft

struct CoreOracle {
  private var leaders: [Term: NodeID] = [:]
  /// What was committed, by index from 1.
  private var committed: [CoreRecord] = []
  /// Those of `committed` that are configurations.
  private var configurations: [ConfigurationEntry] = []
  /// The state machine after each index.
  private var chains: [LogIndex: UInt64] = [0: 0]
  /// How far each node's commit index was looked at.
  private var seen: [NodeID: LogIndex] = [:]
  /// Reads that have no answer yet, and what was committed when they came.
  private var reads: [(node: NodeID, id: RequestID, commit: LogIndex)] = []
  private(set) var finding: String?

  /// The highest index that anybody knows to be committed.
  var commit: LogIndex { LogIndex(committed.count) }

  private mutating func find(_ what: String) { if finding == nil { finding = what } }

  /// Looks at a node that has just done something.
  mutating func look(at node: CoreNode, in group: CoreGroup) {
    guard node.isUp else {
      seen[node.id] = 0
      return
    }
    let status = node.status
    if status.role == .leader {
      let term = status.hardState.term
      if let other = leaders.updateValue(node.id, forKey: term), other != node.id {
        find("nodes \(other) and \(node.id) lead in term \(term)")
      }
    }
    lookAtCommit(of: node, status, group)
    lookAtConfiguration(of: status)
    lookAtReads(of: node)
  }

  private mutating func lookAtCommit(
    of node: CoreNode, _ status: Status, _ group: CoreGroup
  ) {
    let from = max(seen[node.id] ?? 0, status.compacted)
    seen[node.id] = status.commit
    guard status.commit > from else { return }
    for index in (from + 1)...status.commit {
      guard let record = node.record(at: index) else {
        return find("node \(node.id) committed entry \(index) and does not have it")
      }
      if index <= commit {
        if committed[Int(index) - 1] != record {
          find("node \(node.id) has \(record) committed at \(index), and others have another")
        }
      } else if index == commit + 1 {
        committed.append(record)
        if case .configuration(let configuration) = record.entry {
          configurations.append(ConfigurationEntry(index: index, configuration: configuration))
        }
      } else {
        find("node \(node.id) committed \(index) behind \(commit)")
      }
    }
    if status.role == .leader { lookAtQuorum(of: status, group) }
  }

  /// A leader commits what a quorum of its configuration has on its disks.
  private mutating func lookAtQuorum(of status: Status, _ group: CoreGroup) {
    let term = committed[Int(status.commit) - 1].term
    let quorum = status.configuration.configuration.quorum
    let result = quorum.result { id in
      let node = group.node(id)
      let log = node.disk.log
      return node.hasForgotten || status.commit <= log.base.index
        || log.term(at: status.commit) == term
    }
    // Between a change of members and now, another quorum may have decided.
    if result != .won, status.configuration.index <= status.commit {
      find("entry \(status.commit) was committed and is not on the disks of a quorum")
    }
  }

  private mutating func lookAtConfiguration(of status: Status) {
    let latest = status.configuration
    guard let known = configurations.last(where: { $0.index <= status.commit }) else { return }
    if latest.index < known.index || (latest.index == known.index && latest != known) {
      find("node \(status.id) has the configuration of \(latest.index), not that of \(known.index)")
    }
  }

  mutating func passed(_ state: CoreState, by id: NodeID) {
    if let known = chains.updateValue(state.chain, forKey: state.applied), known != state.chain {
      find("node \(id) applied something else at \(state.applied)")
    }
  }

  mutating func began(_ read: RequestID, at node: NodeID) { reads.append((node, read, commit)) }

  private mutating func lookAtReads(of node: CoreNode) {
    guard !reads.isEmpty else { return }
    var open: [(node: NodeID, id: RequestID, commit: LogIndex)] = []
    for read in reads {
      guard read.node == node.id, let outcome = node.reads[read.id] else {
        open.append(read)
        continue
      }
      if case .ready(let index) = outcome, index < read.commit {
        find("node \(node.id) reads at \(index), and \(read.commit) was committed before that")
      }
    }
    reads = open
  }
}
