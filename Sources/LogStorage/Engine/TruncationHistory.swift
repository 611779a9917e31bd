// TruncationHistory: how far the log was cut back since somebody looked.
//
// What must always hold: the count rises when a truncation is done, in the same step in which its
// entries stop being readable; the lowest index that is told is never above the true one.

package import LogFormat
import Recovery
import Synchronization

/// Shared by the engine, which notes, and by readers, who ask for the count without the log's lock.
package final class TruncationHistory: Sendable {
  private struct Truncation {
    let number: Int
    let lastIndex: LogIndex
  }

  private let number = Atomic<Int>(0)
  /// Those that no later one reached below: numbers and indices both rise.
  private let lows = Mutex<[Truncation]>([])
  private static let lowsMax = 64

  package init() {}

  /// Truncations that were done.
  package var count: Int { number.load(ordering: .acquiring) }

  /// Takes in one that is done, and that kept `lastIndex`.
  package func note(after lastIndex: LogIndex) {
    lows.withLock { lows in
      let next = number.load(ordering: .relaxed) + 1
      while let last = lows.last, last.lastIndex >= lastIndex { lows.removeLast() }
      lows.append(Truncation(number: next, lastIndex: lastIndex))
      if lows.count > Self.lowsMax {
        // Of the two oldest, whoever has seen the first one is told of it again.
        lows[1] = Truncation(number: lows[1].number, lastIndex: lows[0].lastIndex)
        lows.removeFirst()
      }
      number.store(next, ordering: .releasing)
    }
  }

  /// The last entry that every truncation kept since there were `count`, and how many there are now;
  /// nil if there was none.
  package func lowest(since count: Int) -> (lastIndex: LogIndex, count: Int)? {
    guard self.count != count else { return nil }
    return lows.withLock { lows in
      let i = lows.partitioningIndex { $0.number > count }
      guard i < lows.count else { return nil }
      return (lows[i].lastIndex, number.load(ordering: .relaxed))
    }
  }
}
