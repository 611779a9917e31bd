// ConfigurationChange: the next configuration, made from the one before.
//
// What must always hold: one simple change adds or removes at most one voter, so that majorities before
// and after it overlap (dissertation 4.2); anything more passes through a joint configuration, which
// needs both majorities (4.3).

public import LogFormat

/// One wish about one member. A wish that is fulfilled already changes nothing. A member that is named with
/// another address is reached there from now on; without one, where it was.
public enum MemberChange: Hashable, Sendable {
  /// Becomes a voter, be it new or a learner so far.
  case voter(Member)
  /// Becomes a learner, be it new or a voter so far.
  case learner(Member)
  /// Leaves the group.
  case remove(NodeID)
  /// Is reached elsewhere from now on; nothing else changes.
  case address(NodeID, String)
}

extension Configuration {
  /// The configuration after changes that move at most one voter.
  public func applying(_ changes: [MemberChange]) throws(ConfigurationError) -> Configuration {
    guard !isJoint else {
      throw ConfigurationError(
        .alreadyJoint, "no simple change while the configuration is joint: leave that first")
    }
    let next = try wished(changes)
    try next.validate()
    let moved = Self.difference(quorum.incoming, next.quorum.incoming)
    guard moved <= 1 else {
      throw ConfigurationError(
        .needsJoint, "\(moved) voters change at once: that takes a joint configuration")
    }
    return next
  }

  /// The joint configuration on the way to what `changes` ask for, however many voters they move.
  public func entering(
    _ changes: [MemberChange], leaving: Leaving
  ) throws(ConfigurationError) -> Configuration {
    guard !isJoint else {
      throw ConfigurationError(.alreadyJoint, "the configuration is joint already")
    }
    guard !quorum.incoming.isEmpty else {
      throw ConfigurationError(.noVoters, "a group without voters cannot enter a transition")
    }
    let target = try wished(changes)
    var next = self
    next.joint = leaving
    next.members = Self.merged(members, target.members)
    try next.validate()
    return next
  }

  /// The new half of a joint configuration, alone.
  public func leaving() throws(ConfigurationError) -> Configuration {
    guard isJoint else {
      throw ConfigurationError(.notJoint, "there is no joint configuration to leave")
    }
    var next = self
    next.joint = nil
    next.members = members.compactMap { member in
      member.suffrage.afterLeaving.map { suffrage in
        var member = member
        member.suffrage = suffrage
        return member
      }
    }
    try next.validate()
    return next
  }

  /// The members as `changes`, one after the other, would have them.
  private func wished(_ changes: [MemberChange]) throws(ConfigurationError) -> Configuration {
    var next = self
    for change in changes {
      switch change {
      case .voter(let member): try next.place(member, as: .voter)
      case .learner(let member): try next.place(member, as: .learner)
      case .remove(let id): next.members.removeAll { $0.id == id }
      case .address(let id, let address):
        if let i = next.position(of: id) { next.members[i].address = address }
      }
    }
    // Whoever counts votes knows an id, and not whose it was a moment ago.
    for member in next.members {
      if let old = self[member.id], old.incarnation != member.incarnation {
        throw ConfigurationError(old, isAnother: member)
      }
    }
    return next
  }

  private mutating func place(
    _ member: Member, as suffrage: Suffrage
  ) throws(ConfigurationError) {
    guard member.id != 0 else {
      throw ConfigurationError(.malformed, "a member with the id 0")
    }
    if let i = position(of: member.id) {
      guard members[i].incarnation == member.incarnation else {
        throw ConfigurationError(members[i], isAnother: member)
      }
      members[i].suffrage = suffrage
      if !member.address.isEmpty { members[i].address = member.address }
      return
    }
    var member = member
    member.suffrage = suffrage
    members.insert(member, at: members.firstIndex { $0.id > member.id } ?? members.endIndex)
  }

  /// Both lists in one, each member with what it counts for on the way from `old` to `new`.
  private static func merged(_ old: [Member], _ new: [Member]) -> [Member] {
    var merged: [Member] = []
    var (i, j) = (0, 0)
    while i < old.count || j < new.count {
      let before = i < old.count && (j == new.count || old[i].id <= new[j].id) ? old[i] : nil
      let after = j < new.count && (i == old.count || new[j].id <= old[i].id) ? new[j] : nil
      if before != nil { i += 1 }
      if after != nil { j += 1 }
      guard var member = after ?? before,
        let suffrage = onTheWay(from: before?.suffrage, to: after?.suffrage)
      else { continue }
      member.suffrage = suffrage
      merged.append(member)
    }
    return merged
  }

  /// nil for one that was a learner and leaves: nothing depends on it.
  private static func onTheWay(from old: Suffrage?, to new: Suffrage?) -> Suffrage? {
    switch (old == .voter, new) {
    case (true, .voter?): .voter
    case (true, nil): .outgoing
    case (true, _?): .demoted
    case (false, .voter?): .incoming
    case (false, nil): nil
    case (false, _?): .learner
    }
  }

  /// How many voters are in one of the two and not in the other.
  private static func difference(_ a: Majority, _ b: Majority) -> Int {
    a.voters.count { !b.voters.contains($0) } + b.voters.count { !a.voters.contains($0) }
  }
}

extension ConfigurationError {
  fileprivate init(_ known: Member, isAnother member: Member) {
    self.init(
      .otherIncarnation,
      "member \(member.id) is incarnation \(known.incarnation), not \(member.incarnation): remove it "
        + "first, in a change of its own")
  }
}
