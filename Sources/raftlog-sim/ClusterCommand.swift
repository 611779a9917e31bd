// raftlog-sim cluster: random histories of whole nodes, on simulated disks, clocks and links.

import ArgumentParser
import CPOSIX
import ProgramSupport
import Simulation
import Synchronization

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

  @Option(help: "Threads to run on.")
  var threads = 2

  @Flag(inversion: .prefixedNo, help: "Look for the fewest actions that lead to a finding.")
  var shrink = true

  @Flag(help: "Fail where a rare thing or a kind of fault was never met.")
  var everyMark = false

  func validate() throws {
    guard steps >= 1 else { throw ValidationError("--steps takes 1 or more.") }
    guard threads >= 1, threads <= 64 else {
      throw ValidationError("--threads takes 1 to 64, not \(threads).")
    }
  }

  /// Findings after which nothing more is looked for.
  private static let findingsMax = 5

  private struct Sum {
    var report = ClusterReport()
    var findings = 0
    var hash: UInt64 = 0
  }

  func run() throws {
    raftlog_tell_seed_on_trap()
    let seeds = chosen.range(upTo: 1000)
    let next = Mutex<UInt64?>(seeds.lowerBound)
    let sum = Mutex(Sum())
    let progress = Mutex(ProgressLine("histories"))
    let start = ContinuousClock.now
    try runThreads(threads) { _ in
      while let seed = next.withLock({ take(&$0, of: seeds) }) {
        raftlog_note_seed(seed)
        let explorer = ClusterExplorer(seed: seed, steps: steps)
        let history = explorer.run()
        let done = sum.withLock { sum in
          sum.report.add(history.report)
          // The order in which threads come here is not the seeds'.
          sum.hash ^= history.traceHash &* (seed | 1)
          if history.finding != nil { sum.findings += 1 }
          if sum.findings >= Self.findingsMax { next.withLock { $0 = nil } }
          return sum.report.seeds
        }
        progress.withLock { $0.show(done, of: seeds.count) }
        if let finding = history.finding { show(finding, explorer, history) }
      }
    }
    progress.withLock { $0.clear() }
    try show(sum.withLock { $0 }, took: ContinuousClock.now - start)
  }

  private func take(_ next: inout UInt64?, of seeds: ClosedRange<UInt64>) -> UInt64? {
    guard let seed = next else { return nil }
    next = seed < seeds.upperBound ? seed + 1 : nil
    return seed
  }

  private func show(_ finding: String, _ explorer: ClusterExplorer, _ history: ClusterHistory) {
    var lines = ["FOUND seed \(explorer.seed): \(finding)", "  \(explorer.plan.words)"]
    if shrink {
      let shrunk = explorer.shrunk(history.actions)
      lines.append("  \(shrunk.count) of \(history.actions.count) actions are enough:")
      lines.append("  \(explorer.run(shrunk).finding ?? "nothing is found without the others")")
      lines += shrunk.map { "    \($0)" }
    }
    print(lines.joined(separator: "\n"))
  }

  private func show(_ sum: Sum, took time: Duration) throws {
    let report = sum.report
    func line(_ label: String, _ value: some CustomStringConvertible) {
      print(label + String(repeating: " ", count: max(1, 48 - label.count)) + "\(value)")
    }
    let hours = Double(report.time) / 3.6e12
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    line("seeds", report.seeds)
    line("seeds a minute", Int(Double(report.seeds) * 60 / max(seconds, 0.001)))
    line("protocol steps", report.steps)
    line("virtual hours", (hours * 10).rounded() / 10)
    line("elections won", report.elections)
    line("proposals acknowledged", report.acknowledgements)
    line("changes of members and transfers done", report.changes)
    line("starts of nodes", report.starts)
    line("histories that an operator would have to decide", report.undecidable)
    print("faults:")
    for fault in ClusterFault.allCases { line("  \(fault.rawValue)", report.effects[fault] ?? 0) }
    print("met:")
    for mark in ClusterMark.allCases { line("  \(mark.rawValue)", report.marks[mark] ?? 0) }
    line("trace hash", String(sum.hash, radix: 16))
    line("findings", sum.findings)
    guard sum.findings == 0 else { throw ExitCode(1) }
    let missing =
      ClusterFault.allCases.filter { report.effects[$0] ?? 0 == 0 }.map(\.rawValue)
      + ClusterMark.allCases.filter { report.marks[$0] ?? 0 == 0 }.map(\.rawValue)
    guard !everyMark || missing.isEmpty else {
      print("never met: \(missing.joined(separator: "; "))")
      throw ExitCode(1)
    }
  }
}
