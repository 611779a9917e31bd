// Who waits for the log, which requests failed, and how far it was cut back: the bookkeeping.

import LogFormat
import LogStorage
import TestSupport
import Testing

@Suite struct WaitingLineTests {
  @Test func theLowestGoalComesFirstAndThenWhoCameFirst() {
    var line = WaitingLine<Int, String>()
    for (i, (goal, name)) in [(5, "a"), (3, "b"), (5, "c"), (1, "d"), (3, "e")].enumerated() {
      line.add(name, for: goal, number: UInt64(i))
    }
    #expect(line.count == 5)
    #expect(line.waiters == ["d", "b", "e", "a", "c"])
    #expect(line.remove(1, goal: 3) == "b")
    #expect(line.remove(1, goal: 3) == nil)
    #expect(line.remove(0, goal: 3) == nil)
    #expect(line.firstGoal == 1)
    #expect(line.removeFirst() == "d")
    #expect(line.firstGoal == 3)
    let taken = line.removeAll { $0 == 5 ? $0 * 2 : nil }
    #expect(taken.map(\.waiter) == ["a", "c"])
    #expect(taken.map(\.result) == [10, 10])
    #expect(line.waiters == ["e"])
    #expect(line.removeFirst() == "e")
    #expect(line.isEmpty && line.firstGoal == nil)
  }

  /// Taken out from the front, from the middle and in between, a line is what a sorted array is.
  @Test func aLineIsWhatASortedArrayIs() {
    var line = WaitingLine<Int, UInt64>()
    var model: [(goal: Int, number: UInt64)] = []
    var random = SeededGenerator(seed: 7)
    for number in UInt64(0)..<20_000 {
      switch random.next() % 5 {
      case 0 where !model.isEmpty:
        #expect(line.firstGoal == model[0].goal)
        #expect(line.removeFirst() == model.removeFirst().number)
      case 1 where !model.isEmpty:
        let out = model.remove(at: Int(random.next() % UInt64(model.count)))
        #expect(line.remove(out.number, goal: out.goal) == out.number)
      default:
        let goal = Int(number) + Int(random.next() % 50)
        line.add(number, for: goal, number: number)
        model.insert((goal, number), at: model.firstIndex { $0.goal > goal } ?? model.count)
      }
      #expect(line.count == model.count)
    }
    #expect(line.waiters == model.map(\.number))
  }
}

@Suite struct CancelledWaitTests {
  /// One who waits at the front must not make a line keep all who came and went behind.
  @Test func thoseWhoWaitNoMoreAreNotKept() {
    final class Visitor {}
    var line = WaitingLine<Int, Visitor>()
    line.add(Visitor(), for: 1, number: 0)
    for number in UInt64(1)...20_000 {
      line.add(Visitor(), for: 2, number: number)
      #expect(line.remove(number, goal: 2) != nil)
      #expect(line.count == 1)
      #expect(line.places <= 2 * line.count + 512)
    }
  }
}

@Suite struct FailedTicketsTests {
  private let full = LogError(.diskFull, "full")
  private let poisoned = LogError(.poisoned, "poisoned")

  @Test func whatSomebodyWasToldStays() {
    var failed = FailedTickets()
    failed.add([10...12, 20...21], full)
    failed.add([5...30], poisoned)
    let codes = (4...31).map { failed.error(for: Ticket($0))?.code }
    let expected = (4...31).map { ticket -> LogError.Code? in
      switch ticket {
      case 10...12, 20...21: .diskFull
      case 5...30: .poisoned
      default: nil
      }
    }
    #expect(codes == expected)
    #expect(failed.isFresh)
  }

  @Test func neighboursAreOne() {
    var failed = FailedTickets()
    for ticket in Ticket(1)...100_000 { failed.add([ticket...ticket], full) }
    #expect(failed.count == 1)
    #expect(failed.error(for: 100_000)?.code == .diskFull)
    #expect(failed.error(for: 100_001) == nil)
  }

  /// However many failed, what is kept is bounded; of what was forgotten nobody is told that it was
  /// done.
  @Test func whatIsForgottenIsNotSaidToBeDone() {
    var failed = FailedTickets()
    for ticket in stride(from: Ticket(2), through: 100_000, by: 2) {
      failed.add([ticket...ticket], full)
      #expect(failed.count <= FailedTickets.rangesMax)
    }
    #expect(failed.error(for: 2)?.code == .diskFull)
    #expect(failed.error(for: 99_998)?.message == "full")
    #expect(failed.error(for: 99_999) == nil)
    #expect(failed.error(for: 100_001) == nil)
  }
}

@Suite struct TruncationHistoryTests {
  /// Asked from any point, the lowest index is the lowest since, or a little lower.
  @Test func theLowestIsNeverTooHigh() {
    let history = TruncationHistory()
    var all: [LogIndex] = []
    var random = SeededGenerator(seed: 3)
    for i in 0..<500 {
      // Rising on the whole, so that many stay in force.
      let index = LogIndex(i * 10) + random.next() % 100
      history.note(after: index)
      all.append(index)
      #expect(history.count == all.count)
      for known in [0, all.count / 2, all.count - 1] {
        let lowest = all[known...].min()!
        #expect(history.lowest(since: known).map { $0.lastIndex <= lowest } == true)
      }
      let exact = history.lowest(since: all.count - 1)
      #expect(exact?.lastIndex == index)
      #expect(exact?.count == all.count)
      #expect(history.lowest(since: all.count) == nil)
    }
  }
}
