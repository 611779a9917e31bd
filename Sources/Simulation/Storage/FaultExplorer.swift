// FaultExplorer: lets every call to the disk fail, one after the other, and looks at what is left.
//
// What must always hold: after a failure the log either goes on, with the failed requests undone, or
// it stops; what was acknowledged is there after a restart of the process, and after a power cut that
// follows it. SQLite tests this way: fail the N-th call, for every N.

import LogStorage
import Recovery
import StorageIO

extension StorageExplorer {
  /// Kinds of failure that are placed at every call.
  private enum Kind: CaseIterable {
    case ioErrorOnce, ioErrorForGood, fullOnce, fullForGood, shortWrite, syncLies
  }

  /// Runs a sequence of operations once for every call that it makes, failing that call.
  public func exploreFaults(_ operations: [StorageOperation]) {
    let seed = drawSeed()
    let calm = SimulatedDisk()
    do {
      try run(operations, on: calm, seed: seed)
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
          try runWithFaults(operations, on: disk, seed: seed)
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

  private func run(
    _ operations: [StorageOperation], on disk: SimulatedDisk, seed: UInt64
  ) throws(SimulationFailure) {
    let driver = StorageDriver(disk: disk, options: options, seed: seed)
    driver.expectsFailures = true
    driver.finishesEach = true
    for operation in operations { try driver.perform(operation) }
  }

  /// Runs until the end or until the log cannot even be opened, then restarts on a healthy disk.
  private func runWithFaults(
    _ operations: [StorageOperation], on disk: SimulatedDisk, seed: UInt64
  ) throws(SimulationFailure) {
    let driver = StorageDriver(disk: disk, options: options, seed: seed)
    driver.expectsFailures = true
    driver.finishesEach = true
    for operation in operations {
      do {
        try driver.perform(operation)
      } catch {
        // Opening may fail while the disk does; nothing else may go wrong.
        guard error.isRefusedOpening else { throw error }
        break
      }
    }
    disk.faults = []
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
