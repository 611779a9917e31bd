// raftlog-sim scenario: a script for a group of bare cores, and what happens.

import ArgumentParser
import ByteBuffers
import ProgramSupport
import Simulation
import StorageIO
import SystemPackage

struct Script: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenario",
    abstract: "Plays a script of events to a group of protocol cores, and prints what happens.",
    discussion: """
      The language is described in Sources/Simulation/Core/Scenario/Scenario.swift; there are examples \
      in Tests/RaftTests/Scenarios. An expectation that is not met ends it with status 1.
      """)

  @Argument(help: "The script.")
  var file: String

  func run() throws {
    let path = FilePath(file)
    guard let name = path.lastComponent else {
      throw ValidationError("“\(file)” is not the path of a file.")
    }
    let folder = path.removingLastComponent().string
    let script = try POSIXDirectory(path: folder.isEmpty ? "." : folder).open(name.string, .read)
    let text = try script.read(try script.size(), at: 0).text
    let scenario = Scenario()
    // What happened up to a failure is what explains it.
    defer { print(scenario.transcript, terminator: "") }
    try scenario.run(text)
  }
}
