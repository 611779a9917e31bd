// raftlog-sim cores: random histories of groups of bare cores.

import ArgumentParser
import Simulation

struct Cores: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs groups of bare protocol cores through random histories, and heals them.",
    discussion: """
      Messages are lost, repeated and reordered, writes are slow, nodes crash, members come and go. \
      After each step the promises of Raft have to hold, and in the end the group has to serve. Seeds \
      1-1000 are run unless others are named; a finding prints its seed and the fewest steps that lead \
      to it.
      """)

  @OptionGroup var chosen: SeedOptions

  @Option(help: "Steps of a history, before everything is healed.")
  var steps = 1000

  @Flag(inversion: .prefixedNo, help: "Look for the fewest steps that lead to a finding.")
  var shrink = true

  func validate() throws {
    guard steps >= 1 else { throw ValidationError("--steps takes 1 or more.") }
  }

  func run() throws {
    let seeds = chosen.range(upTo: 1000)
    var findings = 0
    for seed in seeds where findings < 5 {
      let explorer = CoreExplorer(seed: seed, steps: steps)
      guard let finding = explorer.run() else { continue }
      findings += 1
      print("FOUND seed \(seed): \(finding)")
      guard shrink else { continue }
      let shrunk = explorer.shrunk()
      print("  \(shrunk.count) of \(steps) steps are enough: \(explorer.run(shrunk) ?? "")")
      for action in shrunk { print("    \(action)") }
    }
    print("seeds               \(seeds.count)")
    print("findings            \(findings)")
    guard findings == 0 else { throw ExitCode(1) }
  }
}
