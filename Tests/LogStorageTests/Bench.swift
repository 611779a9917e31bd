// Bench: an engine on a simulated disk, for tests that carry its jobs out themselves.
//
// What must always hold: nothing is carried out that a test did not ask for.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import Testing

final class Bench {
  let disk: SimulatedDisk
  var engine: LogEngine
  private var writer: DiskExecutor
  private var background: DiskExecutor

  /// - Parameters:
  ///   - disk: holds a log that is recovered, or nothing yet.
  ///   - seed: what names and salts are drawn from; another one for each opening of a log.
  init(
    on disk: SimulatedDisk = SimulatedDisk(), seed: UInt64 = 1,
    _ change: (inout EngineOptions) -> Void = { _ in }
  ) throws {
    self.disk = disk
    var options = EngineOptions()
    options.segmentBytes = 64 << 10
    options.segmentBytesFirst = 64 << 10
    options.reserveBytes = 0
    change(&options)
    let plan = try LogOpener.open(disk, options: options, seed: seed)
    engine = LogEngine(plan.opened, options: options, seed: seed + 1)
    writer = DiskExecutor(directory: disk)
    background = DiskExecutor(directory: disk)
  }

  func append(_ text: String) throws -> LogIndex {
    let payload = Bytes(text)
    return try engine.append(payload.span, term: 0).index
  }

  func next(at now: Duration = .zero) -> [DiskStep]? { engine.nextJob(.writer, now: now)?.steps }

  /// The writer's next job, which must be there.
  func take() throws -> DiskJob {
    let job = engine.nextJob(.writer, now: .zero)
    return try #require(job)
  }

  /// Carries out a job of a lane, and reports it.
  func carryOut(_ job: DiskJob, _ lane: Lane, at now: Duration = .zero) throws {
    try run(job.steps, lane)
    engine.completed(job.id, nil, now: now)
  }

  /// Carries out steps of a job that nobody reports.
  func run(_ steps: [DiskStep], _ lane: Lane) throws {
    switch lane {
    case .writer: try writer.run(steps)
    case .background: try background.run(steps)
    }
  }

  /// Carries out everything that there is to do.
  func settle(at now: Duration = .zero) throws {
    while true {
      if let job = engine.nextJob(.writer, now: now) {
        try carryOut(job, .writer, at: now)
      } else if let job = engine.nextJob(.background, now: now) {
        try carryOut(job, .background, at: now)
      } else {
        return
      }
    }
  }
}
