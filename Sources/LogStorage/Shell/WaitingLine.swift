// WaitingLine: those who wait for a number to be reached, in its order.
//
// What must always hold: the lowest goal comes first, and of equal ones who came first; looking at the
// first costs the same however many wait, and taking one out of turn hardly more. Those who wait no
// more are never more than those who wait, but for a few.

import Recovery

package struct WaitingLine<Goal: Comparable, Waiter> {
  private struct Entry {
    let goal: Goal
    let number: UInt64
    /// Nil once it was taken out of turn.
    var waiter: Waiter?
  }

  /// The entry at `head` is one of somebody who waits, if there is one.
  private var entries: [Entry] = []
  private var head = 0
  package private(set) var count = 0

  /// Entries in memory, those who wait no more included.
  package var places: Int { entries.count - head }

  package init() {}

  package var isEmpty: Bool { count == 0 }

  /// Adds a waiter; goal and number take it out again.
  ///
  /// - Parameter number: higher than those of all who came before.
  package mutating func add(_ waiter: Waiter, for goal: Goal, number: UInt64) {
    let entry = Entry(goal: goal, number: number, waiter: waiter)
    count += 1
    // Nearly everybody waits for more than those before.
    guard head < entries.count, entries[entries.count - 1].goal > goal else {
      entries.append(entry)
      return
    }
    entries.insert(entry, at: entries[head...].partitioningIndex { $0.goal > goal })
  }

  /// The lowest goal that somebody waits for.
  package var firstGoal: Goal? { head < entries.count ? entries[head].goal : nil }

  /// Takes out whoever waits for the lowest goal.
  package mutating func removeFirst() -> Waiter {
    guard head < entries.count, let waiter = take(head) else { preconditionFailure("nobody waits") }
    tidy()
    return waiter
  }

  /// Everybody, in order.
  package var waiters: [Waiter] { entries[head...].compactMap(\.waiter) }

  package mutating func remove(_ number: UInt64, goal: Goal) -> Waiter? {
    let i = entries[head...].partitioningIndex { ($0.goal, $0.number) >= (goal, number) }
    guard i < entries.count, entries[i].number == number else { return nil }
    defer { tidy() }
    return take(i)
  }

  /// Takes out everybody for whose goal `choose` returns something, with what it returned.
  package mutating func removeAll<Result>(
    _ choose: (Goal) -> Result?
  ) -> [(waiter: Waiter, result: Result)] {
    var taken: [(waiter: Waiter, result: Result)] = []
    for i in head..<entries.count where entries[i].waiter != nil {
      guard let result = choose(entries[i].goal), let waiter = take(i) else { continue }
      taken.append((waiter, result))
    }
    tidy()
    return taken
  }

  private mutating func take(_ i: Int) -> Waiter? {
    defer { entries[i].waiter = nil }
    if entries[i].waiter != nil { count -= 1 }
    return entries[i].waiter
  }

  /// Lets go of the entries of those who wait no more, once they are many.
  private mutating func tidy() {
    while head < entries.count, entries[head].waiter == nil { head += 1 }
    if head == entries.count {
      entries.removeAll(keepingCapacity: true)
      head = 0
    } else if entries.count - count > count + 256 {
      entries.removeAll { $0.waiter == nil }
      head = 0
    }
  }
}
