// FuzzDirectory: an input as a list of things that happen to a real log's directory.
//
//   offset size
//        0    1  which sample
//        1    1  bit 0: a writer is said to be at work; bit 1: repairs keep what is behind damage
//        2  8*n  what happens, one after the other (see DirectoryMutant)
//
// What must always hold: whatever becomes of the directory, nothing crashes, and no entry is read
// from it that was not written; opening it refuses, or leaves a log that goes on. Where the damage
// is what disks do, a finding covers every entry that is missing.

import FuzzSupport
import Recovery

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(DirectoryMutant.seeds)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { DirectoryRun($0)?.run() }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    mutation.mutateRecords(front: DirectoryMutant.front, size: DirectoryMutant.recordBytes)
  }
}

/// One input on its way.
private struct DirectoryRun {
  private let input: [UInt8]
  private let mutant: DirectoryMutant

  init?(_ input: [UInt8]) {
    guard let mutant = DirectoryMutant(input) else { return nil }
    self.input = input
    self.mutant = mutant
  }

  func run() {
    var check = DirectoryCheck(mutant.disk(), written: SampleDirectory.written)
    check.isLive = input[1] & 1 != 0
    check.keep = input[1] & 2 == 0 ? .before : .after
    check.hasBadSectors = !mutant.faults.isEmpty
    let outcome = check.run()
    guard mutant.isPlainRot, !check.isLive else { return }
    let losses = LossCheck.chosen(by: input[0])
    let findings = outcome.before.diagnosis.findings
    losses.expectExplained(outcome.before, by: findings)
    if let opened = outcome.opened {
      // What an opening does not look at is found where every byte is read.
      let all = findings + opened.plan.findings + opened.fully.diagnosis.findings
      losses.expectExplained(opened.after, by: all)
      losses.expectExplained(opened.fully, by: all)
    }
  }
}
