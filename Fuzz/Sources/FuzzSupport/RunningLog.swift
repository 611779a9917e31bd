// RunningLog: a LogEngine on a SimulatedDisk, its jobs carried out a step at a time.
//
// What must always hold: the engine is the one that runs in production, opened as production opens
// it; the disk is healthy, so a request that fails is a finding. No thread, no clock.

import LogFormat
package import LogStorage
package import Recovery
package import Simulation
import StorageIO

package final class RunningLog {
  /// What opening found and did.
  package let plan: OpeningPlan
  package var engine: LogEngine
  /// The time that the engine is told.
  package var now: Duration = .zero
  private var random: SplitMix64
  private var writer: LaneRun
  private var background: LaneRun

  /// Recovers the log on `disk`, or starts one there.
  package init(opening disk: SimulatedDisk, options: EngineOptions, seed: UInt64) throws(LogError) {
    var random = SplitMix64(seed: seed)
    plan = try LogOpener.open(disk, options: options, seed: random.next())
    engine = LogEngine(plan.opened, options: options, seed: random.next())
    self.random = random
    writer = LaneRun(disk)
    background = LaneRun(disk)
  }

  /// Carries out steps, of whichever lane chance picks, until nothing is left or so many are done.
  ///
  /// - Returns: true when nothing is left.
  @discardableResult
  package func pump(steps: Int = .max) -> Bool {
    var left = steps
    while true {
      if writer.isIdle { writer.begin(engine.nextJob(.writer, now: now)) }
      if background.isIdle { background.begin(engine.nextJob(.background, now: now)) }
      if writer.isIdle && background.isIdle { return true }
      if left == 0 { return false }
      left -= 1
      let takesWriter = background.isIdle || (!writer.isIdle && random.next() & 1 == 0)
      guard let done = takesWriter ? writer.step() : background.step() else { continue }
      engine.completed(done, nil, now: now)
      if let failure = engine.takeFailures().first {
        found("a request failed on a healthy disk: \(failure.error)")
      }
    }
  }

  /// Closes the log; the value is of no use afterwards.
  package func close() {
    do {
      _ = try engine.close()
    } catch {
      found("a healthy log does not close: \(error)")
    }
    pump()
    expect(engine.isClosed, "closing did not come to an end")
  }
}

/// A lane of the engine, and how far its job has come.
private struct LaneRun: ~Copyable {
  private var job: DiskJob?
  private var next = 0
  private var executor: DiskExecutor

  init(_ disk: SimulatedDisk) { executor = DiskExecutor(directory: disk) }

  var isIdle: Bool { job == nil }

  mutating func begin(_ job: DiskJob?) {
    self.job = job
    next = 0
  }

  /// Carries out one step; the job's name once it is over.
  mutating func step() -> JobID? {
    guard let job else { return nil }
    if next < job.steps.count {
      do {
        try executor.run(job.steps[next])
      } catch {
        found("a step failed on a healthy disk: \(error)")
      }
      next += 1
    }
    guard next >= job.steps.count else { return nil }
    self.job = nil
    return job.id
  }
}

extension EngineOptions {
  /// Options under which everything that happens once in a gigabyte happens every few entries.
  package static var tiny: EngineOptions {
    var options = EngineOptions()
    options.segmentBytes = EngineOptions.segmentBytesMin
    options.segmentBytesFirst = EngineOptions.segmentBytesMin
    options.entryBytesMax = 8 << 10
    options.batchBytesMax = 8 << 10
    options.manifestRoom = 1 << 10
    options.reserveBytes = 0
    options.compression = .none
    return options
  }
}
