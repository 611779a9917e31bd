// raftlog-sim flips: one flipped bit at every byte of a small log.

import ArgumentParser
import Simulation

struct Flips: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Flips a bit at every byte of a small log, and cuts its last segment to every length."
  )

  @Option(help: "Seeds to run: one number, or FIRST-LAST.")
  var seeds: SeedRange = SeedRange(first: 1, last: 1)

  func run() throws {
    var failures = 0
    for seed in seeds.first...seeds.last {
      for stop in StopKind.allCases {
        var explorer = try FlipExplorer(stop: stop, seed: seed)
        explorer.flipAll()
        explorer.shortenAll()
        let report = explorer.report
        let rows = report.verdicts.sorted { $0.key < $1.key }.map { "@\($0.key) \($0.value)" }
        print(
          "seed \(seed), \(stop.rawValue) stop: \(report.bytes) bytes flipped, "
            + "\(report.lengths) lengths, \(report.failures.count) findings; "
            + rows.joined(separator: ", "))
        for failure in report.failures { print("FOUND \(failure)") }
        failures += report.failures.count
      }
    }
    if failures > 0 { throw ExitCode(1) }
  }
}
