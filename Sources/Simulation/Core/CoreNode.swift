// CoreNode: one `RaftCore`, with as little around it as it can run on: a log of what its entries mean, a
// disk that remembers exactly what was synced, and a state machine that is a chain of hashes.
//
// What must always hold: effects are carried out in order, in the step that they come from; a message
// that names a write leaves after it; a crash leaves what is on the disk, and nothing else.

public import LogFormat
public import Raft

/// What an entry is, where payloads do not matter.
public enum CoreEntry: Hashable, Sendable {
  /// One of the entries of a proposal: whose, which, and which of them.
  case proposal(NodeID, RequestID, Int)
  case noop
  case configuration(Configuration)
}

public struct CoreRecord: Hashable, Sendable {
  public var term: Term
  public var entry: CoreEntry

  /// An entry that a script makes: the same one wherever term and index are the same.
  public static func scripted(_ term: Term, at index: LogIndex) -> CoreRecord {
    CoreRecord(term: term, entry: .proposal(0, RequestID(rawValue: index), 0))
  }
}

/// The state machine: everything that it applied, as one number.
public struct CoreState: Hashable, Sendable {
  public var applied: LogIndex
  public var chain: UInt64

  public init(applied: LogIndex = 0, chain: UInt64 = 0) {
    self.applied = applied
    self.chain = chain
  }

  mutating func apply(_ record: CoreRecord, at index: LogIndex) {
    precondition(index == applied + 1, "applied out of order")
    applied = index
    var mixed = SplitMix64(seed: chain ^ record.fingerprint ^ index)
    chain = mixed.next()
  }
}

/// A message with what its carrier attaches to it.
public struct CoreParcel: Sendable {
  public var envelope: Envelope
  /// The entries of an AppendEntries.
  public var records: [CoreRecord] = []
  /// What the snapshot holds of which this is a chunk.
  public var state: CoreState?

  public init(envelope: Envelope) { self.envelope = envelope }

  /// A message from a script, with scripted entries.
  public init(scripted envelope: Envelope) {
    self.envelope = envelope
    guard case .append(let request) = envelope.message, let entries = request.entries else {
      return
    }
    for index in entries.indices {
      let run = entries.runs.last { $0.firstIndex <= index }!
      var record = CoreRecord.scripted(run.term, at: index)
      if let entry = entries.configurations.first(where: { $0.index == index }) {
        record.entry = .configuration(entry.configuration)
      }
      records.append(record)
    }
  }
}

/// A log: what it holds behind the entries that it has forgotten.
struct CoreLog {
  var base = LogPosition()
  var records: [CoreRecord] = []

  var last: LogIndex { base.index + LogIndex(records.count) }

  subscript(index: LogIndex) -> CoreRecord? {
    index > base.index && index <= last ? records[Int(index - base.index) - 1] : nil
  }

  mutating func replace(from first: LogIndex, with more: [CoreRecord]) {
    precondition(first > base.index && first <= last + 1, "a gap in a log")
    records.removeLast(Int(last - (first - 1)))
    records += more
  }

  mutating func compact(through index: LogIndex) {
    guard index > base.index else { return }
    let term = self[index]!.term
    records.removeFirst(Int(index - base.index))
    base = LogPosition(term: term, index: index)
  }

  /// Begins behind `position`; what follows an equal entry stays.
  mutating func restart(at position: LogPosition) {
    if self[position.index]?.term == position.term {
      compact(through: position.index)
    } else if base.index < position.index {
      base = position
      records = []
    }
  }

  func term(at index: LogIndex) -> Term? {
    index == base.index ? base.term : self[index]?.term
  }
}

public final class CoreNode {
  public let id: NodeID
  let incarnation: UID
  let options: RaftOptions
  private let seed: UInt64
  /// Makes ids of requests that are this node's, in all its lives.
  private var lastRequest: UInt64 = 0

  private var core: RaftCore
  /// False between a crash and the next start.
  public private(set) var isUp = true
  /// This life of the node.
  public var boot: Boot { disk.boot }

  /// True while its disk lacks something: what it acknowledged before counts still.
  private(set) var hasForgotten = false

  // What a crash takes.
  private(set) var log = CoreLog()
  private(set) var state = CoreState()
  private var writes: [(id: WriteID, change: Change)] = []
  private var held: [(after: WriteID, parcel: CoreParcel)] = []
  private var received: CoreState?
  private var install: (info: SnapshotInfo, state: CoreState)?
  /// Reads of older entries, with what they were when they began.
  private var fetches: [(id: FetchID, after: LogIndex, records: [CoreRecord])] = []
  /// What the fetch that ends in this step has read.
  private var fetched: (after: LogIndex, records: [CoreRecord])?
  private var gone: [UID] = []
  private var commit: LogIndex = 0

  // What stays.
  struct Disk {
    var hardState = HardState()
    var log = CoreLog()
    var base: ConfigurationEntry
    var snapshot: (info: SnapshotInfo, state: CoreState)?
    var mark: Mark?
    var boot = Boot(counter: 0, random: 0)
  }

  enum Change {
    case append(from: LogIndex, [CoreRecord])
    case save(HardState)
  }

  private(set) var disk: Disk

  /// Requests of this life that have no answer yet.
  private(set) var openRequests: Set<RequestID> = []
  /// What became of what was asked of this node.
  public private(set) var outcomes: [RequestID: Outcome] = [:]
  public private(set) var reads: [RequestID: ReadOutcome] = [:]
  /// What no correct group does, in the order in which it was seen.
  public private(set) var findings: [Finding] = []
  /// The terms that this node came to lead.
  public private(set) var termsLed: [Term] = []
  /// Is told of every step.
  var observer: ((Event, [Effect]) -> Void)?
  /// Effects of the last step.
  public private(set) var effects: [Effect] = []

  public enum Finding: Hashable, Sendable, CustomStringConvertible {
    /// A peer said what no correct node says.
    case misbehaved(NodeID, String)
    case halted(HaltReason)
    /// An effect that cannot be right, whatever anybody said.
    case broken(String)

    public var description: String {
      switch self {
      case .misbehaved(let peer, let what): "node \(peer) misbehaved: \(what)"
      case .halted(let reason): "halted: \(reason)"
      case .broken(let what): what
      }
    }
  }

  public enum ReadOutcome: Hashable, Sendable {
    case ready(LogIndex)
    case failed(Refusal)
  }

  public init(
    _ member: Member, base: ConfigurationEntry, options: RaftOptions, seed: UInt64,
    at now: Duration
  ) {
    id = member.id
    incarnation = member.incarnation
    self.options = options
    self.seed = seed
    disk = Disk(base: base)
    disk.boot = Boot(counter: 1, random: seed)
    core = RaftCore(
      Recovered(
        id: member.id, incarnation: member.incarnation, boot: disk.boot, base: base),
      options: options, seed: seed, at: now)
  }

  public var status: Status { core.status }
  public var deadline: Duration? { isUp ? core.deadline : nil }
  public var hasWrites: Bool { isUp && !writes.isEmpty }
  public var hasInstall: Bool { isUp && install != nil }
  public var hasFetch: Bool { isUp && !(fetches.isEmpty && gone.isEmpty) }
  public var hasUnapplied: Bool { isUp && commit > state.applied }

  func record(at index: LogIndex) -> CoreRecord? { log[index] }

  /// A name for a request, which nothing else has.
  public func newRequest() -> RequestID {
    lastRequest += 1
    let id = RequestID(rawValue: lastRequest)
    // Nobody answers for a node that is down.
    if isUp { openRequests.insert(id) }
    return id
  }

  // MARK: Stepping

  /// Takes an event, and carries out what follows.
  ///
  /// - Returns: messages that leave now.
  public func step(
    _ event: Event, with parcel: CoreParcel? = nil, at now: Duration
  ) -> [CoreParcel] {
    guard isUp else { return [] }
    effects.removeAll(keepingCapacity: true)
    core.step(event, at: now, into: &effects)
    observer?(event, effects)
    var leaving: [CoreParcel] = []
    for effect in effects { carryOut(effect, parcel, &leaving) }
    return leaving
  }

  private func carryOut(
    _ effect: Effect, _ parcel: CoreParcel?, _ leaving: inout [CoreParcel]
  ) {
    switch effect {
    case .append(let write, let append): self.append(write, append, parcel)
    case .save(let write, let hardState): writes.append((write, .save(hardState)))
    case .send(let envelope, let write):
      guard let parcel = attached(to: envelope) else { return }
      if let write {
        held.append((write, parcel))
      } else {
        check(leaving: envelope)
        leaving.append(parcel)
      }
    case .fetch(let fetch, _, let after, _):
      let first = Int(after - log.base.index)
      fetches.append((fetch, after, Array(log.records[first...])))
    case .apply(let index): commit = index
    case .resolve(let id, let outcome):
      openRequests.remove(id)
      if outcomes.updateValue(outcome, forKey: id) != nil { find("\(id) was resolved twice") }
    case .readReady(let id, let index): finish(read: id, .ready(index))
    case .readFailed(let id, let refusal): finish(read: id, .failed(refusal))
    case .store: received = parcel?.state
    case .install(let info):
      guard let received else { return find("a snapshot without its content") }
      install = (info, received)
    case .compact(let index):
      log.compact(through: index)
      // What is being written lies behind it.
      disk.base = configuration(upTo: index, in: disk)
      disk.log.compact(through: index)
    case .role(let role, let term, _): if role == .leader { termsLed.append(term) }
    case .mark(let mark):
      disk.mark = mark
      if mark == nil { hasForgotten = false }
    case .misbehaved(let peer, let what): findings.append(.misbehaved(peer, what))
    case .halt(let reason): findings.append(.halted(reason))
    }
  }

  private func find(_ what: String) { findings.append(.broken(what)) }

  private func finish(read id: RequestID, _ outcome: ReadOutcome) {
    openRequests.remove(id)
    if reads.updateValue(outcome, forKey: id) != nil { find("read \(id) was answered twice") }
  }

  private func append(_ write: WriteID, _ append: Append, _ parcel: CoreParcel?) {
    let slice = append.entries
    var records: [CoreRecord] = []
    for index in slice.indices {
      let offset = Int(index - slice.first)
      switch append.origin {
      case .proposal(let id):
        records.append(
          CoreRecord(term: slice.lastPosition.term, entry: .proposal(self.id, id, offset)))
      case .noop: records.append(CoreRecord(term: slice.lastPosition.term, entry: .noop))
      case .configuration(let configuration):
        records.append(
          CoreRecord(term: slice.lastPosition.term, entry: .configuration(configuration)))
      case .received:
        guard let parcel, case .append(let request) = parcel.envelope.message,
          let sent = request.entries, sent.indices.contains(index)
        else { return find("entries that no message brought") }
        records.append(parcel.records[Int(index - sent.first)])
      }
    }
    if append.truncates != (slice.first <= log.last) { find("a truncation was not said") }
    log.replace(from: slice.first, with: records)
    writes.append((write, .append(from: slice.first, records)))
  }

  /// - Returns: nil if what has to be attached is not there any more.
  private func attached(to envelope: Envelope) -> CoreParcel? {
    var parcel = CoreParcel(envelope: envelope)
    switch envelope.message {
    case .append(let request):
      guard let entries = request.entries else { break }
      for index in entries.indices {
        // What is not in memory was read, and may be what it was then.
        let record =
          entries.first < core.tailFirstIndex
          ? fetched.map { $0.records[Int(index - $0.after) - 1] } : log[index]
        guard let record else {
          find("entry \(index) is sent, and is not at hand")
          break
        }
        parcel.records.append(record)
      }
    case .snapshot(let chunk):
      guard let snapshot = disk.snapshot, snapshot.info.uid == chunk.snapshot.uid else {
        // A newer one took its place on the disk.
        gone.append(chunk.snapshot.uid)
        return nil
      }
      parcel.state = snapshot.state
    default: break
    }
    return parcel
  }

  /// Nothing is said that a crash could make untrue (Raft section 5.1 to 5.3).
  private func check(leaving envelope: Envelope) {
    if envelope.term > disk.hardState.term { find("a message left before its term was durable") }
    switch envelope.message {
    case .voteReply(let reply) where reply.isGranted:
      if disk.hardState != HardState(term: reply.term, vote: envelope.to) {
        find("a vote left before it was durable")
      }
    case .appendReply(let reply):
      if case .matched(let index) = reply.result, index > disk.log.last {
        find("entry \(index) was acknowledged before it was durable")
      }
    default: break
    }
  }

  // MARK: Disk

  /// The oldest `count` writes are done.
  public func completeWrites(_ count: Int = .max, at now: Duration) -> [CoreParcel] {
    guard isUp, !writes.isEmpty else { return [] }
    var leaving: [CoreParcel] = []
    var done = WriteID(rawValue: 0)
    for (id, change) in writes.prefix(count) {
      switch change {
      case .append(let first, let records):
        guard first > disk.log.base.index, first <= disk.log.last + 1 else {
          find("\(id) writes entry \(first) to \(disk.log.base)...\(disk.log.last)")
          return []
        }
        disk.log.replace(from: first, with: records)
      case .save(let hardState): disk.hardState = hardState
      }
      done = id
      release(id, &leaving)
    }
    writes.removeFirst(min(count, writes.count))
    return leaving + step(.durable(done), at: now)
  }

  /// What waited for a write leaves, and is true now.
  private func release(_ write: WriteID, _ leaving: inout [CoreParcel]) {
    held.removeAll { after, parcel in
      guard after <= write else { return false }
      check(leaving: parcel.envelope)
      leaving.append(parcel)
      return true
    }
  }

  /// What is being received is on the disk and in the state machine.
  public func completeInstall(at now: Duration) -> [CoreParcel] {
    guard isUp, let (info, state) = install else { return [] }
    // The log that it takes the place of is written first: one queue leads to the disk.
    let leaving = completeWrites(at: now)
    install = nil
    disk.snapshot = (info, state)
    disk.base = info.configuration
    disk.log.restart(at: info.position)
    log.restart(at: info.position)
    self.state = state
    commit = info.position.index
    return leaving + step(.installed(info.uid), at: now)
  }

  /// What is being received turns out not to be what it should.
  public func failInstall(at now: Duration) -> [CoreParcel] {
    guard let (info, _) = install.take() else { return [] }
    return step(.installFailed(info.uid), at: now)
  }

  /// Entries that were asked for are there, up to `count` of them; or it is seen that a snapshot is not.
  public func completeFetch(_ count: Int, at now: Duration) -> [CoreParcel] {
    guard isUp else { return [] }
    if let uid = gone.popLast() { return step(.snapshotGone(uid), at: now) }
    guard !fetches.isEmpty else { return [] }
    let (id, after, records) = fetches.removeFirst()
    let count = min(count, records.count)
    guard count > 0 else { return [] }
    fetched = (after, Array(records.prefix(count)))
    defer { fetched = nil }
    return step(.fetched(id, last: after + LogIndex(count), bytes: count * 100), at: now)
  }

  // MARK: State machine

  /// Applies up to `count` committed entries.
  ///
  /// - Returns: messages that leave, and the states that were passed.
  public func apply(
    _ count: Int = .max, at now: Duration, _ passed: (CoreState) -> Void = { _ in }
  ) -> [CoreParcel] {
    guard hasUnapplied else { return [] }
    var left = count
    while left > 0, state.applied < commit {
      guard let record = log[state.applied + 1] else {
        find("entry \(state.applied + 1) is committed, and is not in the log")
        return []
      }
      state.apply(record, at: state.applied + 1)
      passed(state)
      left -= 1
    }
    return step(.applied(state.applied), at: now)
  }

  /// Takes a snapshot of what is applied.
  public func takeSnapshot(
    bytes: Int, at now: Duration, using random: inout SplitMix64
  ) -> [CoreParcel] {
    guard isUp, install == nil, state.applied > disk.snapshot?.info.position.index ?? 0,
      let term = disk.log.term(at: state.applied)
    else { return [] }
    let info = SnapshotInfo(
      position: LogPosition(term: term, index: state.applied),
      configuration: configuration(upTo: state.applied, in: disk), uid: UID(using: &random),
      bytes: bytes)
    disk.snapshot = (info, state)
    return step(.tookSnapshot(info), at: now)
  }

  private func configuration(upTo index: LogIndex, in disk: Disk) -> ConfigurationEntry {
    configurations(in: disk.log).last { $0.index <= index } ?? disk.base
  }

  private func configurations(in log: CoreLog) -> [ConfigurationEntry] {
    log.records.enumerated().compactMap { offset, record in
      guard case .configuration(let configuration) = record.entry else { return nil }
      return ConfigurationEntry(
        index: log.base.index + LogIndex(offset) + 1, configuration: configuration)
    }
  }

  // MARK: Crashes

  /// What is not on the disk is gone.
  public func crash() {
    isUp = false
    openRequests = []
    writes = []
    held = []
    received = nil
    install = nil
    fetches = []
    gone = []
  }

  /// The disk of a node that is down loses its last entries, and says so.
  ///
  /// - Parameter isKnown: it also says which was the last that it may have held.
  func forget(_ count: Int, isKnown: Bool) {
    precondition(!isUp && disk.mark == nil)
    let last = LogPosition(term: disk.log.term(at: disk.log.last)!, index: disk.log.last)
    // What a snapshot holds is not lost with the log.
    let kept = max(disk.log.base.index, disk.snapshot?.info.position.index ?? 0)
    disk.log.records.removeLast(min(count, Int(disk.log.last - min(kept, disk.log.last))))
    hasForgotten = true
    disk.mark = Mark(term: disk.hardState.term, mayHaveHeld: isKnown ? last : nil)
  }

  /// Gives a node that is down another past: scripted entries of these terms.
  public func rewrite(terms: [Term], hardState: HardState, mark: Mark? = nil) {
    precondition(!isUp, "a node that is up has the past that it has")
    disk.log = CoreLog()
    disk.log.records = terms.enumerated().map { .scripted($1, at: LogIndex($0) + 1) }
    disk.hardState = hardState
    disk.mark = mark
  }

  /// The terms of the entries in the log, from the first one that it has.
  public var terms: [Term] { log.records.map(\.term) }

  public func start(at now: Duration) {
    precondition(!isUp)
    isUp = true
    disk.boot.counter += 1
    log = disk.log
    state = disk.snapshot?.state ?? CoreState()
    commit = state.applied
    var terms = TermTable(firstIndex: log.base.index + 1, previousTerm: log.base.term)
    for record in log.records { terms.append(through: terms.lastIndex + 1, term: record.term) }
    core = RaftCore(
      Recovered(
        id: id, incarnation: incarnation, boot: disk.boot, hardState: disk.hardState,
        terms: terms, snapshot: disk.snapshot?.info, base: disk.base,
        configurations: configurations(in: log), applied: state.applied, mark: disk.mark),
      options: options, seed: seed ^ disk.boot.counter, at: now)
    if let reason = core.status.halt { findings.append(.halted(reason)) }
  }
}

extension CoreRecord {
  /// A number that two different records hardly share.
  var fingerprint: UInt64 {
    var mixed = SplitMix64(seed: term)
    switch entry {
    case .noop: return mixed.next()
    case .proposal(let node, let id, let i):
      var inner = SplitMix64(seed: mixed.next() ^ node << 48 ^ id.rawValue << 16 ^ UInt64(i))
      return inner.next()
    case .configuration(let configuration):
      var sum = mixed.next()
      for member in configuration.members {
        var inner = SplitMix64(seed: sum ^ member.id << 8 ^ UInt64(member.suffrage.rawValue))
        sum = inner.next()
      }
      return sum
    }
  }
}
