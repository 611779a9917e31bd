// LogCore: the engine behind a mutex, the threads that carry its jobs out, and those who wait.
//
// What must always hold: the mutex is never held during I/O; a lane's executor is used only by the
// thread that took that lane's job; whoever waits is told exactly once.

import LogFormat
import Logging
import StorageIO
import Synchronization

/// Somebody who waits: a task, or a thread.
enum Waiter: Sendable {
  case task(CheckedContinuation<Result<Void, LogError>, Never>)
  case thread(ThreadWaiter)

  func finish(_ result: Result<Void, LogError>) {
    switch self {
    case .task(let continuation): continuation.resume(returning: result)
    case .thread(let waiter): waiter.finish(result)
    }
  }
}

/// A thread that waits for one result.
final class ThreadWaiter: Sendable {
  private let parker = Parker()
  private let result = Mutex<Result<Void, LogError>?>(nil)

  func finish(_ value: Result<Void, LogError>) {
    result.withLock { $0 = value }
    parker.wake()
  }

  /// The result, if it is there already.
  var value: Result<Void, LogError>? { result.withLock { $0 } }

  func wait() throws(LogError) {
    while true {
      if let value { return try value.get() }
      parker.park()
    }
  }
}

/// What somebody waits for.
enum Milestone: Sendable {
  /// Written; durable as well if the sync mode says so.
  case done(Ticket)
  case durable(Ticket)
  /// There is an entry with this index to read.
  case readable(LogIndex)
  /// There is room for more appends.
  case room
}

final class LogCore: Sendable {
  struct State: ~Copyable {
    var engine: LogEngine
    var waiters = WaitingRoom()
    /// Requests that failed, for those who ask later.
    var failed = FailedTickets()
    /// True while the writer thread has something to do and will look for more by itself.
    var writerIsAwake = true
    /// When the writer thread wakes by itself; nil for never.
    var writerWakesAt: Duration?
    var isStopping = false
    var threads = 2
  }

  /// A lane's executor; only the holder of the lane's job touches it.
  private final class LaneExecutor: @unchecked Sendable {
    var executor: DiskExecutor
    init(_ directory: any StorageDirectory) { executor = DiskExecutor(directory: directory) }
  }

  let directory: any StorageDirectory
  let state: Mutex<State>
  private let lock: any DirectoryLock
  private let logger: Logger?
  private let writerParker = Parker()
  private let backgroundParker = Parker()
  private let stopped = ThreadWaiter()
  private let writerLane: LaneExecutor
  private let backgroundLane: LaneExecutor

  init(
    engine: consuming sending LogEngine, directory: any StorageDirectory, lock: any DirectoryLock,
    logger: Logger?
  ) {
    self.directory = directory
    self.lock = lock
    self.logger = logger
    writerLane = LaneExecutor(directory)
    backgroundLane = LaneExecutor(directory)
    state = Mutex(State(engine: engine))
  }

  // MARK: Threads

  /// Starts the two threads of a log.
  func start() throws(LogError) {
    let started =
      BlockingThread.start { [self] in run(.writer) }
      && BlockingThread.start { [self] in run(.background) }
    guard started else {
      throw LogError(.storage, "\(directory.path): the system has no thread for the log's writer")
    }
  }

  /// What a thread does next.
  private enum Next {
    case job(DiskJob)
    /// Nothing to do until somebody comes, or this much time has passed.
    case sleep(Duration?)
    case stop
  }

  private func run(_ lane: Lane) {
    let parker = lane == .writer ? writerParker : backgroundParker
    loop: while true {
      switch next(lane) {
      case .job(let job): carryOut(job, lane)
      case .sleep(let timeout):
        // Looking for a job may have failed requests for want of space, or asked for a spare.
        settle()
        if lane == .writer { wakeBackground() }
        parker.park(timeout: timeout)
        if lane == .writer { state.withLock { $0.writerIsAwake = true } }
      case .stop: break loop
      }
    }
    let isLast = state.withLock { state in
      state.threads -= 1
      return state.threads == 0
    }
    if isLast { stopped.finish(.success(())) }
  }

  /// A lane's next job. That there is none and that the writer sleeps is one step: a request that
  /// comes behind it finds the writer asleep, and wakes it.
  private func next(_ lane: Lane) -> Next {
    let now = monotonicNow()
    return state.withLock { state in
      if state.isStopping { return .stop }
      if let job = state.engine.nextJob(lane, now: now) { return .job(job) }
      guard lane == .writer else { return .sleep(nil) }
      state.writerIsAwake = false
      state.writerWakesAt = state.engine.deadline
      return .sleep(state.engine.deadline.map { $0 - now })
    }
  }

  /// Carries out the writer's next job on the calling thread, if the writer thread sleeps and there
  /// is one to take.
  func runWriterJob() -> Bool {
    let now = monotonicNow()
    let job = state.withLock { state in
      state.writerIsAwake || state.isStopping ? nil : state.engine.nextJob(.writer, now: now)
    }
    settle()
    guard let job else {
      wakeBackground()
      return false
    }
    carryOut(job, .writer)
    // What came in the meantime, and what time will bring, is for the writer thread again.
    let isWanted = state.withLock { state in
      state.engine.hasWork(.writer)
        || (state.engine.deadline != nil && state.writerWakesAt == nil)
    }
    if isWanted { wakeWriter() }
    return true
  }

  private func carryOut(_ job: DiskJob, _ lane: Lane) {
    var failure: StorageError?
    do {
      let executor = lane == .writer ? writerLane : backgroundLane
      try executor.executor.run(job.steps)
    } catch {
      failure = error
    }
    let now = monotonicNow()
    state.withLock { $0.engine.completed(job.id, failure, now: now) }
    settle()
    // What one lane finished may be what the other one waits for.
    if lane == .writer { wakeBackground() } else { wakeWriter() }
  }

  /// Wakes the background thread if there is something for it.
  private func wakeBackground() {
    if state.withLock({ $0.engine.hasWork(.background) }) { backgroundParker.wake() }
  }

  /// Wakes the writer thread, unless it is awake and will look by itself.
  func wakeWriter() {
    let wakes = state.withLock { state in
      defer { state.writerIsAwake = true }
      return !state.writerIsAwake
    }
    if wakes { writerParker.wake() }
  }

  /// Stops the threads and gives the directory up; what was not done is left undone.
  func stop() {
    let first = state.withLock { state in
      defer { state.isStopping = true }
      return !state.isStopping
    }
    guard first else { return }
    writerParker.wake()
    backgroundParker.wake()
    try? stopped.wait()
    let left = state.withLock { $0.waiters.removeAll() }
    for waiter in left { waiter.finish(.failure(LogError(.closed, "the log is closed"))) }
    lock.release()
  }

  // MARK: Waiting

  /// Registers somebody who waits, or tells them at once.
  ///
  /// - Returns: a number to cancel the wait with, if it goes on.
  @discardableResult
  func wait(_ waiter: Waiter, for milestone: Milestone) -> UInt64? {
    let outcome = state.withLock { state -> (number: UInt64?, result: Result<Void, LogError>?) in
      if state.isStopping {
        return (nil, .failure(LogError(.closed, "the log is closed")))
      }
      if let result = state.outcome(of: milestone) { return (nil, result) }
      return (state.waiters.add(waiter, for: milestone), nil)
    }
    if let result = outcome.result { waiter.finish(result) }
    return outcome.number
  }

  /// Ends a wait whose task was cancelled; what was asked for goes on.
  func cancel(_ number: UInt64) {
    let waiter = state.withLock { $0.waiters.remove(number) }
    waiter?.finish(
      .failure(LogError(.cancelled, "the wait was cancelled; the request may still be carried out"))
    )
  }

  /// Tells everybody whose milestone is reached, or out of reach.
  func settle() {
    let news = state.withLock { state -> (finished: [WaitingRoom.Finished], poison: LogError?) in
      let failures = state.engine.takeFailures()
      for failure in failures { state.failed.add(failure) }
      return (state.settled(), failures.isEmpty ? nil : state.engine.poison)
    }
    if let poison = news.poison {
      logger?.error("the log stops", metadata: ["reason": "\(poison)"])
    }
    for finished in news.finished { finished.waiter.finish(finished.result) }
  }
}

extension LogCore.State {
  /// The result of a wait, if it is known.
  func outcome(of milestone: Milestone) -> Result<Void, LogError>? {
    switch milestone {
    case .done(let ticket):
      if let error = failed.error(for: ticket) { return .failure(error) }
      if ticket <= engine.writtenTicket { return .success(()) }
    case .durable(let ticket):
      if let error = failed.error(for: ticket) { return .failure(error) }
      if ticket <= engine.durableTicket { return .success(()) }
    case .readable(let index):
      if index <= engine.writtenIndex { return .success(()) }
      if engine.isClosed { return .failure(LogError(.closed, "the log is closed")) }
    case .room:
      if engine.hasRoom { return .success(()) }
    }
    return engine.poison.map { .failure($0) }
  }

  /// Takes out everybody whose wait is over.
  mutating func settled() -> [WaitingRoom.Finished] {
    guard !waiters.isEmpty else { return [] }
    var finished: [WaitingRoom.Finished] = []
    // Tickets are served in order; only a failure reaches past the first that has to wait.
    let everyone = engine.poison != nil || failed.isFresh
    failed.isFresh = false
    while let (ticket, waiter) = waiters.firstDone,
      let result = outcome(of: .done(ticket))
    {
      waiters.removeFirstDone()
      finished.append(.init(waiter: waiter, result: result))
    }
    if everyone {
      for (ticket, number) in waiters.allDone {
        if let result = outcome(of: .done(ticket)), let waiter = waiters.remove(number) {
          finished.append(.init(waiter: waiter, result: result))
        }
      }
    }
    for (number, milestone) in waiters.others {
      if let result = outcome(of: milestone), let waiter = waiters.remove(number) {
        finished.append(.init(waiter: waiter, result: result))
      }
    }
    return finished
  }
}
