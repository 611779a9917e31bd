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
  /// What is asked of it, besides what is wrong with it: not everything each time, for speed's sake.
  let look: Look

  enum Look: Equatable {
    case pictures, entries, repair
    /// One file by itself.
    case file(String)
  }

  init?(_ bytes: [UInt8]) {
    guard let mutant = DirectoryMutant(bytes) else { return nil }
    self.mutant = mutant
    sample = Int(bytes[0]) % SampleDirectory.all.count
    isLive = bytes[1] & 1 != 0
    keep = bytes[1] & 2 == 0 ? "before" : "after"
    let files = mutant.files
    look =
      switch bytes[1] >> 2 & 3 {
      case 0: .pictures
      case 1: .entries
      case 2: .repair
      default: files.isEmpty ? .repair : .file(files[Int(bytes[1] >> 4) % files.count].name)
      }
  }

  /// Those of FuzzDirectory, looked at in all ways.
  static func seeds() -> [SeedCorpus.Seed] {
    DirectoryMutant.seeds().enumerated().map { i, seed in
      var bytes = seed.bytes
      bytes[1] = UInt8(i % 16) | UInt8(i / 16 % 16) << 4
      return (seed.name, bytes)
    }
  }
}
