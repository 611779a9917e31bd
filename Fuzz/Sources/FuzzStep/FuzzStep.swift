// FuzzStep: an input as a list of events, for one core or for a group.
//
//   offset size
//        0    1  0 to 127: a group that delivers its own messages; else one core among hostile peers
//        1    1  the seed that the group, or the core's options, are made from
//        2 12*n  events, one after the other (see GroupProgram and HostilePeers)
//
// What must always hold: no event, from whomever, makes a core break a rule of its own. A group keeps
// the promises of Raft and serves again when it is healed. One core among peers that say anything may
// halt, with a reason that puts the blame elsewhere; it never traps, and what it says stays true after
// a crash.

import FuzzSupport

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(StepInput.seeds)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { bytes in
    guard let input = StepInput(bytes) else { return }
    if input.isHostile {
      HostilePeers(seed: input.seed).run(input.records)
    } else {
      GroupProgram.run(input)
    }
  }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    mutation.mutateRecords(front: StepInput.front, size: StepInput.recordBytes)
  }
}
