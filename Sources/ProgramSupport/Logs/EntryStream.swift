// EntryStream: the entries of a log as they become readable, beside its writer.
//
// What must always hold: every entry from the first one that was asked for is passed on, in order; one
// that is not there yet is waited for, one that was taken back or compacted away is told of.

package import LogFormat
import Recovery
package import StorageIO

package struct EntryStream {
  private var follower: LogFollower
  private let from: LogIndex
  private let tell: (String) -> Void

  /// How long a new entry may go unnoticed. No file system tells of another process's writes into
  /// space that was prepared, so there is nothing to wait on but time.
  private static let intervalMilliseconds: Int32 = 20

  /// - Parameters:
  ///   - from: the first entry that is wanted; it may be one that is not there yet.
  ///   - last: the last entry that is there.
  ///   - tell: told of what a reader has to know beside the entries.
  package init(
    _ directory: any StorageDirectory, from: LogIndex, last: LogIndex,
    tell: @escaping (String) -> Void
  ) {
    self.from = from
    self.tell = tell
    // A follower that begins behind the end would take the end for a truncation.
    follower = LogFollower(
      directory, from: min(from, last + 1),
      pause: { Pause.milliseconds(Self.intervalMilliseconds) })
  }

  /// Passes on entries until `pass` returns false.
  ///
  /// - Parameter settled: called when everything that is there was passed on.
  package mutating func run(
    settled: () throws -> Void, pass: ([Entry]) throws -> Bool
  ) throws {
    while try poll(settled, pass) {}
  }

  /// False when no more is wanted.
  private mutating func poll(
    _ settled: () throws -> Void, _ pass: ([Entry]) throws -> Bool
  ) throws -> Bool {
    let (from, tell) = (from, tell)
    var next = follower.next
    var isWanted = true
    let changed = try follower.poll(
      onTruncation: { last in
        tell("the log was truncated after entry \(last)")
        next = last + 1
      },
      into: { entries in
        let first = entries[0].index
        if first > next, first > from {
          let gone = Words.entries(max(next, from), first - 1)
          tell("compacted away before it was read: \(gone)")
        }
        next = entries.last!.index + 1
        let wanted = first < from ? entries.filter { $0.index >= from } : entries
        isWanted = try wanted.isEmpty || pass(wanted)
        return isWanted
      })
    try settled()
    if !changed, isWanted { Pause.milliseconds(Self.intervalMilliseconds) }
    return isWanted
  }
}
