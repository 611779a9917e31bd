// WaitingRoom: everybody who waits for the log, and what for.
//
// What must always hold: those who wait for requests stand in the order of their tickets, so that a
// finished batch costs its own waiters and nobody else's.

import LogFormat

struct WaitingRoom {
  struct Finished: Sendable {
    let waiter: Waiter
    let result: Result<Void, LogError>
  }

  private struct DoneWaiter {
    let ticket: Ticket
    let number: UInt64
    /// Nil once it was taken out of turn.
    var waiter: Waiter?
  }

  private var done: [DoneWaiter] = []
  private var head = 0
  private var doneCount = 0
  private var rest: [UInt64: (milestone: Milestone, waiter: Waiter)] = [:]
  private var nextNumber: UInt64 = 1

  var isEmpty: Bool { doneCount == 0 && rest.isEmpty }

  /// Adds a waiter; the number takes it out again.
  mutating func add(_ waiter: Waiter, for milestone: Milestone) -> UInt64 {
    let number = nextNumber
    nextNumber += 1
    guard case .done(let ticket) = milestone else {
      rest[number] = (milestone, waiter)
      return number
    }
    let entry = DoneWaiter(ticket: ticket, number: number, waiter: waiter)
    var position = done.count
    while position > head, done[position - 1].ticket > ticket { position -= 1 }
    done.insert(entry, at: position)
    doneCount += 1
    return number
  }

  /// Whoever waits for the lowest ticket.
  var firstDone: (ticket: Ticket, waiter: Waiter)? {
    mutating get {
      while head < done.count, done[head].waiter == nil { head += 1 }
      guard head < done.count, let waiter = done[head].waiter else { return nil }
      return (done[head].ticket, waiter)
    }
  }

  mutating func removeFirstDone() {
    head += 1
    doneCount -= 1
    if head == done.count {
      done.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 256, head * 2 > done.count {
      done.removeFirst(head)
      head = 0
    }
  }

  /// Everybody who waits for a ticket.
  var allDone: [(ticket: Ticket, number: UInt64)] {
    done[head...].filter { $0.waiter != nil }.map { ($0.ticket, $0.number) }
  }

  /// Everybody who waits for something else.
  var others: [(number: UInt64, milestone: Milestone)] {
    rest.isEmpty ? [] : rest.map { ($0.key, $0.value.milestone) }.sorted { $0.number < $1.number }
  }

  mutating func remove(_ number: UInt64) -> Waiter? {
    if let entry = rest.removeValue(forKey: number) { return entry.waiter }
    guard let i = done[head...].firstIndex(where: { $0.number == number }),
      let waiter = done[i].waiter
    else { return nil }
    done[i].waiter = nil
    doneCount -= 1
    return waiter
  }

  mutating func removeAll() -> [Waiter] {
    defer { self = WaitingRoom() }
    return done[head...].compactMap(\.waiter) + rest.values.map(\.waiter)
  }
}

/// Which requests failed, and why; neighbours are kept as one range.
struct FailedTickets {
  private var ranges: [(tickets: ClosedRange<Ticket>, error: LogError)] = []
  /// True when a failure was added that nobody was told of yet.
  var isFresh = false

  mutating func add(_ failure: FailedRequests) {
    isFresh = true
    for tickets in failure.tickets {
      if let last = ranges.last, last.tickets.upperBound + 1 == tickets.lowerBound,
        last.error.code == failure.error.code
      {
        ranges[ranges.count - 1].tickets = last.tickets.lowerBound...tickets.upperBound
      } else {
        ranges.append((tickets, failure.error))
      }
    }
  }

  func error(for ticket: Ticket) -> LogError? {
    guard !ranges.isEmpty else { return nil }
    return ranges.last { $0.tickets.contains(ticket) }?.error
  }
}
