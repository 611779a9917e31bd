// SeedCorpus: the inputs that a fuzzer begins with, written by the code that is fuzzed.
//
// What must always hold: seeds are made anew by each build, so that a change of the format never
// leaves stale ones.

import ByteBuffers
import StorageIO

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

package enum SeedCorpus {
  package typealias Seed = (name: String, bytes: [UInt8])

  /// Does what `LLVMFuzzerInitialize` is asked to: nothing or, if the variable FUZZ_SEEDS names a
  /// folder, writes the seeds there and ends the process.
  package static func begin(_ seeds: () -> [Seed]) -> CInt {
    guard let value = unsafe getenv("FUZZ_SEEDS") else { return 0 }
    let folder = unsafe String(cString: value)
    do {
      let directory = try POSIXDirectory(path: folder, create: true)
      let old = Set(try directory.list().map(\.name))
      for seed in seeds() {
        if old.contains(seed.name) { try directory.remove(seed.name) }
        try directory.open(seed.name, .create).write(Bytes(seed.bytes), at: 0)
      }
    } catch {
      found("the seeds cannot be written: \(error)")
    }
    exit(0)
  }
}
