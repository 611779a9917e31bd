// Gathering: how long the writer waits for the appenders of the last batch to come back.
//
// What must always hold: a lone appender is never waited for, and where waiting does not pay it is
// given up for a while. Without it two groups of appenders take turns, and every batch carries
// half of them: whoever was woken by a sync arrives just after the next one has begun.

package import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

package struct Gathering {
  /// Longer than this nobody is waited for.
  private static let longest = Duration.microseconds(100)
  /// Batches for which nobody is waited for any more, after it did not pay.
  package private(set) var pause = 0
  /// How long the next pause is.
  private var nextPause = 1

  package init() {}

  /// Gives the processor away until as many have come as were let go of.
  ///
  /// - Parameters:
  ///   - count: how many waited for the last batch.
  ///   - limit: how long is waited at most.
  ///   - start: what `arrivals` was before they were let go of.
  package mutating func wait(
    for count: Int, atMost limit: Duration, since start: Int, _ arrivals: borrowing Atomic<Int>
  ) {
    guard count > 1 else { return }
    guard pause == 0 else {
      pause -= 1
      return
    }
    let end = monotonicNow() + min(limit, Self.longest)
    while arrivals.load(ordering: .relaxed) - start < count {
      if monotonicNow() >= end {
        pause = nextPause
        nextPause = min(nextPause * 2, 64)
        return
      }
      sched_yield()
    }
    nextPause = 1
  }
}
