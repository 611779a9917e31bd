// What the shell's threads hand to each other: BargingMutex, Parker, Gate, Gathering, and all of them
// together. Real threads, and so many hand-overs that a lost wake-up shows: the test would not end.
//
// What must always hold: what one thread leaves to another is a plain variable, so that the thread
// sanitizer sees a hand-over that orders nothing; no test waits for time to pass.

import LogStorage
import StorageIO
import Synchronization
import Testing

/// A variable that nothing protects but what is being tested.
private final class Plain: @unchecked Sendable {
  var value = 0
}

/// Counts what must not happen, or what must happen in the end.
private final class Tally: Sendable {
  private let number = Atomic(0)

  var value: Int { number.load(ordering: .acquiring) }

  /// Counts one more; returns how many it makes.
  @discardableResult
  func add() -> Int { number.add(1, ordering: .acquiringAndReleasing).newValue }
}

/// Runs each body on a thread of its own; returns when all are done. The tests' own threads wait for
/// nothing.
private func onThreads(_ bodies: [@Sendable () -> Void]) async {
  let done = Tally()
  await withCheckedContinuation { continuation in
    for body in bodies {
      let isStarted = BlockingThread.start {
        body()
        if done.add() == bodies.count { continuation.resume() }
      }
      precondition(isStarted, "the system has no more threads")
    }
  }
}

@Suite struct BargingMutexTests {
  @Test func oneThreadAtATime() async {
    // Two numbers that belong together, and do not for whoever gets in between.
    let mutex = BargingMutex((up: 0, down: 0))
    let torn = Tally()
    let (threads, rounds) = (4, 100_000)
    let body: @Sendable () -> Void = {
      for _ in 0..<rounds {
        mutex.withLock { value in
          if value.up != -value.down { torn.add() }
          value.up += 1
          value.down -= 1
        }
      }
    }
    await onThreads(Array(repeating: body, count: threads))
    let (up, down) = mutex.withLock { ($0.up, $0.down) }
    #expect(up == threads * rounds && down == -up)
    #expect(torn.value == 0)
  }

  private struct Refusal: Error {}

  /// Who leaves by an error leaves the door open.
  @Test func anErrorLetsGoOfTheLock() {
    let mutex = BargingMutex(1)
    #expect(throws: Refusal.self) {
      try mutex.withLock { value in
        value = 2
        throw Refusal()
      }
    }
    #expect(mutex.withLock { $0 } == 2)
  }

  @Test func theValueGoesWithTheLock() {
    weak var value: Plain?
    do {
      let plain = Plain()
      value = plain
      let mutex = BargingMutex(plain)
      mutex.withLock { $0.value = 1 }
      #expect(value?.value == 1)
    }
    #expect(value == nil)
  }
}

@Suite struct ParkerTests {
  /// Two threads that take turns: each wakes the other one and sleeps until it is woken. A wake that
  /// comes before the sleep, in the middle of falling asleep or behind it ends that one sleep.
  @Test(arguments: [nil, Duration.seconds(1 << 20)])
  func noWakeIsLost(timeout: Duration?) async {
    let (ping, pong, turn, wrong) = (Parker(), Parker(), Plain(), Tally())
    let rounds = 100_000
    await onThreads([
      {
        for i in 0..<rounds {
          if turn.value != 2 * i { wrong.add() }
          turn.value += 1
          ping.wake()
          pong.park(timeout: timeout)
        }
      },
      {
        for i in 0..<rounds {
          ping.park(timeout: timeout)
          if turn.value != 2 * i + 1 { wrong.add() }
          turn.value += 1
          pong.wake()
        }
      },
    ])
    #expect(turn.value == 2 * rounds)
    #expect(wrong.value == 0)
  }

  /// Many wake one: it has always seen what the last of them did before it sleeps for good.
  @Test func whoIsWokenByManySeesWhatAllOfThemDid() async {
    let (parker, made) = (Parker(), Tally())
    let (threads, rounds) = (3, 50_000)
    let maker: @Sendable () -> Void = {
      for _ in 0..<rounds {
        made.add()
        parker.wake()
      }
    }
    let taker: @Sendable () -> Void = {
      while made.value < threads * rounds { parker.park() }
    }
    await onThreads(Array(repeating: maker, count: threads) + [taker])
    #expect(made.value == threads * rounds)
  }

  /// A wait that is over by time has waited, and takes a later wake no more than once.
  @Test func aTimeoutEndsAWait() async {
    let parker = Parker()
    await onThreads([
      {
        parker.park(timeout: .zero)
        parker.park(timeout: .nanoseconds(-1))
        parker.wake()
        parker.park()
      }
    ])
  }
}

@Suite struct GateTests {
  @Test(arguments: [Gate.Opening.done, .lookAgain])
  func anOpenGateStaysOpen(_ opening: Gate.Opening) async {
    let (gate, passed) = (Gate(), Tally())
    let body: @Sendable () -> Void = { if gate.pass() == opening { passed.add() } }
    await onThreads(Array(repeating: body, count: 4) + [{ gate.open(opening) }])
    #expect(passed.value == 4)
    // And lets through who comes later.
    #expect(gate.pass() == opening)
    #expect(gate.pass() == opening)
  }

  /// Two threads open gates for each other in turn, and two more pass all of them: everybody sees
  /// what was done before a gate was opened.
  @Test func nobodyIsLeftInFrontOfAnOpenGate() async {
    let rounds = 50_000
    let ping = (0..<rounds).map { _ in Gate() }
    let pong = (0..<rounds).map { _ in Gate() }
    let (turn, wrong) = (Plain(), Tally())
    let watcher: @Sendable () -> Void = {
      for (ping, pong) in zip(ping, pong) {
        if ping.pass() != .done { wrong.add() }
        if pong.pass() != .lookAgain { wrong.add() }
      }
    }
    await onThreads([
      {
        for i in 0..<rounds {
          if turn.value != 2 * i { wrong.add() }
          turn.value += 1
          ping[i].open(.done)
          if pong[i].pass() != .lookAgain { wrong.add() }
        }
      },
      {
        for i in 0..<rounds {
          if ping[i].pass() != .done { wrong.add() }
          if turn.value != 2 * i + 1 { wrong.add() }
          turn.value += 1
          pong[i].open(.lookAgain)
        }
      },
      watcher, watcher,
    ])
    #expect(turn.value == 2 * rounds)
    #expect(wrong.value == 0)
  }
}

@Suite struct GatehouseTests {
  @Test func whoComesBehindAJobWaitsForALaterOne() {
    var house = Gatehouse()
    #expect(house.isEmpty)
    let first = house.join(1)
    #expect(house.join(2) === first)
    house.shut()
    let second = house.join(3)
    #expect(second !== first)
    #expect(house.join(4) === second)
    // Not before all of a gate's tickets are done.
    #expect(house.takeDone(through: 1).gates.isEmpty)
    let done = house.takeDone(through: 3)
    #expect(done.gates.map(ObjectIdentifier.init) == [ObjectIdentifier(first)])
    #expect(done.waiting == 2)
    // Without a job in between the second one is still open to others.
    #expect(house.join(5) === second)
    #expect(house.takeDone(through: 4).gates.isEmpty)
    let rest = house.takeDone(through: 9)
    #expect(rest.gates.map(ObjectIdentifier.init) == [ObjectIdentifier(second)])
    #expect(rest.waiting == 3)
    #expect(house.isEmpty)
    #expect(house.join(6) !== second)
  }

  @Test func aFailureOpensAllOfThem() {
    var house = Gatehouse()
    var gates: [ObjectIdentifier] = []
    for ticket in Ticket(1)...5 {
      gates.append(ObjectIdentifier(house.join(ticket)))
      house.shut()
    }
    #expect(house.takeAll().map(ObjectIdentifier.init) == gates)
    #expect(house.isEmpty)
    #expect(house.takeDone(through: .max).gates.isEmpty)
  }
}

@Suite struct GatheringTests {
  /// Nobody else is going to come: there is nothing to wait for, whatever the limit.
  @Test func aLoneAppenderIsNotWaitedFor() {
    var gathering = Gathering()
    let arrivals = Atomic(0)
    for count in [0, 1, 0, 1] { gathering.wait(for: count, atMost: .zero, since: 0, arrivals) }
    #expect(gathering.pause == 0)
  }

  /// Where waiting does not pay it is given up: for one batch, for two, four, and never for more than
  /// 64. Once all have come it begins anew.
  @Test func whatDoesNotPayIsGivenUpForAWhile() {
    var gathering = Gathering()
    let arrivals = Atomic(7)
    func wait(since start: Int) { gathering.wait(for: 2, atMost: .zero, since: start, arrivals) }
    for pause in [1, 2, 4, 8, 16, 32, 64, 64] {
      wait(since: 6)
      #expect(gathering.pause == pause)
      for left in (0..<pause).reversed() {
        // Not waited for, and so it says nothing that all of them are there.
        wait(since: 5)
        #expect(gathering.pause == left)
      }
    }
    wait(since: 5)
    #expect(gathering.pause == 0)
    wait(since: 6)
    #expect(gathering.pause == 1)
  }
}

/// A log without a disk: appenders that take a ticket and wait in front of its gate, and a writer that
/// takes what there is, now and then fails, and opens the gates.
private struct Hall {
  var house = Gatehouse()
  /// Tickets that were given out, and those that are done or have failed.
  var last: Ticket = 0
  var written: Ticket = 0
  var failed: Ticket = 0
}

@Suite struct HandOverTests {
  @Test func everyAppenderIsToldOnceItsTicketIsDone() async {
    let hall = BargingMutex(Hall())
    let (parker, ended, early, failures) = (Parker(), Tally(), Tally(), Tally())
    let (threads, rounds) = (4, 30_000)
    let appender: @Sendable () -> Void = {
      for _ in 0..<rounds {
        let (ticket, gate) = hall.withLock { hall in
          hall.last += 1
          return (hall.last, hall.house.join(hall.last))
        }
        parker.wake()
        switch gate.pass() {
        case .done: if hall.withLock({ $0.written }) < ticket { early.add() }
        case .lookAgain:
          failures.add()
          if hall.withLock({ $0.failed }) < ticket { early.add() }
        }
      }
      ended.add()
      parker.wake()
    }
    let writer: @Sendable () -> Void = {
      var jobs = 0
      while ended.value < threads {
        // Who joins behind this waits for the next job.
        let job = hall.withLock { hall -> Ticket? in
          guard hall.last > hall.written else { return nil }
          hall.house.shut()
          return hall.last
        }
        guard let job else {
          parker.park()
          continue
        }
        jobs += 1
        let fails = jobs % 16 == 0
        let gates = hall.withLock { hall in
          hall.written = fails ? hall.last : job
          guard fails else { return hall.house.takeDone(through: job).gates }
          hall.failed = hall.last
          return hall.house.takeAll()
        }
        for gate in gates { gate.open(fails ? .lookAgain : .done) }
      }
    }
    await onThreads(Array(repeating: appender, count: threads) + [writer])
    #expect(early.value == 0)
    #expect(failures.value > 0)
    let (last, isEmpty) = hall.withLock { ($0.last, $0.house.isEmpty) }
    #expect(last == Ticket(threads * rounds) && isEmpty)
  }
}
