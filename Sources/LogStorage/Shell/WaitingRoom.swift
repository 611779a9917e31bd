// WaitingRoom: everybody who waits for the log, and what for.
//
// What must always hold: who waits for the same kind of thing stands in the order in which it comes
// about, so that a change of the log costs those whose wait it ends, and nobody else.

import LogFormat

struct WaitingRoom {
  struct Finished: Sendable {
    let waiter: Waiter
    let result: Result<Void, LogError>
  }

  /// A line for each kind of milestone.
  enum Line: CaseIterable {
    case done, durable, readable, room
  }

  private var done = WaitingLine<Ticket, Waiter>()
  private var durable = WaitingLine<Ticket, Waiter>()
  private var readable = WaitingLine<LogIndex, Waiter>()
  /// Room is there for all or for none.
  private var room = WaitingLine<UInt64, Waiter>()
  private var nextNumber: UInt64 = 1
  /// The truncations that those who wait for an entry know of; all of them know the same, since the
  /// next one ends their wait.
  private var truncations = 0

  var isEmpty: Bool { done.isEmpty && durable.isEmpty && readable.isEmpty && room.isEmpty }

  /// Adds a waiter; the number takes it out again.
  mutating func add(_ waiter: Waiter, for milestone: Milestone) -> UInt64 {
    let number = nextNumber
    nextNumber += 1
    switch milestone {
    case .done(let ticket): done.add(waiter, for: ticket, number: number)
    case .durable(let ticket): durable.add(waiter, for: ticket, number: number)
    case .readable(let index, let truncations):
      self.truncations = truncations
      readable.add(waiter, for: index, number: number)
    case .room: room.add(waiter, for: number, number: number)
    }
    return number
  }

  /// What the first in a line waits for; if that did not come about, it did for nobody in the line,
  /// but for requests that failed.
  func first(in line: Line) -> Milestone? {
    switch line {
    case .done: done.firstGoal.map { .done($0) }
    case .durable: durable.firstGoal.map { .durable($0) }
    case .readable: readable.firstGoal.map { .readable($0, truncations: truncations) }
    case .room: room.isEmpty ? nil : .room
    }
  }

  mutating func removeFirst(in line: Line) -> Waiter {
    switch line {
    case .done: done.removeFirst()
    case .durable: durable.removeFirst()
    case .readable: readable.removeFirst()
    case .room: room.removeFirst()
    }
  }

  /// Takes out, wherever they stand, those who wait for a request that `result` knows to be over.
  mutating func removeRequests(
    _ result: (Milestone) -> Result<Void, LogError>?
  ) -> [Finished] {
    (done.removeAll { result(.done($0)) } + durable.removeAll { result(.durable($0)) })
      .map { Finished(waiter: $0.waiter, result: $0.result) }
  }

  mutating func remove(_ number: UInt64) -> Waiter? {
    done.remove(number) ?? durable.remove(number) ?? readable.remove(number) ?? room.remove(number)
  }

  mutating func removeAll() -> [Waiter] {
    defer { self = WaitingRoom() }
    return done.waiters + durable.waiters + readable.waiters + room.waiters
  }
}
