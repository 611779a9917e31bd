// logbench wal: appending, replaying and opening, each cell beside its raw probe.

import ArgumentParser
import LogStorage
import ProgramSupport

struct Wal: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Appends, replays and opens logs, each beside what the device does alone.",
    discussion: """
      Slices of the log and of the probe take turns; what is shown are medians, and a ratio is the \
      median of the rounds' ratios. Compare ratios; times carry over to no other machine, and to \
      no other day. Run it while the machine has nothing else to do.
      """)

  @Option(
    help: "Where to work; what is made there is removed. (default: a new directory in this one)")
  var data: String?

  @Option(help: "Seconds of each slice of an append cell.")
  var seconds = 2.0

  @Option(help: "Slices of the log in each cell, and as many of its probe.")
  var rounds = 5

  @Option(help: "Measure this part only: append, replay or open.")
  var only: Part?

  @Option(help: "Of the append cells, measure those whose name contains this, such as “threads”.")
  var cell: String?

  @Option(help: "Bytes of the log that is replayed.")
  var replayBytes = 1 << 30

  @Option(
    help: """
      Bytes of the log that is opened; a tenth of it is opened as well. (default: 1 GiB; 10 GiB \
      with --only open)
      """)
  var openBytes: Int?

  @Option(help: "Compression of batches: auto, none or lz4. Payloads are noise.")
  var codec: CodecChoice = .auto

  @Flag(help: "Print a JSON object a line.")
  var json = false

  func validate() throws {
    guard seconds > 0, seconds <= 600 else {
      throw ValidationError("--seconds takes more than 0, up to 600.")
    }
    guard rounds >= 1, rounds <= 1000 else {
      throw ValidationError("--rounds takes 1 to 1000.")
    }
    guard !cells.isEmpty else {
      let names = AppendCell.all.map(\.name).joined(separator: "; ")
      throw ValidationError("--cell: no cell is called that; there are: \(names).")
    }
    guard replayBytes >= 1 << 20 else {
      throw ValidationError("--replay-bytes takes at least \(1 << 20).")
    }
    guard openBytes ?? .max >= 10 << 20 else {
      throw ValidationError("--open-bytes takes at least \(10 << 20).")
    }
  }

  func run() throws {
    try exiting {
      let workspace = try Workspace(data)
      defer { workspace.remove() }
      workspace.removeWhenInterrupted()
      try measure(in: workspace)
    }
  }

  private func measure(in workspace: Workspace) throws {
    var report = Report(json: json)
    let before = workspace.machineTime
    if only == nil || only == .append {
      try AppendBench(
        workspace: workspace, options: options, seconds: seconds, rounds: rounds, cells: cells
      ).run(&report)
    }
    if only == nil || only == .replay {
      try ReplayBench(
        workspace: workspace, options: options, rounds: rounds, bytes: replayBytes
      ).run(&report)
    }
    if only == nil || only == .open {
      let bytes = openBytes ?? (only == .open ? 10 << 30 : 1 << 30)
      try OpenBench(workspace: workspace, options: options, rounds: rounds, bytes: bytes)
        .run(&report)
    }
    try report.finish(workspace.machineTime.use(since: before))
  }

  private var cells: [AppendCell] {
    guard let cell else { return AppendCell.all }
    return AppendCell.all.filter { " \($0.name) ".contains(cell) }
  }

  private var options: LogOptions {
    var options = LogOptions()
    options.engine.compression = codec.compression
    return options
  }
}

/// The parts of the measurement.
enum Part: String, ExpressibleByArgument, CaseIterable {
  case append, replay, open
}
