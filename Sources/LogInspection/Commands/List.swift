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
      as the file is large.
      """)

  @OptionGroup var subject: SubjectOptions

  @Flag(help: "Read every byte, and not only what opening the log reads.")
  var deep = false

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path, depth: deep ? .everything : .batchIndexes)
    let segments = try inspection.summaries()
    let files = try inspection.otherFiles()
    if subject.json {
      for segment in segments { try output.line(Self.json(segment)) }
      for file in files { try output.line(Self.json(file)) }
    } else {
      try FileTable(segments, files, on: .output).print(to: &output)
    }
    return .clean
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

/// The listing for people. Where a line is too short for a bar beside the text, bars go below it.
private struct FileTable {
  private let terminal: Terminal
  private let segments: [SegmentSummary]
  private let files: [OtherFile]
  private let rows: [[String]]
  private let widths: [Int]

  private static let heading = ["FILE", "ENTRIES", "BATCHES", "BYTES", "STATE"]
  /// Columns that are numbers, and so flush right.
  private static let numeric = [false, false, true, true, false]
  private static let bytesColumn = 3
  private static let barWidthMin = 24
  /// A longer name does not make the column wider.
  private static let nameWidthMax = 40

  init(_ segments: [SegmentSummary], _ files: [OtherFile], on terminal: Terminal) {
    self.terminal = terminal
    self.segments = segments
    self.files = files
    rows = segments.map(Self.row)
    let bounded = [Self.heading] + rows
    let names = files.map { Wording.escaped($0.name).count }.filter { $0 <= Self.nameWidthMax }
    let sizes = files.map { Wording.bytes($0.bytes).count }
    widths = (0..<Self.heading.count).map { column in
      let others = column == 0 ? names : column == Self.bytesColumn ? sizes : []
      return max(bounded.map { $0[column].count }.max() ?? 0, others.max() ?? 0)
    }
  }

  private static func row(_ segment: SegmentSummary) -> [String] {
    [
      Wording.escaped(segment.name),
      Wording.indices(segment.firstIndex, segment.lastIndex),
      segment.batches.map { Wording.count($0) } ?? "?",
      segment.fileBytes.map(Wording.bytes) ?? "-",
      segment.state.rawValue,
    ]
  }

  /// A file that is no segment: its name may run on over the columns that it has nothing for.
  private func text(_ file: OtherFile) -> String {
    let front = widths.prefix(Self.bytesColumn)
    let nameWidth = front.reduce(0, +) + 2 * (front.count - 1)
    let note = file.note.isEmpty ? "" : ", " + Wording.escaped(file.note)
    return Wording.escaped(file.name).padded(nameWidth) + "  "
      + Wording.bytes(file.bytes).leading(widths[Self.bytesColumn]) + "  "
      + terminal.paint(file.kind.rawValue + note, Self.tone(file.kind))
  }

  func print(to output: inout Output) throws {
    try output.line(terminal.paint(text(Self.heading).withoutTrailingSpaces, .heading))
    let taken = widths.reduce(0, +) + 2 * widths.count
    let beside = terminal.width - taken - 1
    let fits = beside >= Self.barWidthMin
    let room = fits ? beside : terminal.width - 3
    let largest = segments.map(\.strip.bytes).max() ?? 0
    for (row, segment) in zip(rows, segments) {
      let width = Self.barWidth(segment.strip.bytes, of: largest, room: room)
      let bar = terminal.picture(segment.strip.cells(width))
      let text = painted(row, Self.tone(segment.state), isPadded: fits)
      try output.line(fits ? text + "  " + bar : text)
      if !fits { try output.line("  " + bar) }
    }
    for file in files { try output.line(text(file)) }
    let uses = Set(segments.flatMap { $0.strip.stretches.map(\.use) })
    if !uses.isEmpty {
      try output.line()
      try output.line(terminal.legend(uses))
    }
  }

  /// A file that is not empty has a bar that can be seen.
  private static func barWidth(_ bytes: Int, of largest: Int, room: Int) -> Int {
    guard bytes > 0, largest > 0 else { return 0 }
    return max(1, Int((Double(bytes) / Double(largest) * Double(room)).rounded()))
  }

  private func text(_ row: [String]) -> String {
    zip(row, zip(widths, Self.numeric)).map { cell, layout in
      layout.1 ? cell.leading(layout.0) : cell.padded(layout.0)
    }.joined(separator: "  ")
  }

  /// The row with its last cell in a tone.
  private func painted(_ row: [String], _ tone: Tone, isPadded: Bool) -> String {
    let state = row.last!
    let front = text(Array(row.dropLast()) + [""]).dropLast(widths.last!)
    let filling = isPadded ? max(0, widths.last! - state.count) : 0
    return front + terminal.paint(state, tone) + String(repeating: " ", count: filling)
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
