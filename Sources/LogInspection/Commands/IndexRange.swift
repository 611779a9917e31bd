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
