// ClusterPlan: how the group of a seed is made, and what goes wrong in its world, how often (swarm testing,
// Groce et al.): each seed leaves some faults out, so that others are met alone and often.
//
// What must always hold: the seed alone decides.

import LogFormat
import LogStorage
import Raft
import RaftLog

/// A kind of fault. What is counted of each is what it did, not how often it was tried.
public enum ClusterFault: String, Sendable, CaseIterable {
  case loss = "messages lost"
  case duplication = "messages delivered twice"
  case reordering = "messages overtaken"
  case corruption = "messages damaged, and refused"
  case partition = "messages lost to partitions"
  case clog = "messages late by clogged links"
  case pause = "events late by pauses"
  case crash = "processes killed with writes under way"
  case powerCut = "sectors lost to power cuts"
  case garbage = "power cuts that left garbage"
  case wipe = "entries lost to wiped disks"
  case clockRate = "deadlines moved by clocks"
  case slowDisk = "writes late by slow disks"
  case failedWrite = "nodes stopped by failed writes"
  case failedSync = "nodes stopped by failed syncs"
}

public struct ClusterPlan: Sendable {
  public let nodes: Int
  public let spares: Int
  let options: NodeOptions
  /// Of a thousand messages.
  let losses: UInt64
  let duplicates: UInt64
  let corruptions: UInt64
  /// The longest way of a message, in microseconds.
  let delayMax: UInt64
  /// How fast the clocks of the nodes go, in thousandths.
  let clockRates: [UInt64]
  /// Relative frequencies, in the order of `ClusterAction.Kind`.
  let weights: [UInt64]
  /// The mean time between actions, in microseconds.
  let actionEvery: UInt64
  /// True if only a quorum is healed in the end, and the rest stays away.
  let leavesMinorityAway: Bool

  init(_ random: inout SplitMix64) {
    nodes = Int(1 + random.next() % 7)
    spares = Int(random.next() % 3)
    var options = NodeOptions()
    options.engine = StorageExplorer.tinyOptions(&random)
    options.engine.syncMode = .always
    options.engine.entryBytesMax = 6 << 10
    options.raft = Self.protocolOptions(&random)
    self.options = options
    func sometimes(_ most: UInt64, _ random: inout SplitMix64) -> UInt64 {
      random.next() % 2 == 0 ? 0 : 1 + random.next() % most
    }
    losses = sometimes(100, &random)
    duplicates = sometimes(100, &random)
    corruptions = sometimes(20, &random)
    delayMax = [500, 5000, 40_000][Int(random.next() % 3)]
    let drifts = random.next() % 3 == 0
    clockRates = (0..<nodes + spares).map { _ in drifts ? 700 + random.next() % 600 : 1000 }
    weights = ClusterAction.Kind.allCases.map { kind in
      let weight = kind.weight
      return kind.isFault ? sometimes(weight, &random) : 1 + random.next() % weight
    }
    actionEvery = [2000, 8000, 20_000][Int(random.next() % 3)]
    leavesMinorityAway = random.next() % 3 == 0
  }

  private static func protocolOptions(_ random: inout SplitMix64) -> RaftOptions {
    var options = RaftOptions()
    options.electionTimeoutMax = .seconds(2)
    options.preVote = random.next() % 4 != 0
    options.checkQuorum = random.next() % 4 != 0
    options.messageBytesMax = [300, 5000, 1 << 20][Int(random.next() % 3)]
    options.inflightMessagesMax = [1, 4, 256][Int(random.next() % 3)]
    options.inflightBytesMax = [500, 20_000, 8 << 20][Int(random.next() % 3)]
    options.uncommittedBytesMax = [8000, 64 << 20][Int(random.next() % 2)]
    options.tailBytesMax = [1, 5000, 16 << 20][Int(random.next() % 3)]
    options.snapshotChunkBytes = 700
    options.snapshotChunksMax = 1 + Int(random.next() % 3)
    options.entriesKept = [0, 5, 10_000][Int(random.next() % 3)]
    options.waitingReadsMax = [2, 100][Int(random.next() % 2)]
    return options
  }

  /// The kinds that a shrunk history names.
  public var words: String {
    let actions = zip(ClusterAction.Kind.allCases, weights).filter { $0.1 > 0 }.map {
      "\($0.0) \($0.1)"
    }
    return
      "\(nodes) nodes, \(spares) spares; of 1000 messages \(losses) lost, \(duplicates) twice, "
      + "\(corruptions) damaged; delays up to \(delayMax) us; clocks \(clockRates); "
      + actions.joined(separator: ", ")
  }
}
