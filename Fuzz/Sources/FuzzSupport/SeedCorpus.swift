// SeedCorpus: the inputs that a fuzzer begins with, written by the code that is fuzzed.
//
// What must always hold: seeds are made anew by each build, so that nothing binary is kept in the
// repository and a change of the format never leaves stale ones.

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

  /// Writes the seeds to the folder that the variable FUZZ_SEEDS names, and ends the process;
  /// without the variable it does nothing.
  package static func writeIfAsked(_ seeds: () -> [Seed]) {
    guard let value = unsafe getenv("FUZZ_SEEDS") else { return }
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
