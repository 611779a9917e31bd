// AppendBench: synced appends, a slice of the log and a slice of the probe by turns.
//
// What must always hold: when the probe's slice begins the log writes nothing any more, and the other
// way round; the log's preparation of segments ahead is part of the log's slices. The probe writes
// what a commit carries, rounded up to whole pages: the log's own framing counts against the log.

import ByteBuffers
import LogStorage
import ProgramSupport
import Synchronization

/// What is appended, and by whom.
struct AppendCell {
  enum Appenders {
    /// One thread; each call appends so many records, and is one commit.
    case one(records: Int)
    /// Threads that block, a record a call.
    case threads(Int)
    /// Tasks that await, a record a call.
    case tasks(Int)
  }

  let recordBytes: Int
  let appenders: Appenders

  static let all: [AppendCell] =
    [128, 1 << 10, 16 << 10].flatMap { bytes in
      [1, 64].map { AppendCell(recordBytes: bytes, appenders: .one(records: $0)) }
    } + [1, 16, 64].map { AppendCell(recordBytes: 1 << 10, appenders: .threads($0)) }
    + [1, 16, 64].map { AppendCell(recordBytes: 1 << 10, appenders: .tasks($0)) }

  var name: String {
    let size = Wording.bytes(recordBytes)
    return switch appenders {
    case .one(let records): "\(size) x \(records)"
    case .threads(let count): "\(size), \(count) thread\(count == 1 ? "" : "s")"
    case .tasks(let count): "\(size), \(count) task\(count == 1 ? "" : "s")"
    }
  }

  /// Records in one commit; with several appenders, if each commit carries one of each.
  var recordsPerCommit: Int {
    switch appenders {
    case .one(let count), .threads(let count), .tasks(let count): count
    }
  }

  /// Bytes that the probe writes a sync.
  var probeBytes: Int { (recordBytes * recordsPerCommit + 4095) / 4096 * 4096 }
}

/// What one slice of the log did.
struct AppendSlice {
  var records = 0
  var syncs = 0
  var nanoseconds: UInt64 = 0
  var processorNanoseconds: UInt64 = 0

  var recordsPerSecond: Double { Double(records) * 1e9 / Double(nanoseconds) }
  var syncsPerSecond: Double { Double(syncs) * 1e9 / Double(nanoseconds) }
}

/// What a cell's slices came to.
struct AppendResult {
  let cell: AppendCell
  var slices: [AppendSlice] = []
  var latencies = Latencies()
  var probe: AppendProbe.Measured
  /// Bytes of the process that were resident at the peak of the log's slices.
  var peakBytes: UInt64 = 0
  var machine = MachineUse()

  var recordsPerSecond: Double { Samples.median(slices.map(\.recordsPerSecond)) }
  var syncsPerSecond: Double { Samples.median(slices.map(\.syncsPerSecond)) }

  /// What the log did of what the probe's syncs could have carried, round by round.
  var ratios: [Double] {
    zip(slices, probe.better).map { slice, probe in
      slice.recordsPerSecond / (probe.syncsPerSecond * Double(cell.recordsPerCommit))
    }
  }

  var processorPerRecord: Double {
    let records = slices.reduce(0) { $0 + $1.records }
    let time = slices.reduce(0) { $0 + $1.processorNanoseconds }
    return Double(time) / Double(max(records, 1))
  }
}

struct AppendBench {
  let workspace: Workspace
  let options: LogOptions
  let seconds: Double
  let rounds: Int
  let cells: [AppendCell]

  /// It is written again from its beginning when it is full.
  private static let probeFileBytes = 256 << 20

  func run(_ report: inout Report) throws {
    try report.begin(AppendResult.columns)
    report.progress("preparing the probe's file")
    let path = workspace.file("probe")
    try AppendProbe.prepare(path, bytes: Self.probeFileBytes)
    for cell in cells {
      try report.row(measure(cell, path, report))
    }
    workspace.discard("probe")
  }

  private func measure(
    _ cell: AppendCell, _ probePath: String, _ report: Report
  ) throws -> AppendResult {
    let before = workspace.machineTime
    let name = "append"
    let log = try SegmentedLog.open(workspace.file(name), options: options)
    var probe = AppendProbe(path: probePath, writeBytes: cell.probeBytes)
    let load = AppendLoad(log: log, cell: cell)
    report.progress("append, \(cell.name): growing to whole segments")
    try load.warmUp(bytes: 2 * options.engine.segmentBytes)
    try settle(log)
    var result = AppendResult(cell: cell, probe: probe.measured)
    let nanoseconds = UInt64(seconds * 1e9)
    for round in 1...rounds {
      report.progress("append, \(cell.name): round \(round) of \(rounds)")
      PeakMemory.reset()
      result.slices.append(try load.run(for: nanoseconds, &result.latencies))
      result.peakBytes = max(result.peakBytes, PeakMemory.bytes)
      try settle(log)
      try probe.run(for: nanoseconds)
    }
    result.probe = probe.measured
    try blocking { try await log.close() }
    workspace.discard(name)
    result.machine = workspace.machineTime.use(since: before)
    return result
  }

  /// Forgets what was appended, so that the disk's space lasts, and waits until nothing is written.
  private func settle(_ log: SegmentedLog) throws {
    try blocking {
      try await log.sync()
      try await log.compact(through: log.durableIndex)
    }
    Quiet.wait()
  }
}

/// The work of one cell on an open log.
private struct AppendLoad {
  let log: SegmentedLog
  let cell: AppendCell
  private let payloads: [Bytes]

  init(log: SegmentedLog, cell: AppendCell) {
    self.log = log
    self.cell = cell
    payloads = Payloads.noise(count: cell.recordsPerCommit, bytes: cell.recordBytes)
  }

  /// Appends so much that segments have the size that they keep.
  func warmUp(bytes: Int) throws {
    let payloads = Payloads.noise(count: 64, bytes: 16 << 10)
    for _ in 0..<max(1, bytes >> 20) { try log.appendBlocking(contentsOf: payloads) }
  }

  func run(for nanoseconds: UInt64, _ latencies: inout Latencies) throws -> AppendSlice {
    var slice = AppendSlice()
    let syncs = log.status.syncs
    let processor = OwnTime.nanoseconds
    let start = Clock.nanoseconds
    let end = start + nanoseconds
    let done: Appended
    switch cell.appenders {
    case .one: done = try appendCommits(until: end)
    case .threads(let count): done = try appendOnThreads(count, until: end)
    case .tasks(let count): done = try appendInTasks(count, until: end)
    }
    slice.nanoseconds = Clock.nanoseconds - start
    slice.processorNanoseconds = OwnTime.nanoseconds - processor
    slice.syncs = log.status.syncs - syncs
    slice.records = done.records
    latencies.merge(done.latencies)
    return slice
  }

  private struct Appended: Sendable {
    var records = 0
    var latencies = Latencies()
  }

  private func appendCommits(until end: UInt64) throws -> Appended {
    var done = Appended()
    var now = Clock.nanoseconds
    while now < end {
      try log.appendBlocking(contentsOf: payloads)
      let after = Clock.nanoseconds
      done.latencies.add(after - now)
      done.records += payloads.count
      now = after
    }
    return done
  }

  private func appendOnThreads(_ count: Int, until end: UInt64) throws -> Appended {
    let total = Mutex(Result<Appended, LogError>.success(Appended()))
    try runThreads(count) { number in
      let mine = Self.collect { () throws(LogError) in
        var done = Appended()
        let payload = [payloads[number]]
        var now = Clock.nanoseconds
        while now < end {
          try log.appendBlocking(contentsOf: payload)
          let after = Clock.nanoseconds
          done.latencies.add(after - now)
          done.records += 1
          now = after
        }
        return done
      }
      total.withLock { $0 = Self.sum($0, mine) }
    }
    return try total.withLock { $0 }.get()
  }

  private static func collect(
    _ body: () throws(LogError) -> Appended
  ) -> Result<Appended, LogError> {
    do throws(LogError) {
      return .success(try body())
    } catch {
      return .failure(error)
    }
  }

  private static func sum(
    _ a: Result<Appended, LogError>, _ b: Result<Appended, LogError>
  ) -> Result<Appended, LogError> {
    a.flatMap { a in
      b.map { b in
        var sum = a
        sum.records += b.records
        sum.latencies.merge(b.latencies)
        return sum
      }
    }
  }

  private func appendInTasks(_ count: Int, until end: UInt64) throws -> Appended {
    try blocking {
      try await withThrowingTaskGroup(of: Appended.self) { group in
        for number in 0..<count {
          group.addTask { try await self.appendInTask(payloads[number], until: end) }
        }
        var total = Appended()
        for try await done in group {
          total.records += done.records
          total.latencies.merge(done.latencies)
        }
        return total
      }
    }
  }

  @concurrent
  private func appendInTask(_ payload: Bytes, until end: UInt64) async throws -> Appended {
    var done = Appended()
    var now = Clock.nanoseconds
    while now < end {
      try await log.append(payload)
      let after = Clock.nanoseconds
      done.latencies.add(after - now)
      done.records += 1
      now = after
    }
    return done
  }
}

extension AppendResult: Reportable {
  static let columns = [
    Column("append", 18, .left), Column("records/s", 10), Column("syncs/s", 9),
    Column("probe/s", 9), Column("ratio", 6), Column("min-max", 12), Column("p50 us", 8),
    Column("p99 us", 8), Column("CPU us/rec", 11), Column("peak MB", 8),
  ]

  var cells: [String] {
    [
      cell.name, Wording.decimal(recordsPerSecond, 0), Wording.decimal(syncsPerSecond, 0),
      Wording.decimal(probe.syncsPerSecond, 0), Wording.decimal(Samples.median(ratios), 2),
      Text.range(ratios, 2), Wording.decimal(Double(latencies.percentile(50)) / 1e3, 0),
      Wording.decimal(Double(latencies.percentile(99)) / 1e3, 0),
      Wording.decimal(processorPerRecord / 1e3, 2), Wording.decimal(Double(peakBytes) / 1e6, 1),
    ]
  }

  func write(to line: inout JSONWriter) {
    line.field("part", "append")
    line.field("cell", cell.name)
    line.field("record_bytes", cell.recordBytes)
    switch cell.appenders {
    case .one: line.field("appenders", 1)
    case .threads(let count), .tasks(let count): line.field("appenders", count)
    }
    if case .tasks = cell.appenders {
      line.field("waits", "async")
    } else {
      line.field("waits", "blocking")
    }
    line.field("records_per_commit", cell.recordsPerCommit)
    line.field("records_per_second", recordsPerSecond, places: 1)
    line.field("syncs_per_second", syncsPerSecond, places: 1)
    line.field("probe_bytes", cell.probeBytes)
    line.field("probe_syncs_per_second", probe.syncsPerSecond, places: 1)
    line.field("probe_buffered_syncs_per_second", probe.median(.buffered), places: 1)
    line.field("probe_direct_syncs_per_second", probe.median(.direct), places: 1)
    line.field("probe_mode", probe.mode.rawValue)
    line.field("ratio", Samples.median(ratios), places: 4)
    line.field("ratios", ratios, places: 4)
    line.field("p50_ns", latencies.percentile(50))
    line.field("p99_ns", latencies.percentile(99))
    line.field("probe_p50_ns", probe.latencies.percentile(50))
    line.field("probe_p99_ns", probe.latencies.percentile(99))
    line.field("cpu_ns_per_record", processorPerRecord, places: 1)
    line.field("peak_resident_bytes", peakBytes)
    line.field(machine)
  }
}
