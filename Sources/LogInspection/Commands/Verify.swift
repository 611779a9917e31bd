// walinspect verify: reads every byte and says in one line, and one number, what it is worth.

import ArgumentParser
import ProgramSupport
import Recovery

struct Verify: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks every byte of a log; ends with a line of verdict.",
    discussion: """
      Exit status, the highest that was found: 0 clean; 1 opening mends it, and nothing \
      acknowledged is touched; 2 damaged; 3 something is lost; 4 written by a newer program, or \
      another group's; 5 I/O error; 66 no log there.
      """)

  @OptionGroup var subject: SubjectOptions

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection: Inspection
    do {
      inspection = try Inspection(subject.path, depth: .everything, label: "verifying")
    } catch {
      let failure = Failure(error)
      try printVerdict(failure.status, isLive: false, findings: 0, to: &output)
      throw failure
    }
    // What a device does not deliver is worse than what it hides: `Finding.severity` says so.
    let status = ExitStatus(inspection.severity)
    for finding in inspection.findings {
      if subject.json {
        try output.line(FindingReport(finding, in: inspection).json(format: Self.format))
      } else {
        try output.line(Wording.escaped("\(finding)"))
      }
    }
    for note in inspection.notes {
      if subject.json {
        try output.line(note.json(format: Self.format))
      } else {
        try output.line(note.line)
      }
    }
    try printVerdict(
      status, isLive: inspection.isLive, findings: inspection.findings.count, to: &output)
    return status
  }

  private static let format = "walinspect.verify/1"

  private func printVerdict(
    _ status: ExitStatus, isLive: Bool, findings: Int, to output: inout Output
  ) throws {
    if subject.json {
      var json = JSONWriter(format: Self.format)
      json.field("type", "verdict")
      json.field("path", subject.path)
      json.field("verdict", status.word)
      json.field("status", status.rawValue)
      json.field("isLive", isLive)
      json.field("findings", findings)
      try output.line(json)
      return
    }
    let tone: Tone = status == .clean ? .good : status == .mended ? .warning : .bad
    let count = findings == 0 ? "" : ": " + Wording.count(findings, "finding", "findings")
    try output.line(
      "verdict: " + Terminal.output.paint(status.word, tone) + (isLive ? " (live)" : "") + count)
  }
}
