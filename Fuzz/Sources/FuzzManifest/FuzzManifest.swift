// FuzzManifest: an input as the two copies of the manifest in a real log's directory.
//
// What must always hold: a manifest that decodes makes sense: its state can be written whole and
// read back as the same state, the log that it describes is read and opened without a crash, and
// shows no entry that was never written.

import FuzzSupport

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(ManifestInput.seeds)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { ManifestInput($0).map(ManifestCheck.run) }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in mutation.mutateManifests() }
}
