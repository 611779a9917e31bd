// GoldenFileTests: what version 1 of the format wrote is read, opened and continued for ever.
//
// Golden/README.md says what the directories are and how each was made.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO
import Testing

@Suite struct GoldenFileTests {
  let copy = TemporaryDirectory()

  private static func options() -> LogOptions {
    var options = LogOptions()
    // A directory that is not taken for a log must not pass as the place for a new one.
    options.createsIfMissing = false
    options.engine.segmentBytes = 32 << 10
    options.engine.segmentBytesFirst = 16 << 10
    options.engine.reserveBytes = 4 << 10
    return options
  }

  @Test func everyDirectoryIsTested() throws {
    let texts = try POSIXDirectory(path: GoldenDirectory.root).list().map(\.name)
    #expect(
      texts.filter { $0.hasSuffix(".expected") } == GoldenDirectory.names.map { "\($0).expected" })
  }

  @Test(arguments: GoldenDirectory.names)
  func itReadsAsItDid(_ name: String) throws {
    let golden = try GoldenDirectory(name)
    #expect(try golden.files() == golden.lines("file"))

    let evidence = try DirectoryEvidence.gather(golden.directory, depth: .everything)
    let diagnosis = Diagnosis(evidence)
    #expect(["severity \(diagnosis.severity)"] == golden.lines("severity"))
    #expect([Self.rows(diagnosis.findings)] == golden.lines("rows"))

    let view = try #require(LogView(diagnosis, in: golden.directory))
    #expect(["first \(view.firstIndex)"] == golden.lines("first"))
    #expect(["last \(view.lastIndex)"] == golden.lines("last"))
    var entries: [Entry] = []
    try view.replay { batch in
      entries += batch
      return true
    }
    #expect(entries.map(\.goldenLine) == golden.lines("entry"))
    if let acknowledged = try golden.acknowledged { #expect(acknowledged <= view.lastIndex) }

    // Reading wrote nothing, not even a lock file.
    #expect(try golden.files() == golden.lines("file"))
  }

  @Test(arguments: GoldenDirectory.names)
  func itIsOpenedAndGoesOn(_ name: String) async throws {
    let golden = try GoldenDirectory(name)
    try golden.copy(to: copy.path)

    let log = try SegmentedLog.open(copy.path, options: Self.options())
    #expect([Self.rows(log.findings)] == golden.lines("rows"))
    #expect(log.hardState == HardState())
    let first = log.firstIndex
    var entries = try log.read(first...log.appendedIndex, bytesMax: .max)
    #expect(entries.map(\.goldenLine) == golden.lines("entry"))
    let index = try await log.append(Bytes("appended to version 1"))
    entries.append(try log.read(index))
    #expect(entries.last?.payload.text == "appended to version 1")
    try await log.close()

    let directory = try POSIXDirectory(path: copy.path)
    let evidence = try DirectoryEvidence.gather(directory, depth: .everything)
    #expect(Diagnosis(evidence).findings.map(\.description) == [])
    let again = try SegmentedLog.open(copy.path, options: Self.options())
    #expect(again.findings.isEmpty)
    #expect(again.firstIndex == first)
    #expect(again.durableIndex == index)
    #expect(try again.read(first...index, bytesMax: .max) == entries)
    try await again.close()
  }

  private static func rows(_ findings: [Finding]) -> String {
    (["rows"] + findings.map(\.verdict.rawValue)).joined(separator: " ")
  }
}
