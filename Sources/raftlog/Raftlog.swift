// raftlog: a durable log from the command line.
//
// What must always hold: the main thread is nobody's but the command's. It may block, and no task
// ever waits for it: acknowledgements are printed while it waits for input, on one processor too.

import ArgumentParser
import ProgramSupport

@main
struct Raftlog: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "raftlog",
    abstract: "A durable, append-only log in a directory.",
    discussion: """
      Exit status: 0; 2 damaged; 3 a file is lost; 4 written by a newer program, or another \
      group's; 5 I/O error; 6 locked by another process; 7 disk full; 64 usage; 65 bad input; \
      66 no such log or index.
      """,
    version: Program.version,
    subcommands: [Append.self, Read.self, Compact.self, Truncate.self])

  static func main() {
    StandardStreams.prepare()
    Arguments.requireText(for: "raftlog")
    main(nil)
  }
}

/// The option that every command has.
struct DataOptions: ParsableArguments {
  @Option(name: .customLong("data"), help: "The log's directory.")
  var path: String

  func validate() throws {
    if path.isEmpty { throw ValidationError("--data is empty: name a directory.") }
  }
}
