// ConfigurationTests: every configuration that changes lead to keeps its promises, and any two that
// follow each other have no two majorities without a common member.

import LogFormat
import Raft
import TestSupport
import Testing

@Suite struct ConfigurationTests {
  private func member(_ id: NodeID, incarnation: UInt64 = 1) -> Member {
    Member(id: id, incarnation: UID(high: incarnation, low: id), address: "node-\(id)")
  }

  private func stable(_ ids: ClosedRange<NodeID>) throws -> Configuration {
    try Configuration(ids.map { member($0) })
  }

  private func refusal(
    _ body: () throws -> Configuration
  ) -> ConfigurationError.Code? {
    do {
      _ = try body()
      return nil
    } catch {
      return (error as? ConfigurationError)?.code
    }
  }

  @Test func anotherDirectoryIsAnotherMember() throws {
    let three = try stable(1...3)
    let wiped = member(3, incarnation: 2)
    #expect(refusal { try three.applying([.voter(wiped)]) } == .otherIncarnation)
    #expect(refusal { try three.applying([.learner(wiped)]) } == .otherIncarnation)
    #expect(
      refusal { try three.entering([.voter(wiped)], leaving: .automatic) } == .otherIncarnation)
    let replaced = try three.applying([.remove(3)]).applying([.voter(wiped)])
    #expect(replaced[3]?.incarnation == wiped.incarnation)
  }

  /// A directory may not take the place of another within one joint configuration either: the id would
  /// vote twice, once with each.
  @Test func anIdIsNotReplacedWithinATransition() throws {
    let wiped = member(3, incarnation: 2)
    let three = try stable(1...3)
    #expect(
      refusal { try three.entering([.remove(3), .voter(wiped)], leaving: .automatic) }
        == .otherIncarnation)
  }

  @Test func anAddressChangesNothingElse() throws {
    let three = try stable(1...3)
    let moved = try three.applying([.address(2, "elsewhere"), .address(9, "nowhere")])
    #expect(moved[2]?.address == "elsewhere" && moved.quorum == three.quorum)
    #expect(moved.members.count == 3)
  }

  @Test func whatNoChangeLeadsToIsRefused() {
    let joint = Member(id: 2, incarnation: UID(high: 1, low: 2), suffrage: .incoming)
    #expect(refusal { try Configuration([member(1), joint]) } == .malformed)
    #expect(refusal { try Configuration([member(2), member(1)]) } == .malformed)
    #expect(refusal { try Configuration([member(1), member(1)]) } == .malformed)
    #expect(refusal { try Configuration([member(0)]) } == .malformed)
    #expect(refusal { try Configuration([]) } == .noVoters)
    #expect(refusal { try Configuration([joint], joint: .automatic) } == .noVoters)
  }

  /// True if a majority of `a` and one of `b` can be found that have no member in common.
  private func canDecideApart(_ a: Quorum, _ b: Quorum) -> Bool {
    let ids = Array(Set([a, b].flatMap { $0.incoming.voters + $0.outgoing.voters })).sorted()
    return (0..<1 << ids.count).contains { side in
      func wins(_ quorum: Quorum, _ isIn: (Int) -> Bool) -> Bool {
        quorum.result { id in isIn(ids.firstIndex(of: id)!) } == .won
      }
      return wins(a) { side & 1 << $0 != 0 } && wins(b) { side & 1 << $0 == 0 }
    }
  }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func configurationsThatFollowEachOtherOverlap(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var configuration = try stable(1...NodeID(1 + seed % 5))
    var made = (simple: 0, joint: 0)
    for _ in 0..<60 {
      let changes: [MemberChange] = (0..<1 + generator.below(3)).map { _ in
        let id = NodeID(1 + generator.below(6))
        switch generator.below(3) {
        case 0: return .voter(member(id))
        case 1: return .learner(member(id))
        default: return .remove(id)
        }
      }
      let next: Configuration
      do {
        if configuration.isJoint {
          next = try configuration.leaving()
        } else if generator.below(2) == 0 {
          next = try configuration.applying(changes)
          made.simple += 1
        } else {
          next = try configuration.entering(changes, leaving: .automatic)
          made.joint += 1
        }
      } catch {
        continue
      }
      #expect(!canDecideApart(configuration.quorum, next.quorum), "seed \(seed): \(next)")
      #expect(try Configuration(next.members, joint: next.joint) == next)
      #expect(next.members.allSatisfy { next.isVoter($0.id) == next.quorum.contains($0.id) })
      configuration = next
    }
    #expect(made.simple > 0 && made.joint > 0)
  }
}
