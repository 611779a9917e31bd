// Crashes during repairs, at a size that fits a test run. `raftlog-sim repairs` runs the same at any
// size.

import Simulation
import Testing

@Suite struct RepairExplorationTests {
  @Test func repairsSurviveEveryCrash() {
    var report = RepairReport()
    for seed in UInt64(1)...48 {
      var explorer = RepairExplorer(seed: seed, imagesPerPoint: 2)
      explorer.explore(injuries: 2)
      report.add(explorer.report)
    }
    #expect(report.failures.isEmpty, "\(report.failures)")
    #expect(report.repairs >= 16, "only \(report.repairs) repairs")
    #expect(report.repairsWithLoss >= 6, "only \(report.repairsWithLoss) repairs with a loss")
    #expect(report.states >= 250, "only \(report.states) states")
    #expect(
      report.tornTails >= 3 && report.injuriesBeforeTails >= 2,
      "\(report.tornTails) torn tails, \(report.injuriesBeforeTails) injuries before them")
    // Crashes before the manifest was replaced and behind it.
    #expect(report.statesRepeated >= 100 && report.statesRepeated < report.states)
    for row in ["F", "P", "R"] {
      #expect(report.verdicts[row] ?? 0 > 0, "row @\(row) was never met")
    }
  }

  @Test func theSameSeedRepairsTheSame() {
    func run() -> RepairReport {
      var explorer = RepairExplorer(seed: 3, imagesPerPoint: 2)
      explorer.explore(injuries: 2)
      return explorer.report
    }
    let (a, b) = (run(), run())
    #expect(a.states == b.states && a.states > 0)
    #expect(a.crashPoints == b.crashPoints && a.statesRepeated == b.statesRepeated)
    #expect(a.verdicts == b.verdicts)
  }
}
