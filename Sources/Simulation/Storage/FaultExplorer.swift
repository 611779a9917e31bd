// FaultExplorer: lets every call to the disk fail, one after the other, or lets the disk fill up, and
// looks at what is left.
//
// What must always hold: after a failure the log either goes on, with the failed requests undone, or
// it stops; what was acknowledged is there after a restart of the process, and after a power cut that
// follows it. SQLite tests this way: fail the N-th call, for every N.

import LogFormat
import LogStorage
import Recovery
import StorageIO

extension StorageExplorer {
  /// Kinds of failure that are placed at every call.
  private enum Kind: CaseIterable {
    case ioErrorOnce, ioErrorForGood, fullOnce, fullForGood, shortWrite, syncLies
  }

  /// Runs a sequence of operations once for every call that it makes, failing that call.
  ///
  /// - Parameter finishesEach: false lets a call fail while other requests wait for the disk.
  public func exploreFaults(_ operations: [StorageOperation], finishesEach: Bool = true) {
    let seed = drawSeed()
    let calm = SimulatedDisk()
    do {
      let driver = makeDriver(calm, options, seed: seed, finishesEach: finishesEach)
      for operation in operations { try driver.perform(operation) }
    } catch {
      fail(error, operations, "without a fault")
      return
    }
    for kind in Kind.allCases {
      for n in 1...max(calls(of: kind, on: calm), 1) {
        guard report.failures.count < 5 else { return }
        let disk = SimulatedDisk()
        disk.faults = [fault(kind, n)]
        report.faults += 1
        do {
          let driver = makeDriver(disk, options, seed: seed, finishesEach: finishesEach)
          try runWithFaults(operations, driver)
        } catch {
          fail(error, operations, "\(kind) at call \(n)")
        }
      }
    }
  }

  private func calls(of kind: Kind, on disk: SimulatedDisk) -> Int {
    switch kind {
    case .ioErrorOnce, .ioErrorForGood, .fullOnce, .fullForGood: disk.changes
    case .shortWrite: disk.writes
    case .syncLies: disk.syncs
    }
  }

  private func fault(_ kind: Kind, _ n: Int) -> SimulatedFault {
    // EIO is 5 and ENOSPC 28 on every system this runs on.
    switch kind {
    case .ioErrorOnce: .fail(call: n, errno: 5)
    case .ioErrorForGood: .failForGood(from: n, errno: 5)
    case .fullOnce: .fail(call: n, errno: 28)
    case .fullForGood: .failForGood(from: n, errno: 28)
    case .shortWrite: .shortWrite(call: n)
    case .syncLies: .syncLies(call: n)
    }
  }

  private func makeDriver(
    _ disk: SimulatedDisk, _ options: EngineOptions, seed: UInt64, finishesEach: Bool
  ) -> StorageDriver {
    let driver = StorageDriver(disk: disk, options: options, seed: seed)
    driver.expectsFailures = true
    driver.finishesEach = finishesEach
    return driver
  }

  /// Runs until the end or until the log cannot even be opened, then restarts on a healthy disk.
  private func runWithFaults(
    _ operations: [StorageOperation], _ driver: StorageDriver
  ) throws(SimulationFailure) {
    for operation in operations {
      do {
        try driver.perform(operation)
      } catch {
        // Opening may fail while the disk does; nothing else may go wrong.
        guard error.isRefusedOpening else { throw error }
        break
      }
    }
    driver.disk.faults = []
    try restart(driver)
  }

  /// What is left is the log, after a restart of the process and after a power cut behind it.
  private func restart(_ driver: StorageDriver) throws(SimulationFailure) {
    let disk = driver.disk
    driver.crash()
    let expectation = driver.expectation
    // The process restarts: the page cache may hold what the disk never got.
    let recovered = try RecoveredImage.open(disk, options: options, seed: drawSeed())
    try recovered.check(expectation, hasGarbage: false)
    // Then the power goes: whatever opening relied on must be on the disk by now.
    var random = SplitMix64(seed: drawSeed())
    var failure: SimulationFailure?
    var left = 40
    CrashImages(state: disk.state, directory: .ordered, garbage: false, exhaustiveMax: 0)
      .forEach(using: &random) { image in
        guard failure == nil, left > 0 else { return false }
        left -= 1
        report.faultStates += 1
        do throws(SimulationFailure) {
          try recheck(image, recovered)
        } catch {
          failure = error
        }
        return true
      }
    if let failure { throw failure }
  }

  /// After the power cut the log is the one that was open before.
  private func recheck(_ image: DiskImage, _ before: RecoveredImage) throws(SimulationFailure) {
    let disk = SimulatedDisk(image.state)
    let after = try RecoveredImage.open(disk, options: options, seed: drawSeed())
    try after.check(
      Expectation(logs: [before.model], hardStates: [before.hardState]), hasGarbage: false)
  }
}

// MARK: Space

extension StorageExplorer {
  /// What the log runs out of.
  private enum Limit: CaseIterable {
    case cap, disk, both
  }

  /// Runs a sequence of operations under a cap on the log's bytes, on a disk that is too small, and
  /// with both. Appends fail; what was acknowledged stays, and compaction makes room.
  public func exploreSpace(_ operations: [StorageOperation]) {
    for limit in Limit.allCases {
      guard report.failures.count < 5 else { return }
      var options = options
      // The least that a log of such segments may have, and a few pages more.
      let segments = 4 * options.segmentBytesFirst
      let rest = options.reserveBytes + 2 * (options.manifestRoom + 4096)
      let cap = segments + rest + Int(drawSeed() % 6) * 4096
      let capacity = segments + Int(drawSeed() % 6) * 4096
      if limit != .disk { options.bytesMax = cap }
      let disk = SimulatedDisk()
      if limit != .cap { disk.capacity = capacity }
      let driver = makeDriver(disk, options, seed: drawSeed(), finishesEach: false)
      do {
        try runInLittleSpace(operations, driver)
      } catch {
        fail(error, operations, "\(limit): cap \(cap), disk \(capacity)")
      }
      report.failuresForSpace += driver.failuresForSpace
      report.appendsResumed += driver.appendsResumed
    }
  }

  private func runInLittleSpace(
    _ operations: [StorageOperation], _ driver: StorageDriver
  ) throws(SimulationFailure) {
    let disk = driver.disk
    for operation in operations {
      do {
        try driver.perform(operation)
      } catch {
        guard error.isRefusedOpening, let capacity = disk.capacity else { throw error }
        // Not even opening has room: somebody else's files are deleted, and it is tried again.
        disk.capacity = capacity + 2 * EngineOptions.segmentBytesMin
      }
    }
    disk.capacity = nil
    try restart(driver)
  }

  /// A sequence that fills the log, makes room and goes on, three times over, drawn.
  public func spaceSequence() -> [StorageOperation] {
    let filling: [StorageOperation] = [
      .large, .large, .large, .large, .large, .append, .batch, .burst,
    ]
    let between: [StorageOperation] = [.idle, .hardState, .truncate, .kill, .close, .sync]
    var operations: [StorageOperation] = []
    for _ in 0..<3 {
      for _ in 0..<16 { operations.append(filling[Int(drawSeed() % UInt64(filling.count))]) }
      operations.append(between[Int(drawSeed() % UInt64(between.count))])
      operations += [.sync, .compact, .compact, .large]
    }
    return operations + [.large, .append]
  }
}
