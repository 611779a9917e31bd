// RangeOptions: which entries a command is about.

package import ArgumentParser
package import LogFormat

package struct RangeOptions: ParsableArguments {
  @Option(help: "The first index.")
  package var from: UInt64?

  @Option(help: "The last index.")
  package var to: UInt64?

  package init() {}

  /// The indices that were asked for; everything without an option.
  package var indices: ClosedRange<LogIndex> { (from ?? 1)...(to ?? .max) }

  /// True when there is a limit at all.
  package var isLimited: Bool { from != nil || to != nil }

  package func validate() throws {
    if from == 0 { throw ValidationError("--from 0: indices start at 1.") }
    if to == 0 { throw ValidationError("--to 0: indices start at 1.") }
    if let from, let to, to < from {
      throw ValidationError("--to \(to) is below --from \(from): name the lower index first.")
    }
  }
}
