// walinspect follow: entries as they become readable, beside their writer.

import ArgumentParser
import LogFormat
import Recovery

struct Follow: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints entries as they become readable, until it is interrupted.",
    discussion: """
      An entry is readable once it is written; it may not be synced yet. Without --from it begins \
      behind the last entry that is there.
      """)

  @OptionGroup var subject: SubjectOptions

  @Option(help: "The first index to print.")
  var from: UInt64?

  func validate() throws {
    if let from, from < 1 { throw ValidationError("--from: indices start at 1.") }
  }

  /// How long a new entry may go unnoticed. No file system tells of another process's writes into
  /// space that was prepared, so there is nothing to wait on but time.
  private static let intervalMilliseconds: Int32 = 20

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path)
    let view = try inspection.view()
    if let from, from < view.firstIndex {
      throw Failure(
        .noLog,
        "\(subject.path): entry \(from) was compacted away; the log begins at \(view.firstIndex)")
    }
    for finding in inspection.findings where finding.verdict.severity >= .damaged {
      Output.complain("\(finding)")
    }
    var follower = LogFollower(inspection.directory, from: from ?? view.lastIndex + 1)
    while true {
      let changed = try follower.poll(
        onTruncation: { Output.complain("the log was truncated after entry \($0)") },
        into: { entries in
          for entry in entries { try print(entry, to: &output) }
          return true
        })
      try output.flush()
      if !changed { Pause.milliseconds(Self.intervalMilliseconds) }
    }
  }

  private func print(_ entry: Entry, to output: inout Output) throws {
    if subject.json {
      try output.line(JSONWriter(format: "walinspect.follow/1", entry: entry))
    } else {
      try output.line(
        "\(entry.index) term \(entry.term) \(entry.kind) \(Hex.string(entry.checksum)) "
          + "\"\(Wording.escaped(entry.payload))\"")
    }
  }
}
