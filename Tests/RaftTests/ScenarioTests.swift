// ScenarioTests: the scripts of Scenarios, each with the transcript of what happened.
//
// A transcript is there to be read: a change of it is a change of the protocol's behaviour, and is looked
// at before it is kept. RAFTLOG_REWRITE=1 writes them anew.

import Simulation
import SystemPackage
import TestSupport
import Testing

@Suite struct ScenarioTests {
  private static let folder = FilePath(#filePath).removingLastComponent().appending("Scenarios")
    .string

  private static let names: [String] =
    ((try? TextFile.names(below: folder, ending: ".scenario")) ?? []).sorted()

  @Test func thereAreScenarios() { #expect(Self.names.count >= 15) }

  @Test(arguments: names)
  func aScenarioHappensAsItIsWritten(_ name: String) throws {
    let scenario = Scenario()
    try scenario.run(try TextFile.text(of: name, in: Self.folder))
    let transcript = String(name.dropLast("scenario".count)) + "transcript"
    if EnvironmentVariable.value(of: "RAFTLOG_REWRITE") == "1" {
      try TextFile.write(scenario.transcript, to: transcript, in: Self.folder)
    }
    let known = try TextFile.text(of: transcript, in: Self.folder)
    #expect(scenario.transcript == known)
  }

  @Test(
    arguments: [
      ("expire 1", "begins with its group"), ("group voters=0", "1 to 9 voters"),
      ("group voters=x", "no number"), ("group wings=2", "no “wings”"),
      ("group voters=3\nexpire 4", "no node"), ("group voters=3\nfly 1", "no statement"),
      ("group voters=3\nexpect 1 leader", "expected leader, it is follower"),
      ("group voters=3\nexpect 1 term=2", "expected 2, it is 0"),
      ("group voters=3\npass 3", "no time"), ("group voters=3\ndeliver one 1>2", "no such message"),
      ("group voters=3\npropose 1", "as NAME"), ("group voters=3\ndrop 12", "no link"),
      ("group voters=3\npropose 1 as a\nexpect a open", "it is: refused"),
    ])
  func whatCannotBeReadSaysWhere(_ text: String, _ reason: String) {
    do {
      try Scenario().run(text)
      Issue.record("“\(text)” was taken")
    } catch {
      #expect("\(error)".contains(reason) && error.line == text.split(separator: "\n").count)
    }
  }
}
