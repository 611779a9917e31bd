// raftlog-sim cluster: random histories of whole nodes, on simulated disks, clocks and links.

import ArgumentParser
import Simulation

struct ClusterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "Runs groups of whole nodes through random faults, and heals them.",
    discussion: """
      The nodes are those of production: core, log and recovery; disks, clocks and links are simulated. \
      After each step the promises of Raft and of the log have to hold, and in the end the group has to \
      serve. Seeds 1-1000 are run unless others are named; a finding prints its seed and the fewest \
      actions that lead to it.
      """)

  @OptionGroup var chosen: SeedOptions

  @Option(help: "Protocol steps of a history, before everything is healed.")
  var steps = 5000

  @Flag(inversion: .prefixedNo, help: "Look for the fewest actions that lead to a finding.")
  var shrink = true

  func validate() throws {
    guard steps >= 1 else { throw ValidationError("--steps takes 1 or more.") }
  }

  func run() throws {
    var report = ClusterReport()
    var findings = 0
    for seed in chosen.range(upTo: 1000) where findings < 3 {
      let explorer = ClusterExplorer(seed: seed, steps: steps)
      let history = explorer.run()
      report.add(history.report)
      guard let finding = history.finding else { continue }
      findings += 1
      print("FOUND seed \(seed): \(finding)")
      print("  \(explorer.plan.words)")
      guard shrink else { continue }
      let shrunk = explorer.shrunk(history.actions)
      print("  \(shrunk.count) of \(history.actions.count) actions are enough:")
      print("  \(explorer.run(shrunk).finding ?? "none")")
      for action in shrunk { print("    \(action)") }
    }
    print("seeds \(report.seeds) steps \(report.steps) virtual s \(report.time / 1_000_000_000)")
    print("acks \(report.acknowledgements) elections \(report.elections) starts \(report.starts)")
    for fault in ClusterFault.allCases { print("\(fault.rawValue): \(report.effects[fault] ?? 0)") }
    for mark in ClusterMark.allCases { print("\(mark.rawValue): \(report.marks[mark] ?? 0)") }
    print("findings            \(findings)")
    guard findings == 0 else { throw ExitCode(1) }
  }
}
