// raftlog: a durable log from the command line.

import ArgumentParser

@main
struct Raftlog: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "raftlog",
    abstract: "A durable, append-only log in a directory.",
    discussion: """
      Exit status: 0; 2 damaged; 3 a file is lost; 4 written by a newer program, or another \
      group's; 5 I/O error; 6 locked by another process; 7 disk full; 64 usage; 65 bad input; \
      66 no such log or index.
      """,
    version: "0.1.0",
    subcommands: [Append.self, Read.self, Compact.self, Truncate.self])
}

/// The option that every command has.
struct DataOptions: ParsableArguments {
  @Option(name: .customLong("data"), help: "The log's directory.")
  var path: String
}
