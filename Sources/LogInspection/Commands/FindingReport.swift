// FindingReport: a finding in full, as text and as JSON.

import ProgramSupport
import Recovery
import StorageIO

struct FindingReport {
  private let finding: Finding

  init(_ finding: Finding) { self.finding = finding }

  func json(format: String) -> JSONWriter {
    var json = JSONWriter(format: format)
    json.field("type", "finding")
    json.field("row", finding.verdict.rawValue)
    json.field("title", finding.verdict.title)
    json.field("severity", ExitStatus(finding.severity).word)
    json.field("refusesOpening", finding.verdict.refusesOpening)
    json.field("file", finding.file)
    // Where there is no place in particular it is the whole file.
    json.field("offset", finding.offset ?? 0)
    json.field("firstIndex", finding.firstIndex)
    json.field("lastIndex", finding.lastIndex)
    json.field("detail", finding.detail)
    json.field("action", finding.verdict.action)
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
    lines.append("  file      \(Wording.escaped(finding.file))" + place)
    lines.append("  concerns  \(concerns)")
    if !finding.detail.isEmpty { lines.append("  found     \(Wording.escaped(finding.detail))") }
    if let failure = finding.failure {
      for range in failure.unreadable {
        lines.append(
          "  withheld  byte \(range.lowerBound), \(Wording.count(range.count, "byte", "bytes"))")
      }
      lines.append("  error     \(Wording.escaped("\(failure.error)"))")
    }
    for (i, fact) in finding.evidence.facts.enumerated() {
      lines.append((i == 0 ? "  evidence  " : "            ") + fact.words)
      lines[lines.count - 1] += terminal.paint(" (\(fact.name): \(fact.value))", .faint)
    }
    lines.append("  severity  \(ExitStatus(finding.severity).word)")
    lines.append("  opening   \(verdict.action)")
    return lines
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
