// logbench: how fast the log is, as a share of what the device can do.
//
// What must always hold: nothing is measured without the raw probe beside it, in the same run, turn
// and turn about; what others did to the machine meanwhile is said.

import ArgumentParser
import ProgramSupport

@main
struct Logbench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logbench",
    abstract: "Measures the log beside raw probes of the device, in the same run.",
    subcommands: [Wal.self, Core.self, ReplayOnce.self])

  static func main() {
    StandardStreams.prepare()
    main(nil)
  }
}
