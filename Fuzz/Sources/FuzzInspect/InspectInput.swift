// InspectInput: a directory to which things happened, and how it is looked at.

import FuzzSupport

struct InspectInput {
  let mutant: DirectoryMutant
  /// Which sample the directory was.
  let sample: Int
  /// A writer holds the directory.
  let isLive: Bool
  /// The side of damage that a repair keeps, as its option has it.
  let keep: String
  /// A file that is looked at by itself as well.
  let detached: String?

  init?(_ bytes: [UInt8]) {
    guard let mutant = DirectoryMutant(bytes) else { return nil }
    self.mutant = mutant
    sample = Int(bytes[0]) % SampleDirectory.all.count
    isLive = bytes[1] & 1 != 0
    keep = bytes[1] & 2 == 0 ? "before" : "after"
    let isDetached = bytes[1] & 4 != 0 && !mutant.files.isEmpty
    detached = isDetached ? mutant.files[Int(bytes[1] >> 3) % mutant.files.count].name : nil
  }

  /// Those of FuzzDirectory, looked at in all ways.
  static func seeds() -> [SeedCorpus.Seed] {
    DirectoryMutant.seeds().enumerated().map { i, seed in
      var bytes = seed.bytes
      bytes[1] = UInt8(i % 8) | UInt8(i / 8 % 32) << 3
      return (seed.name, bytes)
    }
  }
}
