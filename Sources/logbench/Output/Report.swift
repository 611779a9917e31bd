// Report: what was measured, as a table for people or as a line of JSON for programs.
//
// What must always hold: a row is printed as soon as it is known; how far it has come is shown on
// standard error, on a terminal only, and leaves nothing behind.

import ArgumentParser
import ProgramSupport

struct Column {
  enum Alignment {
    case left, right
  }

  let title: String
  let width: Int
  let alignment: Alignment

  init(_ title: String, _ width: Int, _ alignment: Alignment = .right) {
    self.title = title
    self.width = width
    self.alignment = alignment
  }

  func padded(_ text: String) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return alignment == .left ? text + space : space + text
  }
}

/// One cell's result.
protocol Reportable {
  static var columns: [Column] { get }
  var cells: [String] { get }
  func write(to line: inout JSONWriter)
}

struct Report {
  private let json: Bool
  private var isFirst = true

  init(json: Bool) { self.json = json }

  /// Begins a table.
  mutating func begin(_ columns: [Column]) throws {
    guard !json else { return }
    if !isFirst { try StandardOutput.line("") }
    isFirst = false
    try show(columns.map { $0.padded($0.title) })
  }

  func row<Row: Reportable>(_ row: Row) throws {
    StandardError.progress("")
    if json {
      var line = JSONWriter(format: Self.format)
      row.write(to: &line)
      try StandardOutput.line(line)
    } else {
      try show(zip(Row.columns, row.cells).map { $0.padded($1) })
    }
  }

  private func show(_ cells: [String]) throws {
    var line = cells.joined()
    while line.last == " " { line.removeLast() }
    try StandardOutput.line(line)
  }

  /// Says what others did to the machine during the whole run.
  func finish(_ machine: MachineUse) throws {
    StandardError.progress("")
    if json {
      var line = JSONWriter(format: Self.format)
      line.field("part", "machine")
      line.field(machine)
      try StandardOutput.line(line)
      return
    }
    try StandardOutput.line(Self.legend)
    try StandardOutput.line(Self.words(machine))
  }

  func progress(_ text: String) { StandardError.progress(text) }

  private static func words(_ machine: MachineUse) -> String {
    guard let others = machine.othersCores, let stolen = machine.stolenCores else {
      return "This system does not say how much of the machine others used."
    }
    let processors =
      "Others used \(Wording.decimal(others, 2)) processors meanwhile (the kernel on nobody's account "
      + "included), the hypervisor \(Wording.decimal(stolen, 2))"
    guard let written = machine.othersWrittenBytesPerSecond else { return processors + "." }
    return processors
      + ";\nothers wrote \(Wording.decimal(written / 1e6, 1)) MB a second to this disk."
  }

  private static let legend = """

    probe: syncs a second of raw writes of the same payload, the better of buffered and O_DIRECT
    raw: a raw read of the same segments, cold around the page cache, warm through it
    ratio: the log's share of that, the median of the rounds' ratios; 1 is the device
    to a tenth: how many times as long as opening a log of a tenth of the size
    """

  private static let format = "logbench.wal/1"
}

enum StandardOutput {
  /// A line that is printed at once.
  static func line(_ text: String) throws(OutputError) {
    var output = Output.standard
    try output.line(text)
    try output.flush()
  }

  static func line(_ json: consuming JSONWriter) throws(OutputError) {
    var output = Output.standard
    try output.line(json)
    try output.flush()
  }
}

extension JSONWriter {
  /// What others used of the machine.
  mutating func field(_ machine: MachineUse) {
    field("others_cores", machine.othersCores, places: 3)
    field("stolen_cores", machine.stolenCores, places: 3)
    field("others_written_bytes_per_second", machine.othersWrittenBytesPerSecond, places: 0)
  }
}

/// Runs a command's work; an error becomes a line on standard error and a status.
func exiting(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch {
    Interruption.stopIfUnderWay()
    StandardError.progress("")
    // Nobody takes what is printed any more; there is no point in measuring on.
    if let error = error as? OutputError, error.isAbandoned { Program.endAbandoned() }
    StandardError.line("logbench: \(error)")
    throw ExitCode.failure
  }
}
