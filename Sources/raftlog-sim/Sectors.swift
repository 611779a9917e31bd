// raftlog-sim sectors: every sector of a small log that cannot be read, one after the other.

import ArgumentParser
import Simulation

struct Sectors: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes every sector of a small log unreadable in turn, and every file unopenable.",
    discussion: """
      Then it hides each pair of sectors in the two copies of manifest and votes, and lets every read \
      of an opening fail once. Seed 1 is run unless others are named.
      """)

  @OptionGroup var chosen: SeedOptions

  func run() throws {
    var failures = 0
    for seed in chosen.range(upTo: 1) {
      for stop in StopKind.allCases {
        for hasManyBatches in [false, true] {
          var explorer =
            hasManyBatches
            ? try SectorExplorer(manyBatches: stop, seed: seed)
            : try SectorExplorer(stop: stop, seed: seed)
          explorer.exploreAll()
          failures += show(explorer.report, "seed \(seed), \(stop.rawValue) stop")
        }
      }
    }
    if failures > 0 { throw ExitCode(1) }
  }

  /// Prints a report and returns its failures.
  private func show(_ report: SectorReport, _ title: String) -> Int {
    let rows = report.verdicts.sorted { $0.key < $1.key }.map { "@\($0.key) \($0.value)" }
    print(
      "\(title): \(report.sectors) sectors, \(report.files) files, \(report.reads) reads, "
        + "\(report.openings) openings, \(report.refusals) refusals, "
        + "\(report.failures.count) findings; " + rows.joined(separator: ", "))
    for failure in report.failures { print("FOUND \(failure)") }
    return report.failures.count
  }
}
