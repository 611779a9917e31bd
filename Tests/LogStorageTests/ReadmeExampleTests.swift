// ReadmeExampleTests: README.md's example compiles, runs, and is the one in this file.

import LogFormat
import StorageIO
import SystemPackage
import TestSupport
import Testing

// The example begins.
import ByteBuffers
import LogStorage

func example(path: String) async throws -> [String] {
  let log = try SegmentedLog.open(path)  // mends what a crash left; log.findings says what
  let last = try await log.append(Bytes("hello"))  // on the disk when this returns
  var output: [String] = []
  do { _ = try log.read(last + 1) } catch { output.append("\(error.code)") }  // outOfRange
  for try await entry in log.entries(from: log.firstIndex) {  // follows the tail
    output.append(entry.payload.text)
    if entry.index == last { break }
  }
  try await log.close()
  return output
}
// The example ends.

@Suite struct ReadmeExampleTests {
  @Test func itDoesWhatItSays() async throws {
    let directory = TemporaryDirectory()
    #expect(try await example(path: directory.path) == ["outOfRange", "hello"])
    #expect(try await example(path: directory.path) == ["outOfRange", "hello", "hello"])
  }

  @Test func itIsTheOneInTheReadme() throws {
    let tests = FilePath(#filePath).removingLastComponent()
    let top = tests.removingLastComponent().removingLastComponent()
    let compiled = try Self.lines(
      of: "ReadmeExampleTests.swift", in: tests,
      from: "// The example begins.", to: "// The example ends.")
    let shown = try Self.lines(of: "README.md", in: top, from: "```swift", to: "```")
    #expect(shown == compiled)
    #expect(shown.count <= 15)
  }

  /// The lines between the first line that is `start` and the next one that is `end`.
  private static func lines(
    of name: String, in folder: FilePath, from start: String, to end: String
  ) throws -> [Substring] {
    let file = try POSIXDirectory(path: folder.string).open(name, .read)
    let lines = try file.contents().text.split(separator: "\n", omittingEmptySubsequences: false)
    let first = try #require(lines.firstIndex { $0 == start })
    let rest = lines[(first + 1)...]
    let last = try #require(rest.firstIndex { $0 == end })
    return Array(rest[..<last])
  }
}
