// GoldenFileTests: what version 1 of the format wrote is read, opened and continued for ever.
//
// Golden/README.md says what the directories are and how each was made.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO
import TestSupport
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
    let payloads = golden.lines("payload")
    #expect(payloads.isEmpty || entries.map(\.goldenPayloadLine) == payloads)
    #expect(GoldenScript.names.contains(name) == !payloads.isEmpty)
    let votes = evidence.votes.compactMap(\.file)
    let newest = try #require(votes.max { $0.generation < $1.generation })
    #expect(newest.state.goldenLine == golden.hardStateLine)
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
    #expect(log.hardState.goldenLine == golden.hardStateLine)
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
    #expect(again.hardState.goldenLine == golden.hardStateLine)
    #expect(again.firstIndex == first)
    #expect(again.durableIndex == index)
    #expect(try again.read(first...index, bytesMax: .max) == entries)
    try await again.close()
  }

  // MARK: What the scripts make

  /// What lies in a directory, as far as the format has more than one way to say it.
  private struct Contents {
    var terms: Set<Term> = []
    var kinds: Set<EntryKind> = []
    var codecs: Set<Codec> = []
    /// Frames that take entries back: with a batch in place of these, and without.
    var truncations: Set<FrameKind> = []
    var seals: [Bool] = []
    var firstIndex: LogIndex = 0

    init(_ directory: any StorageDirectory) throws {
      let evidence = try DirectoryEvidence.gather(directory, depth: .everything)
      let view = try #require(LogView(Diagnosis(evidence), in: directory))
      firstIndex = view.firstIndex
      seals = view.state.segments.map { $0.seal != nil }
      try view.replay { entries in
        terms.formUnion(entries.map(\.term))
        kinds.formUnion(entries.map(\.kind))
        return true
      }
      for record in view.state.segments {
        let bytes = try directory.open(record.fileName, .read).contents()
        try look(at: bytes, seed: record.header(group: view.state.group).seed)
      }
    }

    private mutating func look(at bytes: Bytes, seed: FrameSeed) throws {
      for offset in stride(from: Layout.segmentHeader, to: bytes.count, by: Layout.page) {
        let page = bytes[offset..<min(offset + Layout.page, bytes.count)]
        guard let frame = try? Frame(decoding: page.span, seed: seed) else { continue }
        if frame.truncateAfter != nil { truncations.insert(frame.kind) }
        guard frame.kind == .batch else { continue }
        let body = offset + Layout.frame
        codecs.insert(try Batch(bytes[body..<body + frame.bodyBytes]).header.codec)
      }
    }
  }

  /// A golden directory that lacks what it is there for would be read without being a test of it.
  @Test func whatTheProgramsCannotWriteIsThere() throws {
    let terms = try Contents(try GoldenDirectory("terms").directory)
    #expect(terms.terms.count >= 4)
    #expect(terms.kinds.isSuperset(of: [.data, .noop, .configuration]))
    #expect(terms.codecs == [.none, .lz4])
    #expect(terms.truncations == [.batch, .truncation])
    #expect(terms.seals.dropLast().contains(true) && terms.seals.last == false)
    #expect(terms.firstIndex == 6)
    let golden = try GoldenDirectory("terms")
    #expect(golden.hardStateLine == HardState(term: 9, vote: 3).goldenLine)
    #expect(golden.lines("severity") == ["severity clean"])

    let voted = try GoldenDirectory("voted")
    let votes = try DirectoryEvidence.gather(voted.directory).votes.map { $0.file?.state }
    #expect(votes == [HardState(term: 6, vote: 4), HardState(term: 3, vote: 2)])
    #expect(try Contents(voted.directory).seals == [false, false])
    #expect(voted.lines("severity") == ["severity mended"])
    #expect(voted.hardStateLine == HardState(term: 6, vote: 4).goldenLine)
  }

  /// The scripts themselves, with today's program: what they ask for is what opening finds.
  @Test(arguments: GoldenScript.names)
  func aScriptMakesWhatItAsksFor(_ name: String) throws {
    let script = try GoldenScript(name)
    let disk = script.bench.disk
    let view = try #require(LogView(Diagnosis(try DirectoryEvidence.gather(disk)), in: disk))
    var entries: [Entry] = []
    try view.replay { batch in
      entries += batch
      return true
    }
    #expect(entries == script.entries)
    #expect(view.firstIndex == script.firstIndex)
    let opened = try LogOpener.open(disk, options: script.bench.engine.options, seed: 77).opened
    #expect(opened.hardState == script.hardState)
    #expect(opened.active.end.index == script.entries.last?.index)
  }

  /// Writes the directories that are missing, for somebody to look at and to keep. Golden/README.md
  /// says when.
  @Test(.enabled(if: GoldenScript.target != nil), arguments: GoldenScript.names)
  func writeThem(_ name: String) throws {
    let target = try #require(GoldenScript.target)
    try GoldenScript(name).write(name, to: target)
  }

  private static func rows(_ findings: [Finding]) -> String {
    (["rows"] + findings.map(\.verdict.rawValue)).joined(separator: " ")
  }
}
