// FindingReport: a finding in full, as text and as JSON.

import ProgramSupport
import Recovery
import StorageIO

struct FindingReport {
  private let finding: Finding
  private let refusesOpening: Bool

  init(_ finding: Finding, in inspection: Inspection) {
    self.finding = finding
    refusesOpening = inspection.refusesOpening(finding)
  }

  /// What opening does about it.
  private var action: String {
    guard finding.verdict.refusesOpening, !refusesOpening else { return finding.verdict.action }
    return "opening does not read this, and goes on: whoever reads the entries stops here; "
      + "`walinspect repair` shows what can be done"
  }

  func json(format: String) -> JSONWriter {
    var json = JSONWriter(format: format)
    json.field("type", "finding")
    json.field("row", finding.verdict.rawValue)
    json.field("title", finding.verdict.title)
    json.field("severity", ExitStatus(finding.severity).word)
    json.field("refusesOpening", refusesOpening)
    json.field("file", finding.file)
    // Where there is no place in particular it is the whole file.
    json.field("offset", finding.offset ?? 0)
    json.field("firstIndex", finding.firstIndex)
    json.field("lastIndex", finding.lastIndex)
    json.field("detail", finding.detail)
    json.field("action", action)
    if let failure = finding.failure {
      json.objects("unreadable", failure.unreadable) { json, range in
        json.field("offset", range.lowerBound)
        json.field("bytes", range.count)
      }
      json.field("error", "\(failure.error)")
      json.field("errno", failure.error.number)
    }
    json.object("evidence") { json in
      json.field("kind", finding.evidence.kind)
      for fact in finding.evidence.facts { json.field(fact.name, fact.value) }
    }
    return json
  }

  /// The finding as lines: row and title, place, evidence, what is done.
  func lines(on terminal: Terminal) -> [String] {
    let verdict = finding.verdict
    let tone: Tone = finding.severity >= .damaged ? .bad : .warning
    var lines = [terminal.paint("@\(verdict.rawValue) \(verdict.title)", tone)]
    func add(_ name: String, _ text: String) {
      lines += Self.wrapped(name, text, width: terminal.width)
    }
    add("file", Wording.escaped(finding.file) + place)
    add("concerns", concerns)
    if !finding.detail.isEmpty { add("found", Wording.escaped(finding.detail)) }
    if let failure = finding.failure {
      for range in failure.unreadable {
        add("withheld", "byte \(range.lowerBound), \(Wording.count(range.count, "byte", "bytes"))")
      }
      add("error", Wording.escaped("\(failure.error)"))
    }
    for (i, fact) in finding.evidence.facts.enumerated() {
      let name = i == 0 ? "evidence" : ""
      let value = "(\(fact.name): \(fact.value))"
      // Broken first, coloured then: what colours a piece takes no room.
      let rows = Self.wrapped(name, "\(fact.words) \(value)", width: terminal.width)
      lines += rows.map { row in
        guard row.hasSuffix(value) else { return row }
        return String(row.dropLast(value.count)) + terminal.paint(value, .faint)
      }
    }
    add("severity", ExitStatus(finding.severity).word)
    add("opening", action)
    return lines
  }

  /// A field under its name; what does not fit goes on below where it began.
  private static func wrapped(_ name: String, _ text: String, width: Int) -> [String] {
    let indent = 12
    return Wording.wrapped(text, width: width - indent).enumerated().map { i, row in
      "  " + (i == 0 ? name : "").padded(indent - 2) + row
    }
  }

  private var place: String { finding.offset.map { ", byte \($0)" } ?? ", all of it" }

  /// The entries, as far as they can be named.
  private var concerns: String {
    if let indices = finding.indices { return indices }
    switch finding.verdict {
    case .corruptManifest, .manifestLost: return "whatever only the manifest said"
    case .unsupported, .foreign: return "nobody can say: nothing of it was read"
    default: return "no entry"
    }
  }
}
