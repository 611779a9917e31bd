// IndexRange: indices on the command line, FIRST-LAST or one index, both inclusive.

import ArgumentParser
import LogFormat

struct IndexRange: ExpressibleByArgument {
  var indices: ClosedRange<LogIndex>

  init?(argument: String) {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count <= 2, let first = parts.first.flatMap({ LogIndex($0) }), first >= 1,
      let last = parts.last.flatMap({ LogIndex($0) }), last >= first
    else { return nil }
    indices = first...last
  }
}

/// Which entries a command is about.
struct RangeOptions: ParsableArguments {
  @Option(help: "The first index.")
  var from: UInt64?

  @Option(help: "The last index.")
  var to: UInt64?

  /// The indices that were asked for; everything without an option.
  var indices: ClosedRange<LogIndex> { (from ?? 1)...(to ?? .max) }

  /// True when there is a limit at all.
  var isLimited: Bool { from != nil || to != nil }

  func validate() throws {
    if let from, from < 1 { throw ValidationError("--from: indices start at 1.") }
    if let to, to < from ?? 1 { throw ValidationError("--to is below --from.") }
  }
}
