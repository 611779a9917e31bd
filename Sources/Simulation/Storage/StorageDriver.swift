// StorageDriver: runs a LogEngine on a SimulatedDisk, one step at a time, beside a model of what it
// should hold.
//
// What must always hold: the engine that runs here is the one that runs in production; only who
// carries the steps out differs. No thread, no task, no clock.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO

/// Something that a client, the machine or time does to a log.
public enum StorageOperation: String, Sendable, CaseIterable {
  case append, batch, large, truncate, compact, hardState, idle, sync, kill, close
  /// Several requests at once: the engine has them all before the disk has done anything for one.
  case burst
}

/// A finding of the simulation: what was expected, and what was there.
public struct SimulationFailure: Error, Sendable, CustomStringConvertible {
  public var description: String
  /// True when the log did not open because a call failed.
  var isRefusedOpening = false

  init(description: String, isRefusedOpening: Bool = false) {
    self.description = description
    self.isRefusedOpening = isRefusedOpening
  }
}

/// A change of the log that was asked for.
private enum PendingChange {
  case append(Bytes, term: Term)
  case truncate(after: LogIndex)
  case compact(through: LogIndex)
  case restart(after: LogIndex, of: Term)

  /// Makes the change. One that has no ground any more, because a request before it failed, changes
  /// nothing: the engine refuses it when its turn comes.
  func apply(to model: inout LogModel) {
    switch self {
    case .append(let payload, let term): model.append(payload, term: term)
    case .truncate(let index):
      if index >= model.firstIndex - 1, index <= model.lastIndex { model.truncate(after: index) }
    case .compact(let index):
      if index <= model.lastIndex { model.compact(through: index) }
    case .restart(let index, let term): model.restart(after: index, of: term)
    }
  }
}

/// A state of the log: what it is once a request is done.
private struct PendingState {
  var model: LogModel
  let ticket: Ticket
  let change: PendingChange
  /// True for an append that was asked for once a compaction had made room.
  var isResumed = false
}

/// Whether the log has run out of room, and whether a compaction has made some since.
private enum Room {
  case enough, none, made
}

final class StorageDriver {
  let disk: SimulatedDisk
  private let options: EngineOptions
  private var engine: EngineBox?
  private var random: SplitMix64
  /// Draws in which form a request is made, apart from everything else: without it a seed does what it
  /// always did.
  private var forms: SplitMix64
  private var now: Duration = .zero
  private var writer: LaneState
  private var background: LaneState

  /// The last state that is durable.
  private var durable = LogModel()
  /// All states since, in order.
  private var states: [PendingState] = []
  private var hardStates: [(state: HardState, ticket: Ticket)] = [(HardState(), 0)]
  private var payloadNumber = 0
  /// The last truncation that was asked for since the log was opened.
  private var lastTruncation: Ticket = 0
  /// Compactions that were asked for while a truncation still waited for the disk.
  private(set) var compactionsBehindTruncation = 0
  /// True when the disk has faults: requests may fail, and the log may stop.
  var expectsFailures = false
  /// True when the disk work of a request is done before the next request.
  var finishesEach = false
  private(set) var isPoisoned = false
  private var room = Room.enough
  /// Times that requests failed for want of space.
  private(set) var failuresForSpace = 0
  /// Appends that were done after such a failure and a compaction behind it.
  private(set) var appendsResumed = 0
  /// Told what a crash may leave, whenever that changes.
  var onExpectation: ((Expectation) -> Void)?

  init(disk: SimulatedDisk, options: EngineOptions, seed: UInt64) {
    self.disk = disk
    self.options = options
    random = SplitMix64(seed: seed)
    forms = SplitMix64(seed: ~seed)
    writer = LaneState(.writer, disk)
    background = LaneState(.background, disk)
  }

  /// What a crash right now may leave.
  var expectation: Expectation {
    Expectation(
      logs: [durable] + states.map(\.model), hardStates: hardStates.map(\.state))
  }

  /// The disk holds this log already.
  func expect(_ model: LogModel, _ hardState: HardState) {
    durable = model
    states = []
    hardStates = [(hardState, 0)]
  }

  /// What the log is once everything that was asked for is done.
  private var model: LogModel { states.last?.model ?? durable }

  private func expect(_ change: PendingChange, _ ticket: Ticket) {
    var state = PendingState(model: model, ticket: ticket, change: change)
    change.apply(to: &state.model)
    if case .append = change { state.isResumed = room == .made }
    states.append(state)
    onExpectation?(expectation)
  }

  // MARK: Operations

  /// Does one operation, and lets the disk work go some way, or all the way.
  func perform(_ operation: StorageOperation) throws(SimulationFailure) {
    if engine == nil { try open() }
    // A log that stopped refuses everything; somebody restarts it.
    if isPoisoned { return try kill() }
    switch operation {
    case .append: try append(bytes: 40)
    case .batch:
      for _ in 0..<3 { try append(bytes: 10) }
    case .large: try append(bytes: 5000)
    case .truncate: try truncate()
    case .compact:
      // What is asked for is done first, so that there is something to compact.
      try pump()
      if !isPoisoned { try compact() }
    case .hardState: try saveHardState()
    case .idle: now += .milliseconds(50)
    case .sync:
      try request { engine throws(LogError) in _ = try engine.sync() }
    case .burst: try burst()
    case .kill:
      // Some of the work is done when the process dies, the rest never.
      try pump(steps: Int(random.next() % 6))
      try kill()
      return
    case .close:
      try close()
      return
    }
    // Whether the next request comes before the disk is done with this one is up to chance.
    if !finishesEach, random.next() % 4 == 0 {
      try pump(steps: Int(random.next() % 4))
    } else {
      try pump()
    }
  }

  /// Asks for the last entry to be replaced, if there is one.
  func requestReplacement() throws(SimulationFailure) {
    let model = self.model
    let lowest = max(model.firstIndex - 1, waitingCompaction)
    if model.lastIndex > lowest { try truncate(after: model.lastIndex - 1) }
    try append(bytes: 3000)
  }

  /// Has one step of what was asked for carried out.
  func step() throws(SimulationFailure) { try pump(steps: 1) }

  /// Closes the log and opens it again.
  func finish() throws(SimulationFailure) {
    if engine != nil { try close() }
    try open()
    try pump()
  }

  private func request(
    _ body: (inout LogEngine) throws(LogError) -> Void
  ) throws(SimulationFailure) {
    do {
      try body(&engine!.engine)
    } catch {
      throw SimulationFailure(description: "a legal request was refused: \(error)")
    }
  }

  private func append(bytes: Int) throws(SimulationFailure) {
    payloadNumber += 1
    var writer = ByteWriter(capacity: bytes)
    writer.u64(random.next())
    writer.u32(UInt32(payloadNumber))
    while writer.count < bytes { writer.u8(UInt8(truncatingIfNeeded: random.next() | 1)) }
    let payload = writer.finish()
    let model = self.model
    let term = model.lastTerm + (random.next() % 3 == 0 ? 1 : 0)
    var taken: (index: LogIndex, ticket: Ticket) = (0, 0)
    let isEncoded = forms.next() % 3 == 0
    let skip = Int(forms.next() % 3)
    try request { (engine) throws(LogError) in
      guard isEncoded else { return taken = try engine.append(payload.span, term: term) }
      let first = engine.lastIndex + 1
      let batch = Self.encoded(
        payload, at: first, skip: min(skip, Int(first) - 1), term: term, group: engine.group)
      taken = (first, try engine.append(batch, from: first))
    }
    guard taken.index == model.lastIndex + 1 else {
      throw SimulationFailure(
        description: "an append behind entry \(model.lastIndex) got index \(taken.index)")
    }
    expect(.append(payload, term: term), taken.ticket)
  }

  /// A batch as another node sends it, with some entries before the one that is wanted.
  private static func encoded(
    _ payload: Bytes, at index: LogIndex, skip: Int, term: Term, group: UID
  ) -> Batch {
    var builder = BatchBuilder(group: group, firstIndex: index - LogIndex(skip))
    for _ in 0..<skip { builder.append(payload.span, kind: .data, term: term) }
    builder.append(payload.span, kind: .data, term: term)
    let framed = builder.finish(.none)
    guard let batch = try? Batch(framed.body) else { preconditionFailure("a batch of our own") }
    return batch
  }

  private func truncate() throws(SimulationFailure) {
    let model = self.model
    // A compaction that waits counts, even if it is going to be refused.
    let lowest = max(model.firstIndex - 1, waitingCompaction)
    guard lowest <= model.lastIndex else { return }
    try truncate(after: lowest + random.next() % (model.lastIndex - lowest + 1))
  }

  private func truncate(after index: LogIndex) throws(SimulationFailure) {
    var ticket: Ticket = 0
    try request { (engine) throws(LogError) in ticket = try engine.truncate(after: index) }
    lastTruncation = ticket
    expect(.truncate(after: index), ticket)
  }

  /// The highest index that a compaction which is not done yet removes; 0 for none.
  private var waitingCompaction: LogIndex {
    states.reduce(0) { highest, state in
      if case .compact(let index) = state.change { max(highest, index) } else { highest }
    }
  }

  private func compact() throws(SimulationFailure) {
    let model = self.model
    // A truncation that is not done yet has made the log shorter than what is durable.
    let last = min(engine!.engine.durableIndex, model.lastIndex)
    guard last >= model.firstIndex else { return }
    let index = model.firstIndex + random.next() % (last - model.firstIndex + 1)
    let (form, distance) = (forms.next() % 6, forms.next() % 3)
    if form == 0 { return try restart(from: index, distance) }
    if lastTruncation > engine!.engine.writtenTicket { compactionsBehindTruncation += 1 }
    var ticket: Ticket = 0
    try request { (engine) throws(LogError) in ticket = try engine.compact(through: index) }
    expect(.compact(through: index), ticket)
  }

  /// Lets the log begin behind an entry: one that it has, one that it has of another term, or one that
  /// it has not. Nothing else is asked of its entries until that is done.
  private func restart(from index: LogIndex, _ form: UInt64) throws(SimulationFailure) {
    let model = self.model
    let entry = model.entries[Int(index - model.firstIndex)]
    let place: (index: LogIndex, term: Term) =
      switch form {
      case 0: (index, entry.term)
      case 1: (index, model.lastTerm + 1)
      default: (model.lastIndex + 3, model.lastTerm)
      }
    var ticket: Ticket = 0
    try request { (engine) throws(LogError) in
      ticket = try engine.restart(after: place.index, of: place.term)
    }
    expect(.restart(after: place.index, of: place.term), ticket)
    try pump()
  }

  private func saveHardState() throws(SimulationFailure) {
    let last = hardStates.last!.state
    let next = HardState(
      term: last.term + random.next() % 2, vote: random.next() % 2 == 0 ? nil : random.next() % 5)
    var ticket: Ticket = 0
    try request { (engine) throws(LogError) in ticket = try engine.save(next) }
    hardStates.append((next, ticket))
    onExpectation?(expectation)
  }

  private func burst() throws(SimulationFailure) {
    for _ in 0..<2 + random.next() % 4 {
      switch random.next() % 5 {
      case 0: try append(bytes: 40)
      case 1: try append(bytes: 5000)
      case 2: try truncate()
      case 3: try compact()
      default: try saveHardState()
      }
      if finishesEach { try pump() }
      if isPoisoned { return }
    }
  }

  private func close() throws(SimulationFailure) {
    try request { (engine) throws(LogError) in _ = try engine.close() }
    try pump()
    guard engine!.engine.isClosed else {
      // A log that stopped does not close cleanly; it is restarted.
      if isPoisoned { return try kill() }
      throw SimulationFailure(description: "closing did not come to an end")
    }
    engine = nil
    reset()
    if !expectsFailures { try expectNothingLeft() }
  }

  /// A clean close leaves nothing to mend.
  private func expectNothingLeft() throws(SimulationFailure) {
    let findings: [Finding]
    do {
      findings = Diagnosis(try DirectoryEvidence.gather(disk, depth: .everything)).findings
    } catch {
      throw SimulationFailure(description: "the directory cannot be read: \(error)")
    }
    guard findings.isEmpty else {
      throw SimulationFailure(description: "after a clean close: \(findings)")
    }
  }

  /// A process that dies takes nothing along that was written, synced or not; a power cut that comes
  /// while it is opened again may.
  private func kill() throws(SimulationFailure) {
    let written = expectsFailures || isPoisoned ? 0 : engine?.engine.writtenTicket ?? 0
    let gone = states.prefix { $0.ticket <= written }.count
    crash()
    try open(withoutFirst: gone)
  }

  /// The process is gone; the disk has what it has.
  func crash() {
    engine = nil
    isPoisoned = false
    reset()
  }

  private func reset() {
    writer = LaneState(.writer, disk)
    background = LaneState(.background, disk)
    lastTruncation = 0
  }

  /// Recovers the log, checks it against the model, and goes on from what was recovered.
  ///
  /// - Parameter gone: of the states that were possible, so many can no longer be met.
  private func open(withoutFirst gone: Int = 0) throws(SimulationFailure) {
    let opened = try RecoveredImage.open(disk, options: options, seed: random.next())
    var possible = expectation
    possible.logs.removeFirst(gone)
    try opened.check(possible, hasGarbage: false)
    expect(opened.model, opened.hardState)
    onExpectation?(expectation)
    engine = EngineBox(
      engine: LogEngine(opened.plan.opened, options: options, seed: random.next()))
  }

  // MARK: Disk work

  /// Carries out steps, of whichever lane chance picks, until nothing is left or so many are done.
  private func pump(steps: Int = .max) throws(SimulationFailure) {
    var left = steps
    while left > 0 {
      for lane in Lane.allCases { take(lane) }
      // A request may fail before there is any work for the disk.
      try takeFailures()
      switch (writer.job == nil, background.job == nil) {
      case (true, true): return
      case (false, true): try step(.writer)
      case (true, false): try step(.background)
      case (false, false): try step(random.next() & 1 == 0 ? .writer : .background)
      }
      left -= 1
    }
  }

  private func take(_ lane: Lane) {
    switch lane {
    case .writer where writer.job == nil: writer.begin(engine!.engine.nextJob(.writer, now: now))
    case .background where background.job == nil:
      background.begin(engine!.engine.nextJob(.background, now: now))
    default: break
    }
  }

  private func step(_ lane: Lane) throws(SimulationFailure) {
    guard let done = lane == .writer ? writer.step() : background.step() else { return }
    engine!.engine.completed(done.id, done.error, now: now)
    try takeFailures()
    isPoisoned = engine!.engine.poison != nil
    acknowledge()
  }

  private func takeFailures() throws(SimulationFailure) {
    for failure in engine!.engine.takeFailures() {
      guard expectsFailures else {
        throw SimulationFailure(description: "a request failed: \(failure.error)")
      }
      try giveUp(failure)
    }
  }

  /// Takes back what failed. After a failed sync nobody knows: the states stay possible.
  private func giveUp(_ failure: FailedRequests) throws(SimulationFailure) {
    switch failure.error.code {
    case .poisoned: return
    case .diskFull, .capReached:
      failuresForSpace += 1
      room = .none
    case .outOfRange where isCompactionWithoutGround(failure): break
    default:
      throw SimulationFailure(description: "a request failed for no reason: \(failure.error)")
    }
    for tickets in failure.tickets {
      states.removeAll { tickets.contains($0.ticket) }
      if hardStates.dropFirst().contains(where: { tickets.contains($0.ticket) }) {
        throw SimulationFailure(description: "a vote failed, and the log went on")
      }
    }
    // What was asked behind it stands, on what is left.
    var model = durable
    for i in states.indices {
      states[i].change.apply(to: &model)
      states[i].model = model
    }
    onExpectation?(expectation)
  }

  /// True when all that failed is compactions of entries that are gone: a truncation took them, and
  /// what was to replace them failed.
  private func isCompactionWithoutGround(_ failure: FailedRequests) -> Bool {
    var before = durable
    for state in states {
      if failure.tickets.contains(where: { $0.contains(state.ticket) }) {
        guard case .compact(let index) = state.change, index > before.lastIndex else {
          return false
        }
      }
      before = state.model
    }
    return true
  }

  /// Forgets the states that can no longer be the recovered one.
  private func acknowledge() {
    let last = engine!.engine.durableTicket
    let count = states.prefix { $0.ticket <= last }.count
    for state in states.prefix(count) {
      if state.isResumed { appendsResumed += 1 }
      if case .compact = state.change, room == .none { room = .made }
    }
    if count > 0 {
      durable = states[count - 1].model
      states.removeFirst(count)
    }
    let written = engine!.engine.writtenTicket
    while hardStates.count > 1, hardStates[1].ticket <= written { hardStates.removeFirst() }
    onExpectation?(expectation)
  }
}

/// Holds the engine, which is not copyable, so that it can be there or not.
private final class EngineBox {
  var engine: LogEngine

  init(engine: consuming LogEngine) { self.engine = engine }
}

/// A lane of the engine, and how far its job has come.
private struct LaneState: ~Copyable {
  private(set) var job: DiskJob?
  private var next = 0
  private var executor: DiskExecutor

  init(_ lane: Lane, _ disk: SimulatedDisk) {
    executor = DiskExecutor(directory: disk)
  }

  mutating func begin(_ job: DiskJob?) {
    self.job = job
    next = 0
  }

  /// Carries out one step; the job's result once it is over.
  mutating func step() -> (id: JobID, error: StorageError?)? {
    guard let job else { return nil }
    if next < job.steps.count {
      do {
        try executor.run(job.steps[next])
        next += 1
      } catch {
        self.job = nil
        return (job.id, error)
      }
    }
    guard next >= job.steps.count else { return nil }
    self.job = nil
    return (job.id, nil)
  }
}
