// VectorFile: test data of another implementation, in its data-driven format.
//
// A block is a directive with arguments, input lines, a line "----", the expected lines, and a blank
// line. Between blocks a line that begins with "#" is for people.

import SystemPackage
import TestSupport
import Testing

struct VectorBlock {
  var line: Int
  var directive: String
  /// In order; the value of `name=value`, or of `name=(a,b)`.
  var arguments: [(name: String, value: String)]
  var input: [String]
  var expected: [String]

  subscript(name: String) -> String? { arguments.first { $0.name == name }?.value }

  /// The members of a list such as "(1,2,_)".
  func list(_ name: String) -> [String]? {
    self[name].map { value in
      value.filter { !"() ".contains($0) }.split(separator: ",").map(String.init)
    }
  }
}

enum VectorFile {
  /// The folder of the vectors: RAFTLOG_VECTORS, or where a checkout has its neighbours.
  static var folder: String {
    if let named = EnvironmentVariable.value(of: "RAFTLOG_VECTORS") { return named }
    var path = FilePath(#filePath)
    for _ in 0..<5 { path.removeLastComponent() }
    return path.appending("shared/vectors").string
  }

  static var areThere: Bool { !names(in: "quorum").isEmpty }

  /// The files of one kind; none where the vectors are not.
  static func names(in part: String) -> [String] {
    let names = try? TextFile.names(below: "\(folder)/etcd-raft/\(part)", ending: ".txt")
    return (names ?? []).map { "\(part)/\($0)" }
  }

  static func blocks(of name: String) throws -> [VectorBlock] {
    let lines = try TextFile.text(of: name, in: "\(folder)/etcd-raft")
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    var blocks: [VectorBlock] = []
    var i = 0
    while i < lines.count {
      guard !lines[i].isEmpty, !lines[i].hasPrefix("#") else {
        i += 1
        continue
      }
      var block = try block(at: i, lines[i])
      i += 1
      while i < lines.count, lines[i] != "----" {
        block.input.append(lines[i])
        i += 1
      }
      i += 1
      while i < lines.count, !lines[i].isEmpty {
        block.expected.append(lines[i])
        i += 1
      }
      blocks.append(block)
    }
    return blocks
  }

  private static func block(at index: Int, _ line: String) throws -> VectorBlock {
    let pattern = /([a-z]+)=(\([^)]*\)|\S+)/
    let directive = try #require(line.split(separator: " ").first)
    return VectorBlock(
      line: index + 1, directive: String(directive),
      arguments: line.matches(of: pattern).map { (String($0.1), String($0.2)) }, input: [],
      expected: [])
  }
}
