// raftlog read: entries to standard output, without a lock.
//
// What must always hold: what is printed was verified; what is left out is said, or told by the
// status.

import ArgumentParser
import LogFormat
import ProgramSupport
import Recovery
import StorageIO

struct Read: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints entries, a payload a line.",
    discussion: """
      Takes no lock and works beside a live append. What cannot be read is said on standard error; \
      reading stops before it. A lost vote is said too, but it concerns no entry: the status is 0.
      """)

  @OptionGroup var data: DataOptions
  @OptionGroup var range: RangeOptions

  @Flag(help: "Wait for more entries at the end.")
  var follow = false

  @Flag(help: "One JSON object a line: index, term, kind, crc, payload in base64.")
  var json = false

  func run() throws {
    try exiting { try read() }
  }

  private func read() throws -> ExitStatus {
    let directory = try open()
    let look = try look(directory)
    let diagnosis = look.diagnosis
    if diagnosis.isUnborn {
      throw RecoveryError(.noLog, "\(data.path): there is no log in this directory")
    }
    if let refusal = look.findings.first(where: { $0.verdict.severity == .refused }) {
      throw Failure(.refused, "\(data.path): \(refusal); \(refusal.verdict.action)")
    }
    for finding in look.findings where isNews(finding, isLive: look.isLive) {
      let advice = finding.verdict.severity >= .damaged ? advice : ""
      StandardError.line("raftlog: \(data.path): \(finding)\(advice)")
    }
    guard let view = LogView(look, in: directory) else {
      if let hidden = look.findings.first(where: { $0.verdict == .inputOutput }) {
        throw Failure(.inputOutput, "\(data.path): \(hidden); \(hidden.verdict.action)")
      }
      throw Failure(
        .lost,
        "\(data.path): the manifest is lost; `walinspect salvage` reads what is readable, "
          + "`walinspect repair` rebuilds it")
    }
    try check(view)
    do {
      try follow ? printForEver(view, directory) : print(view, directory)
    } catch let error as RecoveryError where error.code == .damaged || error.code == .lost {
      // A follower names the directory by itself.
      let place = error.message.hasPrefix("\(directory.path): ") ? "" : "\(data.path): "
      let status: ExitStatus = error.code == .lost ? .lost : .damaged
      throw Failure(
        max(status, Self.status(look.findings)), place + error.message + advice)
    }
    return Self.status(look.findings)
  }

  /// What to do about damage.
  private var advice: String { "; `walinspect explain \(data.path)` says more" }

  /// How bad it is for who reads entries: neither a lost vote nor the lock concerns any of them.
  private static func status(_ findings: [Finding]) -> ExitStatus {
    let concerning = findings.filter {
      $0.verdict != .voteLost && $0.file != DirectoryEvidence.Names.lock
    }
    let gravest: Verdict.Severity? = concerning.map(\.severity).max()
    return switch gravest {
    case .damaged: .damaged
    case .lost: .lost
    case .inputOutput: .inputOutput
    default: .clean
    }
  }

  // MARK: Looking

  private func open() throws -> POSIXDirectory {
    do throws(StorageError) {
      return try POSIXDirectory(path: data.path)
    } catch {
      guard error.isNotFound else { throw error }
      throw RecoveryError(.noLog, "\(data.path): there is no such directory")
    }
  }

  private func look(_ directory: POSIXDirectory) throws -> DirectoryLook {
    try DirectoryLook(directory, pause: { Pause.milliseconds(20) })
  }

  /// What a reader has to know. What opening will tidy up is no part of the log, and beside a writer
  /// what is not finished yet is the writer's business.
  private func isNews(_ finding: Finding, isLive: Bool) -> Bool {
    finding.severity >= .damaged || (!isLive && finding.verdict != .leftover)
  }

  /// Refuses a range that begins, or lies, before the first entry.
  private func check(_ view: LogView) throws {
    let first = view.firstIndex
    guard let missing = [range.from, range.to].compactMap({ $0 }).first(where: { $0 < first })
    else { return }
    throw RecoveryError(
      .compacted, "\(data.path): entry \(missing) was compacted away; the log begins at \(first)")
  }

  // MARK: Printing

  /// Prints the log as it was when it was looked at.
  private func print(_ view: LogView, _ directory: POSIXDirectory) throws {
    var output = Output.standard
    var next = max(range.from ?? 1, view.firstIndex)
    do {
      try view.replay(from: next, to: range.to ?? .max) { entries in
        for entry in entries { try print(entry, to: &output) }
        next = entries.last!.index + 1
        return true
      }
    } catch let error as RecoveryError {
      try output.flush()
      throw try compaction(of: next, behind: error, directory) ?? error
    }
    try output.flush()
  }

  /// Whether a file is not there because its entries were compacted away in the meantime.
  private func compaction(
    of next: LogIndex, behind error: RecoveryError, _ directory: POSIXDirectory
  ) throws -> RecoveryError? {
    guard error.storageError?.isNotFound == true,
      let first = LogView(try look(directory), in: directory)?.firstIndex, first > next
    else { return nil }
    return RecoveryError(
      .compacted,
      "\(data.path): compacted away while the log was read: \(Words.entries(next, first - 1)); "
        + "it begins at \(first)")
  }

  private func printForEver(_ view: LogView, _ directory: POSIXDirectory) throws {
    var output = Output.standard
    let last = range.to ?? .max
    var stream = EntryStream(
      directory, from: range.from ?? view.firstIndex, last: view.lastIndex,
      tell: { StandardError.line("raftlog: \($0)") })
    do {
      try stream.run(
        settled: { try output.flush() },
        pass: { entries in
          for entry in entries where entry.index <= last { try print(entry, to: &output) }
          return entries.last!.index < last
        })
    } catch let error as RecoveryError {
      try output.flush()
      throw error
    }
  }

  private func print(_ entry: Entry, to output: inout Output) throws(OutputError) {
    if json {
      try output.line(JSONWriter(format: "raftlog.entry/1", entry: entry))
    } else {
      try output.line(entry.payload)
    }
  }
}
