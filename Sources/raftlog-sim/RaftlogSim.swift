// raftlog-sim: runs the real code in a simulated world, and says what it found.

import ArgumentParser

@main
struct RaftlogSim: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "raftlog-sim",
    abstract: "Runs the log, and the protocol, in simulated worlds that fail in every way.",
    subcommands: [
      Storage.self, Flips.self, Sectors.self, Images.self, Repairs.self, Cores.self,
      ClusterCommand.self, Script.self,
    ])
}
