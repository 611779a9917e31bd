// ReplayBench: a whole log read back, cold and warm, beside a raw read of the same files.
//
// What must always hold: each replay runs in a process of its own, so that its peak memory is its own;
// it verifies every entry and begins with nothing but a path, as after a restart.

import ArgumentParser
import ByteBuffers
import LogFormat
import LogStorage
import ProgramSupport
import Recovery
import StorageIO

struct ReplayBench {
  enum Cache: String, CaseIterable {
    case cold, warm
  }

  let workspace: Workspace
  let options: LogOptions
  let rounds: Int
  let bytes: Int

  func run(_ report: inout Report) throws {
    try report.begin(ReplayResult.columns)
    let path = workspace.file("replay")
    try LogFiller().build(path, options: options, bytes: bytes) {
      report.progress("replay: writing a log, \(Text.share($0, of: bytes))")
    }
    let probe = try ReadProbe(log: path)
    for cache in Cache.allCases { try report.row(measure(cache, path, probe, report)) }
    workspace.discard("replay")
  }

  private func measure(
    _ cache: Cache, _ path: String, _ probe: ReadProbe, _ report: Report
  ) throws -> ReplayResult {
    let before = workspace.machineTime
    var result = ReplayResult(cache: cache, logBytes: probe.bytes)
    for round in 1...rounds {
      report.progress("replay, \(cache): round \(round) of \(rounds)")
      try prepare(cache, probe)
      result.cachedShares.append(try probe.cachedShare())
      result.replays.append(try Replay.inChild(path))
      try prepare(cache, probe)
      result.probeNanoseconds.append(
        cache == .cold ? try probe.readCold() : try probe.readWarm())
    }
    result.machine = workspace.machineTime.use(since: before)
    return result
  }

  private func prepare(_ cache: Cache, _ probe: ReadProbe) throws(ProbeError) {
    switch cache {
    case .cold: try probe.forget()
    case .warm: try probe.readWarm()
    }
  }
}

/// What one replay did.
struct Replay {
  var entries = 0
  var payloadBytes = 0
  /// Finding out what the directory holds.
  var gatherNanoseconds: UInt64 = 0
  /// Reading and verifying its entries.
  var replayNanoseconds: UInt64 = 0
  var processorNanoseconds: UInt64 = 0
  var peakBytes: UInt64 = 0

  var nanoseconds: UInt64 { gatherNanoseconds + replayNanoseconds }

  /// Replays the log at `path` in this process.
  static func run(_ path: String) throws -> Replay {
    var replay = Replay()
    let start = Clock.nanoseconds
    let directory = try POSIXDirectory(path: path)
    let diagnosis = Diagnosis(try DirectoryEvidence.gather(directory))
    guard let view = LogView(diagnosis, in: directory) else {
      throw RecoveryError(.noLog, "\(path): there is no log in this directory")
    }
    let gathered = Clock.nanoseconds
    try view.replay { entries in
      replay.entries += entries.count
      for entry in entries { replay.payloadBytes += entry.payload.count }
      return true
    }
    replay.gatherNanoseconds = gathered - start
    replay.replayNanoseconds = Clock.nanoseconds - gathered
    replay.processorNanoseconds = OwnTime.nanoseconds
    replay.peakBytes = PeakMemory.bytes
    return replay
  }

  /// Replays the log at `path` in a process of its own.
  static func inChild(_ path: String) throws -> Replay {
    let output = try Child.output(of: [ReplayOnce.name, path])
    let numbers = output.split(separator: " ").compactMap { UInt64($0) }
    guard numbers.count == 6 else { throw ChildError(reason: "it printed “\(output)”") }
    return Replay(
      entries: Int(numbers[0]), payloadBytes: Int(numbers[1]), gatherNanoseconds: numbers[2],
      replayNanoseconds: numbers[3], processorNanoseconds: numbers[4], peakBytes: numbers[5])
  }

  fileprivate var line: String {
    "\(entries) \(payloadBytes) \(gatherNanoseconds) \(replayNanoseconds) "
      + "\(processorNanoseconds) \(peakBytes)"
  }
}

/// The process that one replay has to itself.
struct ReplayOnce: ParsableCommand {
  static let name = "replay-once"
  static let configuration = CommandConfiguration(commandName: name, shouldDisplay: false)

  @Argument var path: String

  func run() throws {
    try exiting { try StandardOutput.line(Replay.run(path).line) }
  }
}

/// What a replay cell's rounds came to.
struct ReplayResult {
  let cache: ReplayBench.Cache
  /// Bytes of the segments, as far as they are written.
  let logBytes: Int
  var replays: [Replay] = []
  /// Nanoseconds of the raw read.
  var probeNanoseconds: [UInt64] = []
  /// The part of the files that was in the page cache when each replay began.
  var cachedShares: [Double] = []
  var machine = MachineUse()

  /// The raw read's time by the replay's, round by round: both go through the same files.
  var ratios: [Double] {
    zip(probeNanoseconds, replays).map { Double($0) / Double($1.nanoseconds) }
  }

  /// What was asked for and, where the cache was not in that state, what it was in.
  private var name: String {
    let share = Samples.median(cachedShares)
    let isAsAsked = cache == .cold ? share < 0.01 : share > 0.99
    return isAsAsked
      ? "\(cache), \(Wording.bytes(logBytes))"
      : "\(cache), \(Wording.decimal(share * 100, 0))% cached"
  }

  private func median(_ value: (Replay) -> Double) -> Double {
    Samples.median(replays.map(value))
  }

  /// Megabytes a second.
  private func speed(_ bytes: Int, _ nanoseconds: Double) -> Double {
    Double(bytes) * 1e3 / max(nanoseconds, 1)
  }

  var payloadSpeed: Double { median { speed($0.payloadBytes, Double($0.nanoseconds)) } }
  var logSpeed: Double { median { speed(logBytes, Double($0.nanoseconds)) } }
  var probeSpeed: Double {
    Samples.median(probeNanoseconds.map { speed(logBytes, Double($0)) })
  }
  var gatherNanoseconds: Double { median { Double($0.gatherNanoseconds) } }
  /// Nanoseconds of processor time a kibibyte of payload.
  var processorPerKibibyte: Double {
    median { Double($0.processorNanoseconds) * 1024 / Double(max($0.payloadBytes, 1)) }
  }
  var peakBytes: UInt64 { replays.map(\.peakBytes).max() ?? 0 }
}

extension ReplayResult: Reportable {
  static let columns = [
    Column("replay", 18, .left), Column("payload MB/s", 13), Column("log MB/s", 9),
    Column("raw MB/s", 9), Column("ratio", 6), Column("min-max", 12), Column("CPU us/KiB", 11),
    Column("peak MB", 8),
  ]

  var cells: [String] {
    [
      name, Wording.decimal(payloadSpeed, 0),
      Wording.decimal(logSpeed, 0), Wording.decimal(probeSpeed, 0),
      Wording.decimal(Samples.median(ratios), 2), Text.range(ratios, 2),
      Wording.decimal(processorPerKibibyte / 1e3, 2), Wording.decimal(Double(peakBytes) / 1e6, 1),
    ]
  }

  func write(to line: inout JSONWriter) {
    line.field("part", "replay")
    line.field("cell", cache.rawValue)
    line.field("entries", replays.first?.entries ?? 0)
    line.field("payload_bytes", replays.first?.payloadBytes ?? 0)
    line.field("log_bytes", logBytes)
    line.field("cached_share_before", Samples.median(cachedShares), places: 4)
    line.field("payload_megabytes_per_second", payloadSpeed, places: 1)
    line.field("log_megabytes_per_second", logSpeed, places: 1)
    line.field("probe_megabytes_per_second", probeSpeed, places: 1)
    line.field("ratio", Samples.median(ratios), places: 4)
    line.field("ratios", ratios, places: 4)
    line.field("gather_ns", gatherNanoseconds, places: 0)
    line.field("cpu_ns_per_kibibyte", processorPerKibibyte, places: 1)
    line.field("peak_resident_bytes", peakBytes)
    line.field(machine)
  }
}
