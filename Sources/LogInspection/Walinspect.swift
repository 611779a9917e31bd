// walinspect: shows and explains a log's directory, or one segment file, that nobody has to open.
//
// What must always hold: only `repair --apply` and `salvage --to` write anything, and only `repair
// --apply` takes the lock.

import ArgumentParser
import ProgramSupport

/// The program `walinspect`.
public enum InspectionProgram {
  /// Runs the command that this process's arguments name, and ends the process.
  public static func main() {
    StandardStreams.prepare()
    Arguments.requireText(for: "walinspect")
    Walinspect.main(nil)
  }
}

struct Walinspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "walinspect",
    abstract: "Shows, checks, explains and repairs the directory of a log.",
    discussion: """
      PATH is the directory of a log, or one segment file by itself. Nothing is changed and no lock \
      is taken, so a log can be looked at while it is being written; only `repair --apply` changes \
      a log. With --json every line is one JSON object that names its format.

      Exit status of `verify`: 0 clean; 1 opening mends it; 2 damaged; 3 something is lost; 4 \
      unsupported or foreign; 5 I/O error. Everywhere: 64 usage, 66 no log there.
      """,
    version: Program.version,
    subcommands: [
      List.self, Stat.self, Terms.self, Dump.self, Verify.self, Explain.self, Diff.self,
      Follow.self, Salvage.self, Repair.self,
    ])
}
