// ClusterSeedsTests: histories of groups of whole nodes, a few of the many that raftlog-sim runs.

import Simulation
import Testing

@Suite struct ClusterSeedsTests {
  @Test(arguments: 0..<8 as Range<UInt64>)
  func groupsKeepTheirPromisesAndServeAgain(_ part: UInt64) {
    for seed in part * 30 + 1...part * 30 + 30 {
      let history = ClusterExplorer(seed: seed, steps: 500).run()
      #expect(history.finding == nil, "seed \(seed)")
    }
  }

  /// A seed says everything that happens; and what was recorded of a history is that history.
  @Test func theSameSeedIsTheSameHistory() {
    for seed in 1...10 as ClosedRange<UInt64> {
      let explorer = ClusterExplorer(seed: seed, steps: 500)
      let (first, second) = (explorer.run(), explorer.run())
      #expect(first.traceHash == second.traceHash && first.traceHash != 0)
      #expect(first.actions == second.actions)
      #expect(explorer.run(first.actions).traceHash == first.traceHash)
    }
  }

  @Test func otherSeedsAreOtherHistories() {
    let hashes = (1...10 as ClosedRange<UInt64>).map {
      ClusterExplorer(seed: $0, steps: 300).run().traceHash
    }
    #expect(Set(hashes).count == hashes.count)
  }
}
