// raftlog-sim flips: one flipped bit at every byte of a small log, and pages in the wrong place.

import ArgumentParser
import Simulation

struct Flips: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Flips a bit at every byte of a small log, and cuts its last segment to every length.",
    discussion: """
      Then it puts every page of a segment in the place of every other one. Seed 1 is run unless \
      others are named.
      """)

  @OptionGroup var chosen: SeedOptions

  func run() throws {
    var failures = 0
    for seed in chosen.range(upTo: 1) {
      for stop in StopKind.allCases {
        var explorer = try FlipExplorer(stop: stop, seed: seed)
        explorer.flipAll()
        explorer.shortenAll()
        let flips = explorer.report
        failures += show(
          flips,
          "seed \(seed), \(stop.rawValue) stop: \(flips.bytes) bytes flipped, "
            + "\(flips.lengths) lengths")
        explorer = try FlipExplorer(misdirecting: stop, seed: seed)
        explorer.misdirectAll()
        let pages = explorer.report
        failures += show(
          pages, "seed \(seed), \(stop.rawValue) stop: \(pages.pages) pages in a wrong place")
      }
    }
    if failures > 0 { throw ExitCode(1) }
  }

  /// Prints a report and returns its failures.
  private func show(_ report: FlipReport, _ tried: String) -> Int {
    let rows = report.verdicts.sorted { $0.key < $1.key }.map { "@\($0.key) \($0.value)" }
    print(
      "\(tried), \(report.failures.count) findings; " + rows.joined(separator: ", "))
    for failure in report.failures { print("FOUND \(failure)") }
    return report.failures.count
  }
}
