// FuzzSegment: an input as a segment file; its last byte says what the manifest thinks of the rest.
//
// What must always hold: scanning, reading and recovering any bytes ends without a crash; the view
// shows exactly the entries of the unbroken chain; opening refuses, or keeps exactly these, and the
// log takes another one behind them.

import FuzzSupport

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(SegmentSeeds.all)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { SegmentCheck($0)?.run() }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in mutation.mutateSegment() }
}
