// FailedTickets: which requests failed, and why, for those who ask later.
//
// What must always hold: the ranges are in order and do not overlap; what somebody was told of a
// request stays what anybody is told; a request that may have failed is never said to be done.

import Recovery

package struct FailedTickets {
  private struct Failure {
    var tickets: ClosedRange<Ticket>
    let error: LogError
  }

  /// In order; neighbours that failed for the same reason are one.
  private var failures: [Failure] = []
  /// The failure up to which the older ones were forgotten.
  private var forgotten: Failure?
  /// True when a failure was added that nobody was told of yet.
  package var isFresh = false

  /// A receipt is the embedder's, who may ask as late as it likes: what is kept has to be bounded.
  package static let rangesMax = 1024

  package init() {}

  /// How many ranges are kept.
  package var count: Int { failures.count }

  mutating func add(_ failure: FailedRequests) { add(failure.tickets, failure.error) }

  package mutating func add(_ ranges: [ClosedRange<Ticket>], _ error: LogError) {
    isFresh = true
    for tickets in ranges { add(tickets, error) }
    guard failures.count > Self.rangesMax else { return }
    // Half of them at once, so that it costs little each time.
    let oldest = failures.count - Self.rangesMax / 2
    forgotten = failures[oldest - 1]
    failures.removeFirst(oldest)
  }

  /// Adds what of `tickets` is not known to have failed already.
  private mutating func add(_ tickets: ClosedRange<Ticket>, _ error: LogError) {
    var i = failures.partitioningIndex { $0.tickets.upperBound >= tickets.lowerBound }
    var next = tickets.lowerBound
    while i < failures.count, failures[i].tickets.lowerBound <= tickets.upperBound {
      let known = failures[i].tickets
      if next < known.lowerBound, insert(next...known.lowerBound - 1, error, at: i) { i += 1 }
      next = known.upperBound + 1
      i += 1
    }
    if next <= tickets.upperBound { _ = insert(next...tickets.upperBound, error, at: i) }
  }

  /// Makes the range longer that ends in front of this one, or inserts one; true if it did.
  private mutating func insert(
    _ tickets: ClosedRange<Ticket>, _ error: LogError, at i: Int
  ) -> Bool {
    if i > 0, failures[i - 1].tickets.upperBound + 1 == tickets.lowerBound,
      failures[i - 1].error.code == error.code
    {
      failures[i - 1].tickets = failures[i - 1].tickets.lowerBound...tickets.upperBound
      return false
    }
    failures.insert(Failure(tickets: tickets, error: error), at: i)
    return true
  }

  /// Why a request failed; nil if it did not.
  ///
  /// Of a request that is older than the last `rangesMax / 2` ranges of failures, nobody knows any
  /// more whether it failed: the error then says so, with the code of the last failure of that time.
  package func error(for ticket: Ticket) -> LogError? {
    if let forgotten, ticket <= forgotten.tickets.upperBound {
      return LogError(
        forgotten.error.code,
        "request \(ticket) is too old to tell whether it failed, as others then did "
          + "(\(forgotten.error.message)); read the log to see")
    }
    let i = failures.partitioningIndex { $0.tickets.upperBound >= ticket }
    guard i < failures.count, failures[i].tickets.contains(ticket) else { return nil }
    return failures[i].error
  }
}
