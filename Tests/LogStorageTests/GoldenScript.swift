// GoldenScript: what made the golden directories that no program can make: several terms, votes, every
// kind of entry, and a stop between two steps of one job.
//
// What must always hold: what is expected comes from what was asked of the engine, and never from
// reading back; no seed, size or order here changes once its directory was written, and a directory
// that is there is never written over.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import TestSupport

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A log in the making, and what it has to hold in the end.
final class GoldenScript {
  static let names = ["terms", "voted"]

  /// Where the directories are to be written, if somebody asks for that: `RAFTLOG_WRITE_GOLDEN`.
  static var target: String? {
    guard let value = unsafe getenv("RAFTLOG_WRITE_GOLDEN") else { return nil }
    return unsafe String(cString: value)
  }

  private(set) var bench: Bench
  private(set) var entries: [Entry] = []
  private(set) var firstIndex: LogIndex = 1
  private(set) var hardState = HardState()

  init(_ name: String) throws {
    bench = try Self.open(SimulatedDisk(), session: 1, .none)
    switch name {
    case "terms": try writeTerms()
    case "voted": try writeVoted()
    default: preconditionFailure("no golden directory \(name) is made here")
    }
  }

  private static func open(
    _ disk: SimulatedDisk, session: UInt64, _ compression: Compression
  ) throws -> Bench {
    try Bench(on: disk, seed: 0x601D_0000 + 16 * session) {
      // Five small batches a segment.
      $0.segmentBytes = 32 << 10
      $0.segmentBytesFirst = 32 << 10
      $0.compression = compression
    }
  }

  // MARK: Requests

  private func append(_ payload: Bytes, kind: EntryKind = .data, term: Term) throws {
    let index = try bench.engine.append(payload.span, kind: kind, term: term).index
    entries.append(Entry(index: index, term: term, kind: kind, payload: payload))
  }

  private func truncate(after index: LogIndex) throws {
    _ = try bench.engine.truncate(after: index)
    entries.removeAll { $0.index > index }
  }

  private func compact(through index: LogIndex) throws {
    _ = try bench.engine.compact(through: index)
    entries.removeAll { $0.index <= index }
    firstIndex = index + 1
  }

  private func save(_ state: HardState) throws {
    _ = try bench.engine.save(state)
    hardState = state
  }

  private func close() throws {
    _ = try bench.engine.close()
    try bench.settle()
  }

  private static func text(_ count: Int) -> Bytes {
    let words = Array("a term is a vote, and a vote is kept; ".utf8)
    return Bytes((0..<count).map { words[$0 % words.count] })
  }

  private static func noise(_ count: Int, _ seed: UInt64) -> Bytes {
    var generator = SeededGenerator(seed: seed)
    return Bytes(generator.bytes(count))
  }

  // MARK: The directories

  /// Two sessions, both closed; the second one compresses.
  private func writeTerms() throws {
    try append(Bytes(), kind: .noop, term: 1)
    try bench.settle()
    for i in 2...4 { try append(Bytes("entry \(i)"), term: 1) }
    try bench.settle()
    try save(HardState(term: 2, vote: 1))
    // A batch in which the term changes, twice.
    try append(Bytes(), kind: .noop, term: 2)
    try append(Bytes("of term 2"), term: 2)
    try append(Bytes("one, two, three"), kind: .configuration, term: 3)
    try append(Bytes("of term 5"), term: 5)
    try bench.settle()
    // Segments that roll and are sealed.
    for i in 0..<8 {
      try append(Self.noise(3000, UInt64(i)), term: 5)
      try bench.settle()
    }
    // A term without a vote; a truncation below the active segment, and within a batch.
    try save(HardState(term: 6, vote: nil))
    try truncate(after: 7)
    try append(Bytes(), kind: .noop, term: 6)
    try bench.settle()
    // A truncation within a batch, and what takes the place of the suffix, in one write.
    for i in 0..<3 { try append(Bytes("to be replaced \(i)"), term: 6) }
    try bench.settle()
    try truncate(after: entries.last!.index - 2)
    try append(Bytes("replaced"), term: 7)
    try bench.settle()
    // Idle for a while: a marker.
    try bench.settle(at: .milliseconds(50))
    try close()

    bench = try Self.open(bench.disk, session: 2, .lz4)
    try append(Self.text(6000), term: 7)
    try append(Self.text(300), term: 8)
    try bench.settle()
    try append(Self.noise(700, 99), term: 8)
    try bench.settle()
    try append(Self.text(20_000), kind: EntryKind(rawValue: 200), term: 8)
    try bench.settle()
    try compact(through: 5)
    try bench.settle()
    try save(HardState(term: 9, vote: 3))
    try append(Self.text(40), term: 9)
    try bench.settle()
    // A truncation that nothing follows.
    for i in 1...2 { try append(Bytes("short-lived \(i)"), term: 9) }
    try bench.settle()
    try truncate(after: entries.last!.index - 1)
    try bench.settle()
    try close()
  }

  /// One session, cut short: the segment that ended has no footer, the last batch is not vouched for,
  /// and of the vote one copy was written.
  private func writeVoted() throws {
    try save(HardState(term: 3, vote: 2))
    try append(Bytes(), kind: .noop, term: 3)
    try bench.settle()
    try append(Self.text(500), term: 3)
    try bench.settle()
    let first = bench.engine.manifest.segments.count
    var isHeld = false
    while bench.engine.manifest.segments.count == first {
      try append(Self.noise(2500, UInt64(entries.count)), term: 4)
      try settleHoldingSeals(&isHeld)
    }
    try append(Self.text(900), term: 5)
    try append(Bytes("not vouched for"), term: 6)
    try settleHoldingSeals(&isHeld)
    try save(HardState(term: 6, vote: 4))
    // One copy, synced; then the process is gone.
    try bench.run(Array(try bench.take().steps.prefix(2)), .writer)
  }

  /// Carries out everything but the sealing of a segment, and what would come behind that.
  private func settleHoldingSeals(_ isHeld: inout Bool) throws {
    while true {
      if let job = bench.engine.nextJob(.writer, now: .zero) {
        try bench.carryOut(job, .writer)
      } else if !isHeld, let job = bench.engine.nextJob(.background, now: .zero) {
        if case .write(let name, _, at: _)? = job.steps.first, name.hasSuffix(".wal") {
          isHeld = true
        } else {
          try bench.carryOut(job, .background)
        }
      } else {
        return
      }
    }
  }

  // MARK: Writing

  /// What has to be found, in the lines of a file `NAME.expected`.
  func expected() throws -> [String] {
    let diagnosis = Diagnosis(try DirectoryEvidence.gather(bench.disk, depth: .everything))
    var lines = [
      "severity \(diagnosis.severity)",
      (["rows"] + diagnosis.findings.map(\.verdict.rawValue)).joined(separator: " "),
      "first \(firstIndex)", "last \(entries.last?.index ?? firstIndex - 1)", hardState.goldenLine,
    ]
    for file in try files() {
      lines.append("file \(file.name) \(file.bytes.count) \(Hex.string(file.bytes.checksum))")
    }
    lines += entries.map(\.goldenLine)
    return lines + entries.map(\.goldenPayloadLine)
  }

  /// Every file that holds anything.
  private func files() throws -> [(name: String, bytes: Bytes)] {
    try bench.disk.list().filter { !$0.name.hasPrefix("spare") }.map { file in
      (file.name, try bench.disk.open(file.name, .read).contents())
    }
  }

  /// Writes the directory and the file beside it, unless they are there.
  func write(_ name: String, to path: String) throws {
    let text = Bytes(try expected().joined(separator: "\n") + "\n")
    let parent = try POSIXDirectory(path: path, create: true)
    try parent.open("\(name).expected", .create).write(text, at: 0)
    let directory = try POSIXDirectory(path: "\(path)/\(name)", create: true)
    for file in try files() { try directory.open(file.name, .create).write(file.bytes, at: 0) }
  }
}
