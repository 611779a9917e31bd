// FuzzLog: an input as a list of operations, on a log and on an array.
//
//   offset size
//        0    2  options (see LogProgram)
//        2  4*n  operations, one after the other
//
// What must always hold: the log is the array. Whatever was asked, with the disk keeping up or not,
// it has the same entries; after the process was killed it has every operation up to the last one
// that was written, and of the others the first few, in order; what no log may do it refuses.

import FuzzSupport

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(LogProgram.seeds)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { LogProgram($0).map { LogRun($0).run($0) } }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    mutation.mutateRecords(front: LogProgram.front, size: LogProgram.recordBytes)
  }
}
