// Configuration: who belongs to the group, and who of them votes.
//
// What must always hold:
//   - members are in ascending order of their ids, each id once, none of them 0;
//   - incoming, outgoing and demoted voters are there only while the configuration is joint;
//   - a configuration that is in force has a voter in each of its halves.

public import LogFormat

/// What a member's vote counts for.
public enum Suffrage: UInt8, Hashable, Sendable, CaseIterable {
  /// Receives the log, and decides nothing.
  case learner = 0
  /// Votes; while the configuration is joint, in both halves of it.
  case voter = 1
  /// Votes in the new half, of which it becomes a voter.
  case incoming = 2
  /// Votes in the old half, and leaves the group with it.
  case outgoing = 3
  /// Votes in the old half, and becomes a learner when that is left.
  case demoted = 4

  var isJoint: Bool { self == .incoming || self == .outgoing || self == .demoted }
  var isIncoming: Bool { self == .voter || self == .incoming }
  var isOutgoing: Bool { self == .voter || self == .outgoing || self == .demoted }

  /// What is left of it in the new configuration alone; nil for a member that leaves.
  var afterLeaving: Suffrage? {
    switch self {
    case .learner, .demoted: .learner
    case .voter, .incoming: .voter
    case .outgoing: nil
    }
  }
}

/// A node as the group knows it.
public struct Member: Hashable, Sendable {
  public var id: NodeID
  /// The directory that belongs to this id. Another one, a wiped disk among them, is another member.
  public var incarnation: UID
  /// Where it is reached, in the words of the transport.
  public var address: String
  public var suffrage: Suffrage

  public init(
    id: NodeID, incarnation: UID, address: String = "", suffrage: Suffrage = .voter
  ) {
    self.id = id
    self.incarnation = incarnation
    self.address = address
    self.suffrage = suffrage
  }
}

/// The members of a group, while it is stable or on its way from one set of voters to another
/// (joint consensus, Raft section 6, dissertation 4.3).
public struct Configuration: Hashable, Sendable {
  /// How a joint configuration ends.
  public enum Leaving: UInt8, Hashable, Sendable {
    /// The leader proposes the new half as soon as the joint configuration is committed.
    case automatic = 1
    /// Somebody has to ask for it.
    case explicit = 2
  }

  public internal(set) var members: [Member]
  /// How the transition ends; nil while there is none.
  public internal(set) var joint: Leaving?

  /// Nobody: what a node knows before it has heard of its group.
  public init() {
    members = []
    joint = nil
  }

  /// A configuration as it was written.
  ///
  /// Fails for one that no change leads to.
  public init(_ members: [Member], joint: Leaving? = nil) throws(ConfigurationError) {
    self.members = members
    self.joint = joint
    try validate()
  }

  public subscript(id: NodeID) -> Member? { position(of: id).map { members[$0] } }

  public var isJoint: Bool { joint != nil }

  /// Whose agreement decides.
  public var quorum: Quorum {
    let incoming = members.filter(\.suffrage.isIncoming).map(\.id)
    let outgoing = isJoint ? members.filter(\.suffrage.isOutgoing).map(\.id) : []
    return Quorum(incoming: Majority(incoming), outgoing: Majority(outgoing))
  }

  /// True for a member whose vote counts in one half or in both.
  public func isVoter(_ id: NodeID) -> Bool {
    self[id].map { $0.suffrage != .learner } ?? false
  }

  func position(of id: NodeID) -> Int? { members.firstIndex { $0.id == id } }

  func validate() throws(ConfigurationError) {
    for (a, b) in zip(members, members.dropFirst()) where a.id >= b.id {
      throw ConfigurationError(.malformed, "members \(a.id) and \(b.id) are out of order")
    }
    guard members.first?.id != 0 else {
      throw ConfigurationError(.malformed, "a member with the id 0")
    }
    if !isJoint, let odd = members.first(where: \.suffrage.isJoint) {
      throw ConfigurationError(
        .malformed, "member \(odd.id) is \(odd.suffrage), and the configuration is not joint")
    }
    let quorum = quorum
    guard !quorum.incoming.isEmpty, !isJoint || !quorum.outgoing.isEmpty else {
      throw ConfigurationError(.noVoters, "the configuration has no voters")
    }
  }
}

/// Why a configuration cannot be, or cannot follow the one in force.
public struct ConfigurationError: Error, Hashable, Sendable {
  public enum Code: Hashable, Sendable {
    /// It would leave nobody who decides.
    case noVoters
    /// More than one voter changes: that takes a joint configuration.
    case needsJoint
    /// The group is on its way already: leave the joint configuration first.
    case alreadyJoint
    /// There is no joint configuration to leave.
    case notJoint
    /// The id belongs to another directory: remove that member first.
    case otherIncarnation
    /// No change leads to it.
    case malformed
  }

  public let code: Code
  public let message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}

extension ConfigurationError: CustomStringConvertible {
  public var description: String { message }
}
