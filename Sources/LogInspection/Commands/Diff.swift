// walinspect diff: whether two logs hold the same entries, where both hold any.
//
// What must always hold: entries count as equal only where both were read and verified; memory does
// not grow with the logs.

import ArgumentParser
import LogFormat
import ProgramSupport
import Recovery

struct Diff: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares the entries of two logs on the indices that both have.",
    discussion: """
      Every payload is read and verified; entries are then told by index, term, kind, length and \
      checksum. What cannot be read or verified in one of the logs counts as a difference, also \
      where it is the same in both. Exit status: 0 equal on the common range; 1 they differ.
      """)

  @Argument(help: "The directory of a log, or one segment file.")
  var a: String

  @Argument(help: "The directory of a log, or one segment file.")
  var b: String

  @Flag(help: "Print JSON: one object a line, each with a `format` field.")
  var json = false

  func inspect(_ output: inout Output) throws -> ExitStatus {
    var left = try IdentityCursor(Inspection(a).readable())
    var right = try IdentityCursor(Inspection(b).readable())
    let first = max(left.firstIndex, right.firstIndex)
    let last = min(left.lastIndex, right.lastIndex)
    var report = DiffReport(asJSON: json)
    if first <= last { try compare(&left, &right, first...last, &report, to: &output) }
    try report.finish(left, right, to: &output)
    return report.differences == 0 ? .clean : .differs
  }

  private func compare(
    _ left: inout IdentityCursor, _ right: inout IdentityCursor, _ range: ClosedRange<LogIndex>,
    _ report: inout DiffReport, to output: inout Output
  ) throws {
    let progress = ProgressLine("comparing")
    var index = range.lowerBound
    while true {
      let (a, b) = (try left.read(index), try right.read(index))
      var through = index
      switch (a, b) {
      case (.entry(let a), .entry(let b)):
        if a != b { try report.differ(index, a, b, to: &output) }
      case (.unreadable(let end), .entry), (.entry, .unreadable(let end)):
        let isLeft = if case .unreadable = a { true } else { false }
        through = min(end, range.upperBound)
        try report.unreadable(index...through, isLeft ? ["A"] : ["B"], to: &output)
      case (.unreadable(let a), .unreadable(let b)):
        through = min(a, b, range.upperBound)
        try report.unreadable(index...through, ["A", "B"], to: &output)
      }
      if index & 0xFFF == 0 {
        progress.show(Int(clamping: index - range.lowerBound), of: Int(clamping: range.count))
      }
      if through >= range.upperBound { return }
      index = through + 1
    }
  }
}

/// The differences, the first of them in full.
private struct DiffReport {
  /// Entries that are not the same in both logs, or not readable in one.
  private(set) var differences: UInt64 = 0
  private var shown = 0
  private let asJSON: Bool

  private static let shownMax = 20
  private static let format = "walinspect.diff/1"

  init(asJSON: Bool) { self.asJSON = asJSON }

  private mutating func isShown(_ count: UInt64) -> Bool {
    differences += count
    shown += 1
    return shown <= Self.shownMax
  }

  mutating func differ(
    _ index: LogIndex, _ a: EntryIdentity, _ b: EntryIdentity, to output: inout Output
  ) throws {
    guard isShown(1) else { return }
    if asJSON {
      var json = JSONWriter(format: Self.format)
      json.field("type", "difference")
      json.field("index", index)
      json.object("a") { $0.identity(a) }
      json.object("b") { $0.identity(b) }
      try output.line(json)
    } else {
      try output.line("entry \(index): A has \(a.words), B has \(b.words)")
    }
  }

  mutating func unreadable(
    _ range: ClosedRange<LogIndex>, _ logs: [String], to output: inout Output
  ) throws {
    guard isShown(range.upperBound - range.lowerBound + 1) else { return }
    if asJSON {
      var json = JSONWriter(format: Self.format)
      json.field("type", "unreadable")
      json.field("firstIndex", range.lowerBound)
      json.field("lastIndex", range.upperBound)
      json.strings("in", logs)
      try output.line(json)
    } else {
      try output.line(
        "\(Words.entries(range)): damaged or not there in \(logs.joined(separator: " and "))")
    }
  }

  func finish(_ a: IdentityCursor, _ b: IdentityCursor, to output: inout Output) throws {
    let first = max(a.firstIndex, b.firstIndex)
    let last = min(a.lastIndex, b.lastIndex)
    if asJSON {
      var json = JSONWriter(format: Self.format)
      json.field("type", "summary")
      json.field("firstIndex", first <= last ? first : nil)
      json.field("lastIndex", first <= last ? last : nil)
      json.field("differences", differences)
      json.object("a") { $0.range(a) }
      json.object("b") { $0.range(b) }
      try output.line(json)
      return
    }
    if shown > Self.shownMax { try output.line("... and more") }
    let held =
      "A holds \(Wording.indices(a.firstIndex, a.lastIndex)), "
      + "B holds \(Wording.indices(b.firstIndex, b.lastIndex))"
    guard first <= last else {
      try output.line("no index is in both: \(held)")
      return
    }
    let result =
      differences == 0
      ? "equal" : Wording.count(differences, "entry differs", "entries differ")
    try output.line("compared \(Wording.indices(first, last)) (\(held)): \(result)")
  }
}

extension EntryIdentity {
  fileprivate var words: String {
    "term \(term), \(kind), \(Wording.count(length, "byte", "bytes")), crc \(Hex.string(checksum))"
  }
}

extension JSONWriter {
  fileprivate mutating func identity(_ identity: EntryIdentity) {
    field("term", identity.term)
    field("kind", identity.kind.description)
    field("length", identity.length)
    checksum("crc", identity.checksum)
  }

  fileprivate mutating func range(_ cursor: IdentityCursor) {
    field("firstIndex", cursor.firstIndex)
    field("lastIndex", cursor.lastIndex)
  }
}
