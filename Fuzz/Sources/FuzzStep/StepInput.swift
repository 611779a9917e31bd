// StepInput: the bytes of an input, as records.

import FuzzSupport
import LogFormat
import Simulation

struct StepInput {
  static let front = 2
  static let recordBytes = 12
  private static let recordsMax = 300

  let isHostile: Bool
  let seed: UInt64
  let records: [ArraySlice<UInt8>]

  init?(_ bytes: [UInt8]) {
    guard bytes.count >= Self.front else { return nil }
    isHostile = bytes[0] >= 128
    seed = UInt64(bytes[1])
    records = stride(
      from: Self.front, through: bytes.count - Self.recordBytes, by: Self.recordBytes
    ).prefix(Self.recordsMax).map { bytes[$0..<$0 + Self.recordBytes] }
  }

  static func seeds() -> [SeedCorpus.Seed] {
    var random = SplitMix64(seed: 5)
    var seeds: [SeedCorpus.Seed] = []
    for seed in 0..<24 as Range<UInt8> {
      let length = 20 + Int(random.next() % 200)
      let drawn = (0..<length * recordBytes).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      seeds.append(("drawn-\(seed)", [seed % 2 * 128, seed] + drawn))
    }
    return seeds
  }
}

/// A group under the control of an input.
///
///   a record: byte 0, what; bytes 1-4 and 5-8, which of what there is; the rest is not used
enum GroupProgram {
  static func run(_ input: StepInput) {
    let actions = input.records.map { record -> CoreAction in
      let bytes = Array(record)
      func word(_ at: Int) -> UInt32 {
        bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
      }
      // Messages are what there is most of.
      let kind = bytes[0] < 128 ? 0 : Int(bytes[0]) % CoreExplorer.kinds
      return CoreExplorer.action(kind, word(1), word(5))
    }
    if let finding = CoreExplorer(seed: input.seed, actions: actions).run() { found(finding) }
  }
}
