// walinspect follow: entries as they become readable, beside their writer.

import ArgumentParser
import LogFormat
import ProgramSupport
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
    if from == 0 { throw ValidationError("--from 0: indices start at 1.") }
  }

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path)
    let view = try inspection.view()
    if let from, from < view.firstIndex {
      throw Failure(
        .noLog,
        "\(subject.path): entry \(from) was compacted away; the log begins at \(view.firstIndex)")
    }
    for finding in inspection.findings where finding.severity >= .damaged {
      Output.complain("\(subject.path): \(finding); `walinspect explain \(subject.path)` says more")
    }
    var stream = EntryStream(
      inspection.directory, from: from ?? view.lastIndex + 1, last: view.lastIndex,
      tell: Output.complain)
    try stream.run(
      settled: { try output.flush() },
      pass: { entries in
        for entry in entries { try print(entry, to: &output) }
        return true
      })
    return .clean
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
