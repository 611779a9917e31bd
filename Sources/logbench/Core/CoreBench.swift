// logbench core: how many entries a second the protocol decides on, where nothing else costs anything.
//
// What must always hold: every entry that is counted was committed by the leader with a majority's
// acknowledgements; disk and network take no time, and are not skipped.

import ArgumentParser
import LogFormat
import ProgramSupport
import Raft

struct Core: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Commits batches with nodes in memory, on one thread: no disk, no network.",
    discussion: """
      What is measured is the protocol alone: deciding, sending, acknowledging, committing and \
      applying, on every node. Payloads are no part of it. There is no probe beside it, for there is no \
      device; compare two builds on one machine, turn and turn about.
      """)

  @Option(help: "Nodes of the group, 1 to 9.")
  var nodes = 3

  @Option(help: "Entries of a batch.")
  var batch = 64

  @Option(help: "Batches that are on their way at any time.")
  var depth = 4

  @Option(help: "Entries that a round commits.")
  var entries = 5_000_000

  @Option(help: "Rounds.")
  var rounds = 5

  func validate() throws {
    guard (1...9).contains(nodes) else { throw ValidationError("--nodes takes 1 to 9.") }
    guard batch >= 1, batch <= Layout.batchEntriesMax else {
      throw ValidationError("--batch takes 1 to \(Layout.batchEntriesMax).")
    }
    guard (1...200).contains(depth) else { throw ValidationError("--depth takes 1 to 200.") }
    guard entries >= batch, rounds >= 1 else {
      throw ValidationError("--entries takes a batch or more, --rounds 1 or more.")
    }
  }

  func run() throws {
    try exiting {
      let group = MemoryGroup(nodes)
      var rates: [Double] = []
      for round in 1...rounds {
        StandardError.progress("core: round \(round) of \(rounds)")
        let start = Clock.nanoseconds
        let committed = group.commit(entries: entries, batch: batch, depth: depth)
        rates.append(Double(committed) * 1e9 / Double(Clock.nanoseconds - start))
      }
      StandardError.progress("")
      let median = Samples.median(rates)
      try StandardOutput.line(
        "\(nodes) nodes, batches of \(batch), \(depth) on their way: "
          + "\(Wording.decimal(median / 1e6, 2)) million entries/s "
          + "(\(Text.range(rates.map { $0 / 1e6 }, 2))), "
          + "\(Wording.decimal(1e9 * Double(batch) / median, 0)) ns a batch")
    }
  }
}
