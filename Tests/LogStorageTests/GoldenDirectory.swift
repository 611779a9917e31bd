// GoldenDirectory: a log's directory as a program of format version 1 left it, and the text beside
// it that says what is in there.
//
// What must always hold: nothing under Golden/ is ever written by a test. What is to be opened for
// writing is copied first.

import ByteBuffers
import LogFormat
import StorageIO
import SystemPackage
import Testing

struct GoldenDirectory {
  /// Every directory under `Golden/version-1`.
  static let names = ["clean", "compacted", "killed", "terms", "torn", "voted"]
  static let root = FilePath(#filePath).removingLastComponent().appending("Golden/version-1").string

  let directory: POSIXDirectory
  private let expected: [String]

  init(_ name: String) throws {
    directory = try POSIXDirectory(path: "\(Self.root)/\(name)")
    let file = try POSIXDirectory(path: Self.root).open("\(name).expected", .read)
    expected = try file.contents().text.split(separator: "\n").map { String($0) }
  }

  /// The expected lines that begin with `word`.
  func lines(_ word: String) -> [String] {
    expected.filter { $0 == word || $0.hasPrefix(word + " ") }
  }

  /// The line of the hard state; none was ever stored where there is none.
  var hardStateLine: String { lines("hardstate").first ?? HardState().goldenLine }

  /// The last index that the writer had acknowledged when it was killed.
  var acknowledged: LogIndex? {
    get throws {
      guard let line = lines("acknowledged").first else { return nil }
      let index: LogIndex = try #require(UInt64(line.dropFirst("acknowledged ".count)))
      return index
    }
  }

  /// The files as they are now, in the words of the expected lines.
  func files() throws -> [String] {
    try directory.list().map { file in
      let bytes = try directory.open(file.name, .read).contents()
      return "file \(file.name) \(bytes.count) \(Hex.string(CRC32C.checksum(bytes.span)))"
    }
  }

  /// Copies every file to the directory at `path`.
  func copy(to path: String) throws {
    let copy = try POSIXDirectory(path: path)
    for file in try directory.list() {
      let bytes = try directory.open(file.name, .read).contents()
      try copy.open(file.name, .create).write(bytes, at: 0)
    }
  }
}

extension StorageFile {
  /// Everything in the file.
  func contents() throws -> Bytes { try read(try size(), at: 0) }
}

extension Entry {
  /// The entry in the words of the expected lines.
  var goldenLine: String { "entry \(index) \(term) \(kind) \(Hex.string(checksum))" }
  var goldenPayloadLine: String { "payload \(index) \(Base64.string(payload))" }
}

extension HardState {
  /// Term and vote in the words of the expected lines.
  var goldenLine: String { "hardstate \(term) \(vote.map { "\($0)" } ?? "-")" }
}
