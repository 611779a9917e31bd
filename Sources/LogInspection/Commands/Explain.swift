// walinspect explain: for every finding the row of the table that fired, why, and where.

import ArgumentParser
import ProgramSupport
import Recovery

struct Explain: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Explains every finding: row, evidence, file, byte offset, entries, and what is done."
  )

  @OptionGroup var subject: SubjectOptions

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path, depth: .everything, label: "reading")
    if subject.json {
      for finding in inspection.findings {
        try output.line(FindingReport(finding, in: inspection).json(format: Self.format))
      }
      for note in inspection.notes { try output.line(note.json(format: Self.format)) }
      try output.line(summary(inspection))
      return .clean
    }
    for finding in inspection.findings {
      for line in FindingReport(finding, in: inspection).lines(on: .output) {
        try output.line(line)
      }
      try output.line()
    }
    let notes = inspection.notes
    for note in notes {
      for line in Self.wrapped(note.line) { try output.line(line) }
    }
    let live = inspection.isLive ? ", beside a live writer" : ""
    let count = inspection.findings.count
    let sum =
      if count > 0 {
        Wording.count(count, "finding", "findings") + live + Self.advice(inspection)
      } else if notes.isEmpty {
        "nothing was found: every byte is what it should be\(live)"
      } else {
        "nothing was found\(live)"
      }
    for line in Self.wrapped(sum) { try output.line(line) }
    return .clean
  }

  /// A line in the width of the terminal: what does not fit goes on, indented.
  private static func wrapped(_ text: String) -> [String] {
    let lines = Wording.wrapped(text, width: Terminal.output.width - 2)
    return lines.enumerated().map { ($0 == 0 ? "" : "  ") + $1 }
  }

  /// What can be done where opening does nothing.
  private static func advice(_ inspection: Inspection) -> String {
    let refusals = inspection.findings.filter(\.verdict.refusesOpening)
    if refusals.isEmpty { return "" }
    if inspection.isDetached {
      return "; `walinspect salvage \(inspection.path) --to FILE` saves what can be read"
    }
    // What another program or group wrote is not for this one to repair.
    let isOurs = refusals.contains { $0.verdict.severity < .refused }
    return (inspection.isRefused ? "; the log does not open" : "; the log opens all the same")
      + (isOurs ? ": `walinspect repair \(inspection.path)` shows what can be done" : "")
  }

  private static let format = "walinspect.explain/1"

  private func summary(_ inspection: Inspection) -> JSONWriter {
    var json = JSONWriter(format: Self.format)
    json.field("type", "summary")
    json.field("path", subject.path)
    json.field("findings", inspection.findings.count)
    json.field("isLive", inspection.isLive)
    json.field("opens", !inspection.isRefused)
    return json
  }
}
