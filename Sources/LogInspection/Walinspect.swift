// walinspect: shows and explains a log's directory, or one segment file, that nobody has to open.
//
// What must always hold: only `repair --apply` and `salvage --to` write anything, and only `repair
// --apply` takes the lock.

import ArgumentParser
import ProgramSupport
public import StorageIO
import SystemPackage

/// The program `walinspect`.
public enum InspectionProgram {
  /// Runs the command that this process's arguments name, and ends the process.
  public static func main() {
    StandardStreams.prepare()
    Arguments.requireText(for: "walinspect")
    Walinspect.main(nil)
  }

  /// How a run of the program within another one ended.
  public struct Outcome: Sendable {
    /// The exit status.
    public let status: Int32
    /// What it printed to standard output.
    public let output: [UInt8]
    /// What it printed to standard error.
    public let errors: [UInt8]
  }

  /// Runs one command on the calling thread, as the program does, and returns when it is done
  /// (`follow` never is). The process's own streams are left alone.
  ///
  /// - Parameters:
  ///   - arguments: the command line, without the program's name.
  ///   - directories: what paths lead to: the path of one of these, or of a file in it; everything
  ///     else is not there. Subdirectories are not listed. Nil for the file system. The file that
  ///     `salvage --to` names is written to the file system in any case, unless it is `-`.
  public static func run(
    _ arguments: [String], in directories: [String: any StorageDirectory]? = nil
  ) -> Outcome {
    let surroundings = Surroundings(directories: directories)
    let status = Surroundings.$current.withValue(surroundings) { perform(arguments) }
    return Outcome(status: status, output: surroundings.output, errors: surroundings.errors)
  }

  /// What `Walinspect.main` does, short of ending the process.
  private static func perform(_ arguments: [String]) -> Int32 {
    do {
      var command = try Walinspect.parseAsRoot(arguments)
      try command.run()
      return ExitStatus.clean.rawValue
    } catch {
      let code = Walinspect.exitCode(for: error)
      let text = Walinspect.fullMessage(for: error, columns: Terminal.output.width)
      if !text.isEmpty {
        var output =
          code.isSuccess ? Output.standard : Output(.standardError, name: "standard error")
        // Memory takes everything.
        try? output.line(text)
        try? output.flush()
      }
      return code.rawValue
    }
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
