// FuzzDirectory: an input as a list of things that happen to a real log's directory.
//
//   offset size
//        0    1  which sample
//        1    1  bit 0: a writer is said to be at work; bit 1: repairs keep what is behind damage
//        2  8*n  what happens, one after the other (see DirectoryMutant)
//
// What must always hold: whatever becomes of the directory, nothing crashes, and no entry is read
// from it that was not written; opening it refuses, or leaves a log that goes on. Where the damage
// is what disks do, what is missing is explained.

import FuzzSupport
import Recovery
import Simulation

@c(LLVMFuzzerInitialize)
public func initialize(
  _ argumentCount: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?
) -> CInt {
  SeedCorpus.writeIfAsked(DirectoryMutant.seeds)
  return 0
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  let input = unsafe fuzzInput(data, size)
  if input.count >= DirectoryMutant.front { DirectoryRun.run(input) }
  return 0
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    mutation.mutateRecords(front: DirectoryMutant.front, size: DirectoryMutant.recordBytes)
  }
}

private enum DirectoryRun {
  /// What the samples show while nothing has happened to them.
  private static let baselines = SampleDirectory.all.map {
    DirectoryReading(SampleDirectory.disk($0.files))
  }

  static func run(_ input: [UInt8]) {
    var mutant = DirectoryMutant(SampleDirectory.chosen(by: input[0]))
    for record in stride(
      from: DirectoryMutant.front, through: input.count - DirectoryMutant.recordBytes,
      by: DirectoryMutant.recordBytes)
    {
      mutant.apply(Array(input[record..<record + DirectoryMutant.recordBytes]))
    }
    let disk = SampleDirectory.disk(mutant.files)
    disk.faults = mutant.faults
    var check = DirectoryCheck(disk, written: SampleDirectory.written)
    check.isLive = input[1] & 1 != 0
    check.keep = input[1] & 2 == 0 ? .before : .after
    check.hasBadSectors = !mutant.faults.isEmpty
    let outcome = check.run()
    guard mutant.isPlainRot, !check.isLive else { return }
    let baseline = baselines[Int(input[0]) % baselines.count]
    expectExplained(outcome.before, outcome.before.diagnosis.findings, baseline)
    if let opened = outcome.opened {
      expectExplained(opened.after, opened.plan.findings, baseline)
    }
  }

  /// Entries that are not there any more are reported as damage, or a finding says why.
  private static func expectExplained(
    _ reading: DirectoryReading, _ findings: [Finding], _ baseline: DirectoryReading
  ) {
    guard reading.entries != baseline.entries, reading.damages == 0 else { return }
    let known = Set(baseline.diagnosis.findings)
    guard !findings.contains(where: { mayLose($0.verdict) && !known.contains($0) }) else { return }
    found(
      "\(baseline.entries.count) entries became \(reading.entries.count), and the findings do not "
        + "say why: \(findings)")
  }

  private static func mayLose(_ verdict: Verdict) -> Bool {
    switch verdict {
    case .tornBody, .tornFrame, .tornSeveral, .ambiguousTail, .corruptBatch, .corruptOrder,
      .tornEdit, .corruptManifest, .manifestLost, .lostFile, .unknownContinues, .unsupported,
      .foreign:
      true
    case .clean, .behindClose, .healedFooter, .healedHeader, .healedVote, .healedManifest,
      .unsealed, .voteLost, .orphan, .leftover, .unborn:
      false
    }
  }
}
