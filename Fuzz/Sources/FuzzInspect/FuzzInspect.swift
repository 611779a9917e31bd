// FuzzInspect: walinspect on a directory to which things happened, as in FuzzDirectory.
//
//   offset size
//        0    1  which sample
//        1    1  bit 0: a writer is at work; bit 1: repairs keep what is behind damage; bit 2: one of
//                the files is looked at by itself too, and bits 3-7 say which
//        2  8*n  what happens, one after the other (see DirectoryMutant)
//
// What must always hold: whatever the directory is like, every command ends with a status that it
// promises, and what it prints is text, or a JSON object a line; no entry is printed that was not
// written; `verify` calls clean only what lost nothing, and `diff` equal only what is. Nothing but
// `repair --apply` changes a byte.

import FuzzSupport

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(InspectInput.seeds)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { InspectInput($0).map { InspectRun($0).run() } }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    mutation.mutateRecords(front: DirectoryMutant.front, size: DirectoryMutant.recordBytes)
  }
}
