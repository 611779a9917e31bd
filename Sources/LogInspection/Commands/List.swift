// walinspect ls: every file of the directory in a line, every segment with its bar.

import ArgumentParser
import LogFormat
import ProgramSupport
import Recovery

struct List: InspectCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "Lists the files of a log, each segment with a bar.",
    discussion: """
      Segments come in the order of the log, then everything else. The bar of a segment is as long \
      as the file is large. Without --deep sealed segments are shown by their footers only. Without \
      a manifest the segments come in the order of their headers.
      """)

  @OptionGroup var subject: SubjectOptions

  @Flag(help: "Read every byte, and not only what opening the log reads.")
  var deep = false

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path, depth: deep ? .everything : .batchIndexes)
    let segments = try inspection.shown.summaries()
    let files = try inspection.otherFiles()
    inspection.sayRebuilt()
    if subject.json {
      for segment in segments { try output.line(Self.json(segment)) }
      for file in files { try output.line(Self.json(file)) }
    } else {
      try FileTable(segments, files, on: .output).print(to: &output)
      try Self.printReach(inspection.shown.unreadSegments, to: &output)
    }
    return .clean
  }

  /// Says what was not looked at.
  private static func printReach(_ unread: Int, to output: inout Output) throws {
    guard unread > 0 else { return }
    let terminal = Terminal.output
    let words =
      Wording.count(unread, "segment", "segments")
      + " by header and footer only; --deep reads every byte"
    for line in Wording.wrapped(words, width: terminal.width) {
      try output.line(terminal.paint(line, .faint))
    }
  }

  private static let format = "walinspect.ls/1"

  private static func json(_ segment: SegmentSummary) -> JSONWriter {
    var json = JSONWriter(format: format)
    json.field("type", "segment")
    json.field("file", segment.name)
    json.field("state", segment.state.rawValue)
    json.field("firstIndex", segment.firstIndex)
    json.field("lastIndex", segment.lastIndex)
    json.field("batches", segment.batches)
    json.field("bytes", segment.fileBytes)
    json.field("isRead", segment.isRead)
    json.objects("uses", segment.strip.stretches) { json, stretch in
      json.field("use", stretch.use.name)
      json.field("bytes", stretch.bytes)
    }
    return json
  }

  private static func json(_ file: OtherFile) -> JSONWriter {
    var json = JSONWriter(format: format)
    json.field("type", file.kind.rawValue)
    json.field("file", file.name)
    json.field("bytes", file.bytes)
    json.field("note", file.note)
    return json
  }
}

/// The listing for people, in the width of the terminal: columns as far as there is room for them,
/// and the bar of a segment beside or below them. Where not even the columns have room each file has
/// its name, and below it what there is to say.
private struct FileTable {
  private let terminal: Terminal
  private let segments: [SegmentSummary]
  private let files: [OtherFile]
  private let rows: [[String]]
  private let widths: [Int]
  /// How many of the columns there is room for; 0 for none.
  private let columns: Int

  private static let heading = ["FILE", "BYTES", "STATE", "ENTRIES", "BATCHES"]
  /// Columns that are numbers, and so flush right.
  private static let numeric = [false, true, false, false, true]
  private static let stateColumn = 2
  /// One column may be left out, the last.
  private static let columnsMin = 4
  private static let barWidthMin = 24
  /// A longer name does not make the column wider.
  private static let nameWidthMax = 40
  /// The least that words may be squeezed into.
  private static let noteWidthMin = 16

  init(_ segments: [SegmentSummary], _ files: [OtherFile], on terminal: Terminal) {
    self.terminal = terminal
    self.segments = segments
    self.files = files
    let rows = segments.map(Self.row)
    let names = files.map { Wording.escaped($0.name).columns }.filter { $0 <= Self.nameWidthMax }
    let sizes = files.map { Wording.bytes($0.bytes).count }
    let widths = (0..<Self.heading.count).map { column in
      let others = column == 0 ? names : column == 1 ? sizes : []
      let cells = ([Self.heading] + rows).map { $0[column].columns }
      return (cells + others).max() ?? 0
    }
    self.rows = rows
    self.widths = widths
    let fitting = [Self.heading.count, Self.columnsMin].first {
      Self.taken(widths, $0) <= terminal.width
    }
    columns = fitting ?? 0
  }

  /// The columns of the terminal that the first `count` columns of the table take.
  private static func taken(_ widths: [Int], _ count: Int) -> Int {
    widths.prefix(count).reduce(0, +) + 2 * (count - 1)
  }

  private static func row(_ segment: SegmentSummary) -> [String] {
    [
      Wording.escaped(segment.name),
      segment.fileBytes.map(Wording.bytes) ?? "-",
      segment.state.rawValue,
      Wording.indices(segment.firstIndex, segment.lastIndex),
      segment.batches.map { Wording.count($0) } ?? "?",
    ]
  }

  func print(to output: inout Output) throws {
    let beside = columns == 0 ? 0 : terminal.width - Self.taken(widths, columns) - 3
    let isBeside = beside >= Self.barWidthMin
    let room = isBeside ? beside : terminal.width - 3
    let largest = segments.map(\.strip.bytes).max() ?? 0
    if columns > 0 {
      let heading = (0..<columns).map { cell(Self.heading, $0) }
      let line = heading.joined(separator: "  ").withoutTrailingSpaces
      try output.line(terminal.paint(line, .heading))
    }
    for (row, segment) in zip(rows, segments) {
      let width = Self.barWidth(segment.strip.bytes, of: largest, room: room)
      let bar = terminal.picture(segment.strip.cells(width))
      if columns == 0 {
        try printBelow(row[0], Self.words(segment), Self.tone(segment.state), to: &output)
      } else {
        let text = text(row, Self.tone(segment.state))
        try output.line(isBeside ? text + "  " + bar : text.withoutTrailingSpaces)
      }
      if !isBeside, !bar.isEmpty { try output.line("  " + bar) }
    }
    for file in files { try print(file, to: &output) }
    let uses = Set(segments.flatMap { $0.strip.stretches.map(\.use) })
    if !uses.isEmpty {
      try output.line()
      try output.line(terminal.legend(uses))
    }
  }

  // MARK: Segments

  private func cell(_ row: [String], _ column: Int) -> String {
    Self.numeric[column]
      ? row[column].leading(widths[column]) : row[column].padded(widths[column])
  }

  /// The row with its state in a tone.
  private func text(_ row: [String], _ tone: Tone) -> String {
    (0..<columns).map { column in
      let text = cell(row, column)
      return column == Self.stateColumn ? terminal.paint(text, tone) : text
    }.joined(separator: "  ")
  }

  private static func words(_ segment: SegmentSummary) -> String {
    let batches = segment.batches.map { ", " + Wording.count($0, "batch", "batches") } ?? ""
    let entries = Words.entries(segment.firstIndex, segment.lastIndex)
    return "\(segment.fileBytes.map(Wording.bytes) ?? "no file"), \(segment.state.rawValue), "
      + entries + batches
  }

  /// A file that is not empty has a bar that can be seen.
  private static func barWidth(_ bytes: Int, of largest: Int, room: Int) -> Int {
    guard bytes > 0, largest > 0 else { return 0 }
    return max(1, Int((Double(bytes) / Double(largest) * Double(room)).rounded()))
  }

  // MARK: Other files

  private func print(_ file: OtherFile, to output: inout Output) throws {
    let name = Wording.escaped(file.name)
    let bytes = Wording.bytes(file.bytes)
    let note = file.note.isEmpty ? "" : ", " + Wording.escaped(file.note)
    let words = file.kind.rawValue + note
    let front = name.padded(widths[0]) + "  " + bytes.leading(widths[1]) + "  "
    let room = terminal.width - front.columns
    guard columns > 0, room >= Self.noteWidthMin else {
      try printBelow(name, "\(bytes), \(words)", Self.tone(file.kind), to: &output)
      return
    }
    for (i, line) in Wording.wrapped(words, width: room).enumerated() {
      let margin = i == 0 ? front : String(repeating: " ", count: front.columns)
      try output.line(margin + terminal.paint(line, Self.tone(file.kind)))
    }
  }

  /// The name, and below it what there is to say.
  private func printBelow(
    _ name: String, _ words: String, _ tone: Tone, to output: inout Output
  ) throws {
    try output.line(name)
    for line in Wording.wrapped(words, width: terminal.width - 2) {
      try output.line("  " + terminal.paint(line, tone))
    }
  }

  private static func tone(_ state: SegmentSummary.State) -> Tone {
    switch state {
    case .active, .sealed, .ended: .plain
    case .cut: .warning
    case .damaged, .missing: .bad
    }
  }

  private static func tone(_ kind: OtherFile.Kind) -> Tone {
    switch kind {
    case .manifest, .vote, .lock, .reserve, .spare, .leftover, .stranger: .faint
    case .unknown, .quarantine: .warning
    }
  }
}
