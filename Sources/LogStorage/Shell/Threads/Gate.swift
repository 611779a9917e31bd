// Gate: a door that opens once, for any number of threads that wait in front of it.
//
// What must always hold: once it is open it stays open, and lets through whoever comes later. However
// many wait, opening it is one system call: with a condition variable each, waking the appenders of
// a batch would cost more than the batch's sync.

private import CPOSIX
import Synchronization

@safe
package final class Gate: @unchecked Sendable {
  /// Why it was opened.
  package enum Opening: UInt32 {
    /// What the waiters wait for is done.
    case done = 1
    /// Something failed: each has to look what became of its own request.
    case lookAgain = 2
  }

  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  package init() {
    unsafe word = .allocate(capacity: 1)
    unsafe word.initialize(to: Atomic(0))
  }

  deinit {
    unsafe word.deinitialize(count: 1)
    unsafe word.deallocate()
  }

  private var address: UnsafeMutablePointer<UInt32> {
    unsafe UnsafeMutableRawPointer(word).assumingMemoryBound(to: UInt32.self)
  }

  package func open(_ opening: Opening) {
    unsafe word.pointee.store(opening.rawValue, ordering: .releasing)
    unsafe raftlog_wake_all(address)
  }

  /// Waits until the gate is open.
  package func pass() -> Opening {
    while true {
      let value = unsafe word.pointee.load(ordering: .acquiring)
      if let opening = Opening(rawValue: value) { return opening }
      unsafe raftlog_wait_while(address, 0)
    }
  }
}

/// The gates in front of which threads wait for their tickets, in the order of the tickets.
package struct Gatehouse {
  private struct Entry {
    let gate: Gate
    var last: Ticket
    var waiting: Int
  }

  private var entries: [Entry] = []
  /// True when a job was taken since the last gate was made: who comes now waits for a later one.
  private var isLastShut = true

  package init() {}

  package var isEmpty: Bool { entries.isEmpty }

  /// The gate that opens when `ticket` is done.
  package mutating func join(_ ticket: Ticket) -> Gate {
    if isLastShut || entries.isEmpty {
      entries.append(Entry(gate: Gate(), last: ticket, waiting: 0))
      isLastShut = false
    }
    let i = entries.count - 1
    entries[i].last = max(entries[i].last, ticket)
    entries[i].waiting += 1
    return entries[i].gate
  }

  /// Nobody else joins those who are waiting already.
  package mutating func shut() { isLastShut = true }

  /// Takes out the gates to be opened: those whose tickets are all done, or all of them.
  ///
  /// - Returns: the gates, and how many threads wait in front of them.
  package mutating func takeDone(through written: Ticket) -> (gates: [Gate], waiting: Int) {
    guard let first = entries.first, first.last <= written else { return ([], 0) }
    let done = entries.prefix { $0.last <= written }
    defer { entries.removeFirst(done.count) }
    return (done.map(\.gate), done.reduce(0) { $0 + $1.waiting })
  }

  package mutating func takeAll() -> [Gate] {
    defer { entries = [] }
    return entries.map(\.gate)
  }
}
