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

  /// Where somebody waits.
  struct Place: Sendable {
    fileprivate let milestone: Milestone
    fileprivate let number: UInt64

    /// True for a wait for what was asked of the log, and goes on without it.
    var isOfRequest: Bool {
      switch milestone {
      case .done, .durable: true
      case .readable, .room: false
      }
    }
  }

  /// Adds a waiter; the place takes it out again.
  mutating func add(_ waiter: Waiter, for milestone: Milestone) -> Place {
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
    return Place(milestone: milestone, number: number)
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

  mutating func remove(_ place: Place) -> Waiter? {
    switch place.milestone {
    case .done(let ticket): done.remove(place.number, goal: ticket)
    case .durable(let ticket): durable.remove(place.number, goal: ticket)
    case .readable(let index, _): readable.remove(place.number, goal: index)
    case .room: room.remove(place.number, goal: place.number)
    }
  }

  mutating func removeAll() -> [Waiter] {
    defer { self = WaitingRoom() }
    return done.waiters + durable.waiters + readable.waiters + room.waiters
  }
}
