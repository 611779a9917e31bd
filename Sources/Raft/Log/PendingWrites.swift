// PendingWrites: what was handed to the disk and is not known to be on it.
//
// What must always hold: writes are done in the order in which they were given out; a write that is done
// makes nothing durable that was truncated since it was given out (ra#516).

package import LogFormat

/// Names a write. Writes are carried out in the order of their names.
public struct WriteID: Hashable, Sendable, Comparable {
  public var rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static func < (a: WriteID, b: WriteID) -> Bool { a.rawValue < b.rawValue }
}

extension WriteID: CustomStringConvertible {
  public var description: String { "W\(rawValue)" }
}

package struct PendingWrites {
  private struct Write {
    var id: WriteID
    /// The last entry that is durable with it; nil for a write of term and vote.
    var last: LogIndex?
    /// When it was given out.
    var since: Duration
  }

  private var writes: [Write] = []
  private var done = 0
  private var lastID = WriteID(rawValue: 0)
  /// The newest write of term and vote that is not done.
  package private(set) var hardState: WriteID?
  /// How long a write took of late: the longest, forgotten by an eighth with each one.
  package private(set) var recentTime = Duration.zero

  package var isEmpty: Bool { done == writes.count }
  private var live: ArraySlice<Write> { writes[done...] }

  /// Since when the oldest one has been out.
  package var oldestSince: Duration? { live.first?.since }

  package init() {}

  package mutating func begin(last: LogIndex?, at now: Duration) -> WriteID {
    lastID.rawValue += 1
    writes.append(Write(id: lastID, last: last, since: now))
    if last == nil { hardState = lastID }
    return lastID
  }

  /// The write with which `index` is durable; nil if none that is out does that.
  package func write(covering index: LogIndex) -> WriteID? {
    live.first { $0.last.map { $0 >= index } ?? false }?.id
  }

  package mutating func truncate(after index: LogIndex) {
    for i in done..<writes.count {
      if let last = writes[i].last { writes[i].last = min(last, index) }
    }
  }

  /// A write is done, and so is every one before it.
  ///
  /// - Returns: the last entry that is durable now, if one is; nil too for a write that is not out.
  package mutating func finish(_ id: WriteID, at now: Duration) -> (isKnown: Bool, last: LogIndex?)
  {
    guard id <= lastID, let first = live.first, id >= first.id else { return (false, nil) }
    var last: LogIndex?
    while let write = live.first, write.id <= id {
      last = max(last ?? 0, write.last ?? 0)
      recentTime = max(recentTime - recentTime / 8, now - write.since)
      if hardState == write.id { hardState = nil }
      done += 1
    }
    if done == writes.count || done > 64 {
      writes.removeFirst(done)
      done = 0
    }
    return (true, last == 0 ? nil : last)
  }
}
