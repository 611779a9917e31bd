// raftlog-sim images: crash images as real directories, for real programs to read.

import ArgumentParser
import Simulation

struct Images: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes what crashes leave of a log to real directories.",
    discussion: """
      Seed by seed (1-20 unless others are named), drawn sequences of operations run as in \
      `storage`. A spread of the crash images is written, crashes during a recovery and clean \
      closes among them: each to a directory 00001, 00002, ..., byte for byte, and beside it a file \
      00001.expected of lines:
        verify N      the exit status of `walinspect verify`
        read N        the exit status of `raftlog read`
        next I T      index and term of what `raftlog append` appends next
        from ...      the seed, its operations, and what stopped the log
      and then what `raftlog read --json` prints, before and after the log was opened.
      """)

  @Option(help: "The directory to write to: one without images.")
  var to: String

  @OptionGroup var chosen: SeedOptions

  @Option(help: "Try a crash at one point in so many.")
  var every: UInt64 = 50

  @Option(help: "Images to write.")
  var count = 200

  func validate() throws {
    guard every >= 1 else { throw ValidationError("--every takes 1 or more, not \(every).") }
    guard (1...99_999).contains(count) else {
      throw ValidationError("--count takes 1 to 99999, not \(count).")
    }
  }

  func run() throws {
    let writer = try ImageWriter(path: to, count: count)
    let report = writer.run(seeds: chosen.range(upTo: 20), every: every)
    for failure in report.failures { print("FOUND \(failure)") }
    if let failure = writer.failure { throw failure }
    let parts = CrashOrigin.allCases.map { "\($0.rawValue) \(writer.written[$0, default: 0])" }
    print("\(writer.count) images: \(parts.joined(separator: ", "))")
    guard report.failures.isEmpty else { throw ExitCode(1) }
    guard writer.count == count else {
      print("only \(writer.count) of \(count) images: give more seeds, or a lower --every")
      throw ExitCode(1)
    }
  }
}
