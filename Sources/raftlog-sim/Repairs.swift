// raftlog-sim repairs: damages logs, and crashes their repair at every change of the disk.

import ArgumentParser
import Simulation

struct Repairs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Damages logs until they refuse to open, and crashes their repair at every step.",
    discussion: """
      What each crash leaves is repaired again with the same loss accepted, opened, and held against \
      what the first repair promised to keep. Seeds 1-20 are run unless others are named.
      """)

  @OptionGroup var chosen: SeedOptions

  @Option(help: "Ways in which the log of a seed is damaged.")
  var injuries = 6

  @Option(help: "Images tried at one crash point at most.")
  var images = 8

  func validate() throws {
    guard injuries >= 1, images >= 1 else {
      throw ValidationError("--injuries and --images take 1 or more.")
    }
  }

  func run() throws {
    var total = RepairReport()
    for seed in chosen.range(upTo: 20) where total.failures.count < 5 {
      var explorer = RepairExplorer(seed: seed, imagesPerPoint: images)
      explorer.explore(injuries: injuries)
      total.add(explorer.report)
    }
    for failure in total.failures { print("FOUND \(failure)") }
    print("repairs             \(total.repairs)")
    print("  with a loss       \(total.repairsWithLoss)")
    print("torn tails          \(total.tornTails)")
    print("  injured before    \(total.injuriesBeforeTails)")
    print("crash points        \(total.crashPoints)")
    print("states              \(total.states)")
    print("  repaired anew     \(total.statesRepeated)")
    print("findings            \(total.failures.count)")
    for (row, count) in total.verdicts.sorted(by: { $0.key < $1.key }) {
      print("  row @\(row)           \(count)")
    }
    guard total.failures.isEmpty else { throw ExitCode(1) }
  }
}
