// Status: a node as others may see it: metrics, traces, tests, people.

public import LogFormat

public struct Status: Hashable, Sendable {
  public struct Peer: Hashable, Sendable {
    public enum State: String, Hashable, Sendable {
      case probing, replicating, snapshot
    }

    public var id: NodeID
    public var match: LogIndex
    public var next: LogIndex
    public var state: State
    public var inflightMessages: Int
    public var inflightBytes: Int
  }

  public var id: NodeID
  public var role: RoleKind
  public var halt: HaltReason?
  public var hardState: HardState
  public var leader: NodeID?
  public var compacted: LogIndex
  public var snapshot: LogPosition?
  public var applied: LogIndex
  public var commit: LogIndex
  public var durable: LogIndex
  public var last: LogPosition
  /// The one in force.
  public var configuration: ConfigurationEntry
  /// Set while the node may have forgotten something.
  public var mark: Mark?
  /// Of a leader.
  public var peers: [Peer]
}

extension RaftCore {
  public var id: NodeID { server.id }
  public var term: Term { server.term }
  public var roleKind: RoleKind { role.kind }
  public var mark: Mark? { server.mark }
  public var commitIndex: LogIndex { server.log.commit }
  public var lastPosition: LogPosition { server.log.last }
  /// The last entry that is on the disk, and that no truncation on its way there takes back.
  public var durableIndex: LogIndex { server.log.durable }
  /// The first entry whose payload may be asked for in an effect without a `fetch` before it.
  public var tailFirstIndex: LogIndex { server.log.tail.firstIndex }

  public var status: Status {
    var peers: [Status.Peer] = []
    var halt: HaltReason?
    switch role {
    case .leader(let leader): peers = leader.peers.map(Status.Peer.init)
    default: halt = role.haltReason
    }
    let log = server.log
    return Status(
      id: server.id, role: role.kind, halt: halt, hardState: server.hardState, leader: leaderHint,
      compacted: log.compacted, snapshot: log.snapshot?.position, applied: log.applied,
      commit: log.commit, durable: log.durable, last: log.last,
      configuration: log.configurations.latest, mark: server.mark, peers: peers)
  }
}

extension Status.Peer {
  init(_ progress: Progress) {
    id = progress.id
    match = progress.match
    next = progress.next
    state =
      switch progress.state {
      case .probing: .probing
      case .replicating: .replicating
      case .snapshot: .snapshot
      }
    inflightMessages = progress.inflights.count
    inflightBytes = progress.inflights.bytes
  }
}

extension RaftCore {
  /// Where the configuration in force stands.
  public var configurationIndex: LogIndex { server.log.configurations.latest.index }

  /// The directory that the configuration in force has under this id; nil if it has none.
  public func incarnation(of id: NodeID) -> UID? { server.configuration[id]?.incarnation }

  /// Where a snapshot of the first `index` entries stands, and the configuration that it has to say; nil
  /// for what is not applied, or not known any more.
  public func basis(ofSnapshotAt index: LogIndex) -> (LogPosition, ConfigurationEntry)? {
    let log = server.log
    guard index > 0, index <= log.applied, let position = log.position(at: index) else {
      return nil
    }
    let configuration = log.configurations.upTo(index)
    // A node that has not heard yet of what group it is has nothing to tell others.
    guard !configuration.configuration.members.isEmpty else { return nil }
    return (position, configuration)
  }
}
