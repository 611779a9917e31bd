// InspectCommand: what every command has in common: its path, its output, and how it ends.

import ArgumentParser
import ProgramSupport

/// What every command takes.
struct SubjectOptions: ParsableArguments {
  @Argument(help: "The directory of a log, or one segment file.")
  var path: String

  @Flag(help: "Print JSON: one object a line, each with a `format` field.")
  var json = false

  func validate() throws {
    if path.isEmpty {
      throw ValidationError("PATH is empty: name the directory of a log, or one segment file.")
    }
  }
}

/// A command that prints to standard output and ends with a status.
protocol InspectCommand: ParsableCommand {
  func inspect(_ output: inout Output) throws -> ExitStatus
}

extension InspectCommand {
  func run() throws {
    var output = Output.standard
    let status: ExitStatus
    do {
      status = try inspect(&output)
      try output.flush()
    } catch let error as OutputError where error.isAbandoned {
      Program.endAbandoned()
    } catch {
      let failure = Failure(error)
      // What was found before the failure is still true; if it cannot be printed, that is the
      // lesser failure.
      try? output.flush()
      Output.complain(failure.message)
      throw ExitCode(failure.status)
    }
    if status != .clean { throw ExitCode(status) }
  }
}
