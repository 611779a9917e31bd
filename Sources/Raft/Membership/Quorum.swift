// Quorum: whose agreement decides.
//
// What must always hold: a decision of a joint quorum needs a majority of each half by itself (never of
// their union), so that two decisions always have a member in common, whichever configuration each of
// them was made under (dissertation 4.3).

public import LogFormat

/// The outcome of a vote, as far as it was counted.
public enum VoteResult: Hashable, Sendable {
  /// Votes that are still out decide.
  case pending
  case won
  /// A majority can no longer be reached.
  case lost
}

/// A set of voters of which a majority decides.
public struct Majority: Hashable, Sendable {
  /// In ascending order, each once.
  public let voters: [NodeID]

  public init(_ voters: some Sequence<NodeID>) {
    var sorted: [NodeID] = []
    for voter in voters.sorted() where sorted.last != voter { sorted.append(voter) }
    self.voters = sorted
  }

  public var isEmpty: Bool { voters.isEmpty }

  /// How many of them are a majority; 0 of an empty set.
  public var count: Int { voters.isEmpty ? 0 : voters.count / 2 + 1 }

  /// The highest index that a majority has reached; nil for an empty set, which asks for nothing.
  ///
  /// - Parameter index: how far a voter has come, 0 if nothing is known.
  public func agreedIndex(_ index: (NodeID) -> LogIndex) -> LogIndex? {
    guard !voters.isEmpty else { return nil }
    // The last of those that make the majority, counted from the one that is furthest.
    return voters.map(index).sorted(by: >)[count - 1]
  }

  /// - Parameter vote: what a voter said; nil if it has not answered.
  public func result(_ vote: (NodeID) -> Bool?) -> VoteResult {
    var granted = 0
    var open = 0
    for voter in voters {
      switch vote(voter) {
      case true?: granted += 1
      case nil: open += 1
      case false?: break
      }
    }
    if granted >= count { return .won }
    return granted + open >= count ? .pending : .lost
  }
}

/// One majority, or two that both have to agree.
public struct Quorum: Hashable, Sendable {
  /// The voters of the configuration, or of the new one while it is joint.
  public let incoming: Majority
  /// The voters of the old configuration; empty unless it is joint.
  public let outgoing: Majority

  public init(incoming: Majority, outgoing: Majority = Majority([])) {
    self.incoming = incoming
    self.outgoing = outgoing
  }

  /// The highest index that is decided; nil if there is no voter at all.
  ///
  /// - Parameter index: how far a voter has come, 0 if nothing is known.
  public func agreedIndex(_ index: (NodeID) -> LogIndex) -> LogIndex? {
    switch (incoming.agreedIndex(index), outgoing.agreedIndex(index)) {
    case (let a?, let b?): min(a, b)
    case (let a, let b): a ?? b
    }
  }

  /// - Parameter vote: what a voter said; nil if it has not answered.
  public func result(_ vote: (NodeID) -> Bool?) -> VoteResult {
    switch (incoming.result(vote), outgoing.result(vote)) {
    case (.lost, _), (_, .lost): .lost
    case (.won, .won): .won
    case (.pending, _), (_, .pending): .pending
    }
  }

  public func contains(_ id: NodeID) -> Bool {
    incoming.voters.contains(id) || outgoing.voters.contains(id)
  }
}
