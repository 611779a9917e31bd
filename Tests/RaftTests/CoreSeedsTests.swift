// CoreSeedsTests: random histories of groups of bare cores, a few of the many that raftlog-sim runs.

import Simulation
import Testing

@Suite struct CoreSeedsTests {
  @Test(arguments: 0..<8 as Range<UInt64>)
  func groupsKeepTheirPromisesAndServeAgain(_ part: UInt64) {
    for seed in part * 50 + 1...part * 50 + 50 {
      let finding = CoreExplorer(seed: seed, steps: 500).run()
      #expect(finding == nil, "seed \(seed)")
    }
  }

  /// A seed says everything that happens.
  @Test func theSameSeedIsTheSameHistory() {
    for seed in 1...20 as ClosedRange<UInt64> {
      let explorer = CoreExplorer(seed: seed, steps: 500)
      let (first, second) = (
        explorer.runTraced(explorer.actions), explorer.runTraced(explorer.actions)
      )
      #expect(first.traceHash == second.traceHash && first.traceHash != 0)
    }
  }
}
