// QuorumVectorTests: what etcd-io/raft decides of majorities and joint quorums is decided here.

import LogFormat
import Raft
import Testing

@Suite(.enabled(if: VectorFile.areThere, "set RAFTLOG_VECTORS to the folder of the vectors"))
struct QuorumVectorTests {
  private static func ids(_ list: [String]?) -> [NodeID] {
    (list ?? []).compactMap { NodeID($0) }
  }

  /// The quorum of a block, and what each of its members says, in the order in which they are named.
  private static func read(
    _ block: VectorBlock, _ values: String
  ) throws -> (quorum: Quorum, said: [NodeID: String]) {
    let cfg = ids(block.list("cfg"))
    let cfgj = block["cfgj"] == "zero" ? [] : ids(block.list("cfgj"))
    var said: [NodeID: String] = [:]
    var left = (block.list(values) ?? [])[...]
    for id in cfg + cfgj where said[id] == nil {
      guard let value = left.popFirst() else { break }
      said[id] = value
    }
    #expect(left.isEmpty, "line \(block.line) has more values than members")
    return (Quorum(incoming: Majority(cfg), outgoing: Majority(cfgj)), said)
  }

  @Test(arguments: VectorFile.names(in: "quorum").filter { $0.hasSuffix("commit.txt") })
  func theSameIndexIsCommitted(_ name: String) throws {
    let blocks = try VectorFile.blocks(of: name).filter { $0.directive == "committed" }
    #expect(blocks.count > 10)
    for block in blocks {
      let (quorum, said) = try Self.read(block, "idx")
      // Of no voters at all everything is committed, which is drawn as infinity.
      let last = try #require(block.expected.last)
      let expected = LogIndex(last)
      #expect(expected != nil || last.hasSuffix("∞"))
      for quorum in [quorum, Quorum(incoming: quorum.outgoing, outgoing: quorum.incoming)] {
        let agreed = quorum.agreedIndex { said[$0].flatMap { LogIndex($0) } ?? 0 }
        #expect(agreed == expected, "\(name), line \(block.line)")
      }
    }
  }

  @Test(arguments: VectorFile.names(in: "quorum").filter { $0.hasSuffix("vote.txt") })
  func theSameVotesWin(_ name: String) throws {
    let results: [String: VoteResult] = [
      "VotePending": .pending, "VoteWon": .won, "VoteLost": .lost,
    ]
    let blocks = try VectorFile.blocks(of: name).filter { $0.directive == "vote" }
    #expect(blocks.count > 10)
    for block in blocks {
      let (quorum, said) = try Self.read(block, "votes")
      let last = try #require(block.expected.last)
      let expected = try #require(results[last])
      for quorum in [quorum, Quorum(incoming: quorum.outgoing, outgoing: quorum.incoming)] {
        let result = quorum.result { id in
          switch said[id] {
          case "y"?: true
          case "n"?: false
          default: nil
          }
        }
        #expect(result == expected, "\(name), line \(block.line)")
      }
    }
  }
}
