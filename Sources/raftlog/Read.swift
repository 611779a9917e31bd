// raftlog read: entries to standard output, without a lock.

import ArgumentParser
import ByteBuffers
import LogFormat
import Recovery
import StorageIO

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

struct Read: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints entries, a payload a line.",
    discussion: """
      Takes no lock and works beside a live append. What cannot be read is said on standard error; \
      reading stops before it.
      """)

  @OptionGroup var data: DataOptions

  @Option(help: "The first index to print.")
  var from: UInt64?

  @Option(help: "The last index to print.")
  var to: UInt64?

  @Flag(help: "Wait for more entries at the end.")
  var follow = false

  @Flag(help: "One JSON object a line: index, term, kind, crc, payload in base64.")
  var json = false

  func validate() throws {
    if let from, from < 1 { throw ValidationError("--from: indices start at 1.") }
    if let from, let to, to < from { throw ValidationError("--to is below --from.") }
  }

  mutating func run() async throws {
    try await exiting { try read() }
  }

  private func read() throws {
    let directory = try POSIXDirectory(path: data.path)
    let isLive = try directory.isLocked()
    let diagnosis = Diagnosis(try DirectoryEvidence.gather(directory, isLive: isLive))
    if diagnosis.isUnborn {
      throw RecoveryError(.noLog, "\(data.path): there is no log in this directory")
    }
    let refusal = diagnosis.findings.first { $0.verdict.severity == .refused }
    if let refusal {
      StandardError.line("raftlog: \(data.path): \(refusal); \(refusal.verdict.action)")
      throw ExitStatus.refused
    }
    for finding in diagnosis.findings { StandardError.line("raftlog: \(finding)") }
    guard let view = LogView(diagnosis, in: directory) else { throw ExitStatus.lost }
    if let from, from < view.firstIndex {
      throw RecoveryError(
        .compacted,
        "entry \(from) was compacted away; the log begins at \(view.firstIndex)")
    }
    if follow {
      try followEntries(directory, from: from ?? view.firstIndex)
    } else {
      try print(view, directory)
    }
    switch diagnosis.severity {
    case .damaged: throw ExitStatus.damaged
    case .lost: throw ExitStatus.lost
    default: break
    }
  }

  /// Prints the log as it was when it was looked at; a live one may be compacted meanwhile.
  private func print(_ view: LogView, _ directory: POSIXDirectory) throws {
    var printer = EntryPrinter(json: json)
    defer { printer.flush() }
    try view.replay(from: from ?? 1, to: to ?? .max) { entries in
      for entry in entries { printer.print(entry) }
      return true
    }
  }

  private func followEntries(_ directory: POSIXDirectory, from: UInt64) throws {
    var follower = LogFollower(directory, from: from)
    var printer = EntryPrinter(json: json)
    var isDone = false
    while !isDone {
      let changed = try follower.poll(
        onTruncation: { StandardError.line("raftlog: the log was truncated after entry \($0)") },
        into: { entries in
          for entry in entries where entry.index <= to ?? .max { printer.print(entry) }
          isDone = entries.last!.index >= to ?? .max
          return !isDone
        })
      printer.flush()
      // Another process writes the files, and the seam has no way to be told: look again soon.
      if !changed && !isDone { usleep(20_000) }
    }
  }
}

/// Writes entries in the form that was asked for.
struct EntryPrinter: ~Copyable {
  private let json: Bool
  private var output = StandardOutput()

  init(json: Bool) { self.json = json }

  mutating func print(_ entry: Entry) {
    if json {
      output.write(
        "{\"format\":\"raftlog.entry/1\",\"index\":\(entry.index),\"term\":\(entry.term),"
          + "\"kind\":\"\(entry.kind)\",\"crc\":\"\(Hex.string(entry.checksum))\",\"payload\":\""
          + Base64.string(entry.payload) + "\"}")
    } else {
      output.write(entry.payload.span)
    }
    output.byte(10)
  }

  mutating func flush() { output.flush() }
}
