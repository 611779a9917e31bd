// LogCore: the engine behind a mutex, the threads that carry its jobs out, and those who wait.
//
// What must always hold: the mutex is never held during I/O; a lane's executor is used only by the
// thread that took that lane's job; whoever waits is told exactly once.

import ByteBuffers
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
  /// There is an entry with this index to read, or more truncations were done than these.
  case readable(LogIndex, truncations: Int)
  /// There is room for more appends.
  case room
}

final class LogCore: Sendable {
  struct State: ~Copyable {
    var engine: LogEngine
    var waiters = WaitingRoom()
    var gates = Gatehouse()
    /// Requests that failed, for those who ask later.
    var failed = FailedTickets()
    /// True while the writer thread has something to do and will look for more by itself.
    var writerIsAwake = true
    var backgroundIsAwake = true
    /// When the writer thread wakes by itself; nil for never.
    var writerWakesAt: Duration?
    /// True when what the writer has to do waits for the background lane.
    var writerIsStuck = false
    var isStopping = false
    /// The two threads, and those that carry a job out for themselves.
    var threads = 2
  }

  /// What a change of the state entails, carried out once the lock is let go of.
  fileprivate struct News {
    var finished: [WaitingRoom.Finished] = []
    var gates: [Gate] = []
    /// How many wait no longer, tasks and threads together.
    var released = 0
    var opening = Gate.Opening.done
    var poison: LogError?
    var obstacles: [StorageError] = []
    var wakesWriter = false
    var wakesBackground = false
  }

  /// A lane's executor; only the holder of the lane's job touches it.
  private final class LaneExecutor: @unchecked Sendable {
    var executor: DiskExecutor
    init(_ directory: any StorageDirectory) { executor = DiskExecutor(directory: directory) }
  }

  let directory: any StorageDirectory
  let state: BargingMutex<State>
  private let lock: any DirectoryLock
  private let logger: Logger?
  private let writerParker = Parker()
  private let backgroundParker = Parker()
  /// Opens when the last thread has put its work down.
  private let idle = Gate()
  /// Opens when the directory is given up.
  private let stopped = Gate()
  private let writerLane: LaneExecutor
  private let backgroundLane: LaneExecutor
  /// Counts appends, so that the writer sees without the lock who has come back.
  private let arrivals = Atomic<Int>(0)

  init(
    engine: consuming sending LogEngine, directory: any StorageDirectory, lock: any DirectoryLock,
    logger: Logger?
  ) {
    self.directory = directory
    self.lock = lock
    self.logger = logger
    writerLane = LaneExecutor(directory)
    backgroundLane = LaneExecutor(directory)
    state = BargingMutex(State(engine: engine))
  }

  // MARK: Changing the state

  /// Changes the state, tells whoever waited for that, and wakes the thread that has something to do
  /// now. Every change goes through here, so none can forget to.
  ///
  /// - Returns: what `body` returned, and how many wait no longer.
  @discardableResult
  private func change<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> (result: Result, released: Int) {
    let (result, news) = try state.withLock { state throws(Failure) in
      let result = try body(&state)
      return (result, state.takeNews())
    }
    tell(news)
    return (result, news.released)
  }

  private func tell(_ news: News) {
    if let poison = news.poison {
      logger?.error("the log stops", metadata: ["reason": "\(poison)"])
    }
    for obstacle in news.obstacles {
      logger?.warning("the log goes on without", metadata: ["reason": "\(obstacle)"])
    }
    for gate in news.gates { gate.open(news.opening) }
    for finished in news.finished { finished.waiter.finish(finished.result) }
    if news.wakesWriter { writerParker.wake() }
    if news.wakesBackground { backgroundParker.wake() }
  }

  // MARK: Threads

  /// Starts the two threads of a log, or gives the directory up.
  func start() throws(LogError) {
    var missing = 2
    if BlockingThread.start({ [self] in runWriter() }) {
      missing -= BlockingThread.start { [self] in runBackground() } ? 2 : 1
    }
    guard missing > 0 else { return }
    for _ in 0..<missing { threadEnded() }
    stop()
    throw LogError(.storage, "\(directory.path): the system has no thread for the log's writer")
  }

  /// What a thread does next.
  private enum Next {
    case job(DiskJob)
    /// Nothing to do until somebody comes, or this much time has passed.
    case sleep(Duration?)
    case stop
  }

  private func runWriter() {
    var gathering = Gathering()
    loop: while true {
      switch nextForWriter() {
      case .job(let job):
        let start = monotonicNow()
        // Counted before anybody is let go of.
        let (arrived, released) = carryOut(job, .writer) { _ in arrivals.load(ordering: .relaxed) }
        gathering.wait(
          for: released, atMost: (monotonicNow() - start) / 2, since: arrived, arrivals)
      case .sleep(let timeout):
        writerParker.park(timeout: timeout)
        state.withLock { $0.writerIsAwake = true }
      case .stop: break loop
      }
    }
    threadEnded()
  }

  private func runBackground() {
    loop: while true {
      switch nextForBackground() {
      case .job(let job): carryOut(job, .background) { $0.writerIsStuck = false }
      case .sleep: backgroundParker.park()
      case .stop: break loop
      }
    }
    threadEnded()
  }

  private func threadEnded() {
    let isLast = state.withLock { state in
      state.threads -= 1
      return state.threads == 0
    }
    if isLast { idle.open(.done) }
  }

  /// The writer's next job. That there is none and that the writer sleeps is one step: a request
  /// that comes behind it finds the writer asleep, and wakes it.
  private func nextForWriter() -> Next {
    let now = monotonicNow()
    return change { state in
      if state.isStopping { return .stop }
      if let job = state.takeWriterJob(now: now) { return .job(job) }
      state.writerIsAwake = false
      // An appender that carries its own jobs out leaves a deadline behind with each: to look every
      // now and then costs less than being woken every time.
      let look = state.engine.isWriting ? now + state.engine.options.markerDelay : nil
      state.writerWakesAt = state.engine.deadline ?? look
      return .sleep(state.writerWakesAt.map { $0 - now })
    }.result
  }

  private func nextForBackground() -> Next {
    let now = monotonicNow()
    return change { state in
      if state.isStopping { return .stop }
      if let job = state.engine.nextJob(.background, now: now) { return .job(job) }
      state.backgroundIsAwake = false
      return .sleep(nil)
    }.result
  }

  /// Carries a job out, reports it, and returns what `body` makes of the state then.
  @discardableResult
  private func carryOut<Result>(
    _ job: DiskJob, _ lane: Lane, then body: (inout State) -> Result
  ) -> (result: Result, released: Int) {
    var failure: StorageError?
    do {
      let executor = lane == .writer ? writerLane : backgroundLane
      try executor.executor.run(job.steps)
    } catch {
      failure = error
    }
    let now = monotonicNow()
    return change { state in
      state.engine.completed(job.id, failure, now: now)
      return body(&state)
    }
  }

  /// Stops the threads and gives the directory up; what was not done is left undone.
  func stop() {
    let first = state.withLock { state in
      defer { state.isStopping = true }
      return !state.isStopping
    }
    guard first else {
      _ = stopped.pass()
      return
    }
    writerParker.wake()
    backgroundParker.wake()
    _ = idle.pass()
    let (left, gates) = state.withLock { ($0.waiters.removeAll(), $0.gates.takeAll()) }
    for gate in gates { gate.open(.lookAgain) }
    for waiter in left { waiter.finish(.failure(LogError(.closed, "the log is closed"))) }
    lock.release()
    stopped.open(.done)
  }

  // MARK: Requests

  /// Makes a request of the engine.
  func request<Result>(
    _ body: (inout LogEngine) throws(LogError) -> Result
  ) throws(LogError) -> Result {
    try change { state throws(LogError) in try body(&state.engine) }.result
  }

  /// Takes entries; nil when so much waits for the disk that the caller should wait for room first.
  func append(_ entries: Entries) throws(LogError) -> AppendReceipt? {
    try change { state throws(LogError) in
      let receipt = try state.take(entries)
      if receipt != nil { arrivals.add(1, ordering: .relaxed) }
      return receipt
    }.result
  }

  /// What a thread does that waits for its request.
  fileprivate enum Turn {
    case over(Result<Void, LogError>)
    /// Nobody is at work: it does the work itself.
    case carry(DiskJob)
    case wait(Gate)
  }

  /// Appends on the calling thread, which carries the writer's jobs out itself while nobody else does.
  func appendBlocking(_ entries: Entries) throws(LogError) -> ClosedRange<LogIndex> {
    while true {
      let now = monotonicNow()
      let taken = try change { state throws(LogError) -> (AppendReceipt, Turn)? in
        guard let receipt = try state.take(entries) else { return nil }
        arrivals.add(1, ordering: .relaxed)
        return (receipt, state.turn(for: receipt.ticket, now: now))
      }.result
      if let (receipt, turn) = taken {
        try finish(turn, for: receipt.ticket)
        return receipt.indices
      }
      let waiter = ThreadWaiter()
      wait(.thread(waiter), for: .room)
      try waiter.wait()
    }
  }

  private func finish(_ first: Turn, for ticket: Ticket) throws(LogError) {
    var turn = first
    while true {
      switch turn {
      case .over(let result): return try result.get()
      case .carry(let job):
        turn = carryOut(job, .writer) { $0.turn(for: ticket, now: monotonicNow()) }.result
        threadEnded()
      case .wait(let gate):
        if gate.pass() == .done { return }
        turn = change { $0.turn(for: ticket, now: monotonicNow()) }.result
      }
    }
  }

  // MARK: Waiting

  /// Registers somebody who waits, or tells them at once.
  ///
  /// - Returns: a place to cancel the wait with, if it goes on.
  @discardableResult
  func wait(_ waiter: Waiter, for milestone: Milestone) -> WaitingRoom.Place? {
    let outcome = state.withLock {
      state -> (place: WaitingRoom.Place?, result: Result<Void, LogError>?) in
      if let result = state.outcome(of: milestone) { return (nil, result) }
      return (state.waiters.add(waiter, for: milestone), nil)
    }
    if let result = outcome.result { waiter.finish(result) }
    return outcome.place
  }

  /// Ends a wait whose task was cancelled; what was asked for goes on.
  func cancel(_ place: WaitingRoom.Place) {
    let waiter = state.withLock { $0.waiters.remove(place) }
    let rest =
      place.isOfRequest
      ? "the request may still be carried out" : "nothing was asked of the log, so nothing changes"
    waiter?.finish(.failure(LogError(.cancelled, "the wait was cancelled; \(rest)")))
  }
}

/// Entries that are appended together.
struct Entries {
  let payloads: [Bytes]
  let kind: EntryKind
  /// Nil for the last entry's term.
  let term: Term?
  /// The index that the first one must get, if it matters.
  var expecting: LogIndex?
}

extension LogCore.State {
  /// Takes entries, all or none; nil if there is no room.
  fileprivate mutating func take(_ entries: Entries) throws(LogError) -> AppendReceipt? {
    if isStopping { throw LogError(.closed, "the log is closed") }
    guard engine.hasRoom || engine.poison != nil else { return nil }
    if let expecting = entries.expecting, expecting != engine.lastIndex + 1, engine.poison == nil {
      throw LogError(
        .unexpectedIndex,
        "the next entry would be \(engine.lastIndex + 1), not \(expecting): an earlier request "
          + "failed, or somebody else appends")
    }
    return try engine.append(entries.payloads, kind: entries.kind, term: entries.term)
  }

  fileprivate mutating func takeWriterJob(now: Duration) -> DiskJob? {
    guard let job = engine.nextJob(.writer, now: now) else {
      // Without a job of its own out, what it has to do waits for the other lane.
      writerIsStuck = !engine.isWriting && engine.hasWork(.writer)
      return nil
    }
    gates.shut()
    return job
  }

  /// What a thread does next that waits for `ticket`.
  fileprivate mutating func turn(for ticket: Ticket, now: Duration) -> LogCore.Turn {
    if let result = outcome(of: .done(ticket)) { return .over(result) }
    if !writerIsAwake, let job = takeWriterJob(now: now) {
      threads += 1
      return .carry(job)
    }
    // Looking for a job may have failed the request, for want of space.
    takeFailures()
    if let result = outcome(of: .done(ticket)) { return .over(result) }
    return .wait(gates.join(ticket))
  }

  private mutating func takeFailures() {
    for failure in engine.takeFailures() { failed.add(failure) }
  }

  /// What has come about since the last time.
  fileprivate mutating func takeNews() -> LogCore.News {
    var news = LogCore.News()
    news.obstacles = engine.takeObstacles()
    takeFailures()
    let hasFailed = failed.isFresh
    if hasFailed { news.poison = engine.poison }
    news.finished = settled()
    failed.isFresh = false
    news.released = news.finished.count
    if hasFailed || engine.poison != nil {
      news.gates = gates.takeAll()
      news.opening = .lookAgain
    } else if !gates.isEmpty {
      let done = gates.takeDone(through: engine.writtenTicket)
      news.gates = done.gates
      news.released += done.waiting
    }
    if isWriterWanted {
      writerIsAwake = true
      news.wakesWriter = true
    }
    if !backgroundIsAwake, engine.hasWork(.background) {
      backgroundIsAwake = true
      news.wakesBackground = true
    }
    return news
  }

  /// True when the writer thread sleeps, and has something to do or must wake earlier. Whoever has a
  /// job out looks for more when it is done.
  private var isWriterWanted: Bool {
    guard !writerIsAwake, !engine.isWriting else { return false }
    if engine.hasWork(.writer) { return !writerIsStuck }
    guard let deadline = engine.deadline else { return false }
    return writerWakesAt.map { deadline < $0 } ?? true
  }
}

extension LogCore.State {
  /// The result of a wait, if it is known.
  fileprivate func outcome(of milestone: Milestone) -> Result<Void, LogError>? {
    switch milestone {
    case .done(let ticket):
      if let error = failed.error(for: ticket) { return .failure(error) }
      if ticket <= engine.writtenTicket { return .success(()) }
    case .durable(let ticket):
      if let error = failed.error(for: ticket) { return .failure(error) }
      if ticket <= engine.durableTicket { return .success(()) }
    case .readable(let index, let truncations):
      if index <= engine.writtenIndex || truncations != engine.truncations { return .success(()) }
      if engine.isClosed { return .failure(LogError(.closed, "the log is closed")) }
    case .room:
      if engine.hasRoom { return .success(()) }
    }
    // What was done stays done: only then does it matter that nothing else will be.
    if isStopping { return .failure(LogError(.closed, "the log is closed")) }
    return engine.poison.map { .failure($0) }
  }

  /// Takes out everybody whose wait is over.
  mutating func settled() -> [WaitingRoom.Finished] {
    guard !waiters.isEmpty else { return [] }
    // Each line stands in the order in which things come about: the first that has to wait speaks
    // for those behind it.
    var finished: [WaitingRoom.Finished] = []
    for line in WaitingRoom.Line.allCases {
      while let milestone = waiters.first(in: line), let result = outcome(of: milestone) {
        finished.append(.init(waiter: waiters.removeFirst(in: line), result: result))
      }
    }
    guard failed.isFresh else { return finished }
    // Only a failure reaches past the first that has to wait.
    var room = WaitingRoom()
    swap(&room, &waiters)
    finished += room.removeRequests { outcome(of: $0) }
    swap(&room, &waiters)
    return finished
  }
}
