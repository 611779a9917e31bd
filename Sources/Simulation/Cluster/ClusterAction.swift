// ClusterAction: something that clients, operators or nature do to a group at a time.
//
// What must always hold: an action stands for itself. Numbers are taken modulo what there is to choose
// from, so that a history without some of them is a history as well, and a finding can be shrunk.

import LogFormat

public struct ClusterAction: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case propose, read, change, transfer, snapshot
    case partition, isolate, clog, heal, pause, crash, powerCut, wipe, jump, slowDisk, failWrite
    case failSync

    var isFault: Bool {
      switch self {
      case .propose, .read, .change, .transfer, .snapshot, .heal: false
      default: true
      }
    }

    /// How often it happens at most, beside the others.
    var weight: UInt64 {
      switch self {
      case .propose: 300
      case .read: 60
      case .change, .transfer: 8
      case .snapshot: 20
      case .heal: 20
      case .partition, .isolate, .clog, .pause: 10
      case .crash, .powerCut: 12
      case .wipe: 2
      case .jump, .slowDisk: 6
      case .failWrite, .failSync: 4
      }
    }
  }

  public var kind: Kind
  public var a: UInt64
  public var b: UInt64
  /// When, in nanoseconds.
  public var at: UInt64

  init(_ plan: ClusterPlan, after time: UInt64, _ random: inout SplitMix64) {
    at = time + 1 + random.next() % (2 * plan.actionEvery * 1000)
    var left = random.next() % plan.weights.reduce(0, +)
    var kind = 0
    while left >= plan.weights[kind] {
      left -= plan.weights[kind]
      kind += 1
    }
    self.kind = Kind.allCases[kind]
    a = random.next()
    b = random.next()
  }
}

extension ClusterAction: CustomStringConvertible {
  public var description: String { "\(at / 1_000_000) ms: \(kind) \(a % 1000) \(b % 1000)" }
}
