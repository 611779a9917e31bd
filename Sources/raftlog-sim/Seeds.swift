// Seeds: which seeds a command runs, the same for all of them.

import ArgumentParser

/// The options that choose seeds.
struct SeedOptions: ParsableArguments {
  @Option(help: "Seeds to run: FIRST-LAST, or a number N for 1-N.")
  var seeds: SeedRange?

  @Option(help: "Run this seed alone.")
  var seed: UInt64?

  func validate() throws {
    if seeds != nil, seed != nil {
      throw ValidationError("--seed and --seeds exclude each other.")
    }
  }

  /// What was asked for, or else the seeds from 1 to `last`.
  func range(upTo last: UInt64) -> ClosedRange<UInt64> {
    if let seed { return seed...seed }
    return seeds?.range ?? 1...last
  }
}

/// A range of seeds on the command line.
struct SeedRange: ExpressibleByArgument {
  let range: ClosedRange<UInt64>

  init?(argument: String) {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
    let bounds = parts.compactMap { UInt64($0) }
    guard bounds.count == parts.count, bounds.count <= 2, let last = bounds.last else { return nil }
    let first = bounds.count == 1 ? 1 : bounds[0]
    guard first <= last else { return nil }
    range = first...last
  }
}
