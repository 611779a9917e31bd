// ConfigurationVectorTests: the configuration that etcd-io/raft makes of a sequence of changes is made
// here, and what it refuses is refused.
//
// Differences that are meant:
//   - a change of the node 0 is ignored there, and refused here (`zero.txt`): an id of 0 is a mistake of
//     whoever asks, and a change that does less than it says is worse than an error.

import LogFormat
import Raft
import Testing

@Suite(.enabled(if: VectorFile.areThere, "set RAFTLOG_VECTORS to the folder of the vectors"))
struct ConfigurationVectorTests {
  /// Files of which one block is answered otherwise, and how.
  private static let differences: [String: ConfigurationError.Code] = [
    "confchange/zero.txt": .malformed
  ]

  private static func change(_ word: Substring) throws -> MemberChange {
    let id = try #require(NodeID(word.dropFirst()))
    let member = Member(id: id, incarnation: UID(high: 0, low: id))
    switch word.first {
    case "v": return .voter(member)
    case "l": return .learner(member)
    case "r": return .remove(id)
    default: return .address(id, "elsewhere")
    }
  }

  /// The configuration in the words of the vectors.
  private static func describe(_ configuration: Configuration) -> String {
    let quorum = configuration.quorum
    func list(_ ids: [NodeID]) -> String { "(\(ids.map { "\($0)" }.joined(separator: " ")))" }
    func members(_ suffrage: Suffrage) -> [NodeID] {
      configuration.members.filter { $0.suffrage == suffrage }.map(\.id)
    }
    var text = "voters=" + list(quorum.incoming.voters)
    if configuration.isJoint { text += "&&" + list(quorum.outgoing.voters) }
    if !members(.learner).isEmpty { text += " learners=" + list(members(.learner)) }
    if !members(.demoted).isEmpty { text += " learners_next=" + list(members(.demoted)) }
    if configuration.joint == .automatic { text += " autoleave" }
    return text
  }

  private static func next(
    _ configuration: Configuration, _ block: VectorBlock
  ) throws -> Configuration {
    let changes = try block.input.flatMap { try $0.split(separator: " ").map(change) }
    switch block.directive {
    case "simple": return try configuration.applying(changes)
    case "enter-joint":
      let isAutomatic = block["autoleave"] == "true"
      return try configuration.entering(changes, leaving: isAutomatic ? .automatic : .explicit)
    default:
      #expect(block.directive == "leave-joint")
      return try configuration.leaving()
    }
  }

  @Test(arguments: VectorFile.names(in: "confchange"))
  func theSameConfigurationIsMade(_ name: String) throws {
    var configuration = Configuration()
    var differing = 0
    for block in try VectorFile.blocks(of: name) {
      let expected = try #require(block.expected.first)
      do {
        configuration = try Self.next(configuration, block)
        #expect(
          Self.describe(configuration) == expected, "\(name), line \(block.line)")
      } catch let error as ConfigurationError {
        let isRefusedThere = !expected.hasPrefix("voters=")
        if isRefusedThere { continue }
        differing += 1
        #expect(
          Self.differences[name] == error.code, "\(name), line \(block.line): \(error)")
      }
    }
    #expect(
      differing == (Self.differences[name] == nil ? 0 : 1), "\(name): other than it is listed")
  }
}
