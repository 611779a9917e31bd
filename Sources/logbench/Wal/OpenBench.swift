// OpenBench: how long a log takes to open, after a clean close and after a kill, and whether its size
// matters.
//
// What must always hold: every file is in the page cache when opening begins; both sizes are opened
// with the same tail, so that only what lies before the tail differs.

import LogFormat
import LogStorage
import ProgramSupport
import StorageIO

struct OpenBench {
  let workspace: Workspace
  let options: LogOptions
  let rounds: Int
  let bytes: Int

  /// After this much, appended to a log that was just opened, the segment that is being written has
  /// its full size and is about three quarters full: what a kill leaves at its worst, or nearly.
  private var tailBytes: Int { options.engine.segmentBytes / 8 * 9 }

  func run(_ report: inout Report) throws {
    try report.begin(OpenResult.columns)
    let small = try measure(bytes / 10, report)
    for result in small { try report.row(result) }
    for (result, tenth) in zip(try measure(bytes, report), small) {
      var result = result
      result.tenth = tenth.nanoseconds
      try report.row(result)
    }
  }

  private func measure(_ bytes: Int, _ report: Report) throws -> [OpenResult] {
    let before = workspace.machineTime
    let path = workspace.file("open")
    let filler = LogFiller()
    try filler.build(path, options: options, bytes: bytes) {
      report.progress("open: writing a log, \(Text.share($0, of: bytes))")
    }
    var trial = OpenTrial(
      path: path, options: options, filler: filler, tailBytes: tailBytes,
      entriesMax: LogIndex(bytes / (1 << 10)))
    for round in 1...rounds {
      report.progress("open, \(Wording.bytes(bytes)): round \(round) of \(rounds)")
      try trial.run()
    }
    workspace.discard("open")
    let machine = workspace.machineTime.use(since: before)
    return [trial.clean, trial.killed].map {
      var result = $0
      result.machine = machine
      return result
    }
  }
}

/// One log that is opened again and again.
private struct OpenTrial {
  let path: String
  let options: LogOptions
  let filler: LogFiller
  let tailBytes: Int
  /// What is more than this is forgotten in between, so that the log keeps its size.
  let entriesMax: LogIndex
  var clean = OpenResult(stop: .close)
  var killed = OpenResult(stop: .kill)

  init(
    path: String, options: LogOptions, filler: LogFiller, tailBytes: Int, entriesMax: LogIndex
  ) {
    self.path = path
    self.options = options
    self.filler = filler
    self.tailBytes = tailBytes
    self.entriesMax = entriesMax
  }

  mutating func run() throws {
    try renew()
    try close(try open(&clean))
    try leaveAsKilled()
    try close(try open(&killed))
  }

  /// Replaces the oldest entries by new ones at the end.
  private func renew() throws {
    let log = try SegmentedLog.open(path, options: options)
    try filler.fill(log, bytes: tailBytes)
    let last = log.durableIndex
    if last > entriesMax, last - entriesMax >= log.firstIndex {
      try blocking { try await log.compact(through: last - entriesMax) }
    }
    try close(log)
  }

  /// Appends a tail and lets go of the log in the middle of its life: its threads stop, nothing is
  /// finished, nothing says that it was closed. What was written is in the page cache, as after
  /// kill -9.
  private func leaveAsKilled() throws {
    let log = try SegmentedLog.open(path, options: options)
    try filler.fill(log, bytes: tailBytes)
  }

  private func open(_ result: inout OpenResult) throws -> SegmentedLog {
    let probe = try ReadProbe(files: path)
    try probe.readWarm()
    let start = Clock.nanoseconds
    let log = try SegmentedLog.open(path, options: options)
    result.opens.append(Double(Clock.nanoseconds - start))
    result.fileBytes = max(result.fileBytes, probe.bytes)
    result.segments = max(result.segments, log.status.segments)
    return log
  }

  private func close(_ log: SegmentedLog) throws {
    try blocking { try await log.close() }
  }
}

/// What opening a log of one size, left in one way, came to.
struct OpenResult {
  enum Stop: String {
    case close, kill
  }

  let stop: Stop
  /// Nanoseconds of each opening.
  var opens: [Double] = []
  var fileBytes = 0
  var segments = 0
  /// Nanoseconds that a log of a tenth of the size took; nil for that log itself.
  var tenth: Double?
  var machine = MachineUse()

  var nanoseconds: Double { Samples.median(opens) }
  /// How many times as long as the log of a tenth of the size.
  var ratio: Double? { tenth.map { nanoseconds / max($0, 1) } }
}

extension OpenResult: Reportable {
  static let columns = [
    Column("open", 24, .left), Column("segments", 9), Column("ms", 8), Column("min-max", 14),
    Column("to a tenth", 11),
  ]

  var cells: [String] {
    [
      "after \(stop), \(Wording.bytes(fileBytes))", "\(segments)",
      Wording.decimal(nanoseconds / 1e6, 1),
      Text.range(opens.map { $0 / 1e6 }, 1), ratio.map { Wording.decimal($0, 2) } ?? "",
    ]
  }

  func write(to line: inout JSONWriter) {
    line.field("part", "open")
    line.field("cell", "after \(stop)")
    line.field("file_bytes", fileBytes)
    line.field("segments", segments)
    line.field("open_ns", nanoseconds, places: 0)
    line.field("opens_ns", opens, places: 0)
    line.field("ratio_to_tenth", ratio, places: 4)
    line.field(machine)
  }
}
