// Node: a member of a group with its log, as a value: the protocol's core joined to the log's engine.
// Events go in, effects come out; there is no I/O, no clock and no randomness of its own in it.
//
// What must always hold: entries reach the engine in the step in which the core takes them; a message that
// waits for a write leaves when the engine says that it is durable, and never if it failed; the state
// machine is told of nothing that is not committed and durable here.

import ByteBuffers
public import LogFormat
import LogStorage
public import Raft
import StorageIO

/// One member of one group. The same value runs in production, under threads and sockets, and in the
/// simulator.
public struct Node: ~Copyable {
  var core: RaftCore
  var engine: LogEngine
  var tail: BatchTail
  var writes = WriteLedger()
  var snapshots: SnapshotShelf
  /// Up to where the state machine has the log.
  var applied: LogIndex
  /// The snapshot that the log is beginning behind, and the request that does that.
  var installing: (info: SnapshotInfo, ticket: Ticket?)?
  /// What the engine has refused in this step.
  var refused: LogError?
  var random: SplitMix64
  /// What the event of this step brought along.
  var attachment = Attachment.none
  var effects: [NodeEffect] = []
  private var coreEffects: [Effect] = []
  var now = Duration.zero

  enum Attachment {
    case none
    case entries(PayloadBatch)
    case packet(Packet)
    case fetched([StoredBatch])
  }

  init(
    core: consuming RaftCore, engine: consuming LogEngine, snapshots: SnapshotShelf,
    applied: LogIndex, seed: UInt64
  ) {
    tail = BatchTail(after: engine.lastIndex)
    self.core = core
    self.engine = engine
    self.snapshots = snapshots
    self.applied = applied
    random = SplitMix64(seed: seed)
  }

  // MARK: How it stands

  public var id: NodeID { core.id }
  public var group: UID { engine.group }
  public var status: Status { core.status }
  public var boot: Boot { engine.boot }
  /// When the next `NodeEvent.deadline` is due; nil for never.
  public var deadline: Duration? {
    switch (core.deadline, engine.deadline) {
    case (let a?, let b?): min(a, b)
    case (let a, let b): a ?? b
    }
  }

  /// Entries from `index` through `last`: batches from memory, or where they lie on the disk. Batches may
  /// hold more than is wanted; nil for what the log does not hold any more.
  public func entries(
    from index: LogIndex, through last: LogIndex, bytesMax: Int
  ) -> EntrySource? {
    if let batches = tail.batches(from: index, through: last, bytesMax: bytesMax) {
      return .memory(batches)
    }
    return engine.place(of: index).map { .disk($0) }
  }

  // MARK: Stepping

  /// Takes an event, and says what to do about it.
  ///
  /// - Parameters:
  ///   - now: a monotonic time, on any scale that begins at 0 or above.
  ///   - effects: what is to be done is added here.
  public mutating func step(
    _ event: consuming NodeEvent, at now: Duration, into effects: inout [NodeEffect]
  ) {
    self.now = max(self.now, now)
    swap(&self.effects, &effects)
    take(event)
    settle()
    swap(&self.effects, &effects)
  }

  private mutating func take(_ event: consuming NodeEvent) {
    switch event {
    case .received(let packet, let incarnation): receive(packet, from: incarnation)
    case .deadline:
      if let deadline = core.deadline, deadline <= now { step(.deadline) }
    case .propose(let id, let payloads, let fence): propose(id, payloads, fence)
    case .read(let id): step(.read(id))
    case .changeMembers(let id, let change): step(.changeMembers(id, change))
    case .transfer(let id, let target): step(.transfer(id, to: target))
    case .finished(let job, let error): finished(job, error)
    case .fetched(let fetch, let result): fetched(fetch, result)
    case .applied(let index):
      applied = max(applied, index)
      step(.applied(index))
    case .captured(let index, let state): captured(state, at: index)
    case .verified(let uid, let isSound): verified(uid, isSound: isSound)
    case .restored(let uid): restored(uid)
    case .snapshotGone(let uid): step(.snapshotGone(uid))
    case .unreachable(let peer): step(.unreachable(peer))
    }
  }

  /// Has the core take an event, and carries out what follows.
  mutating func step(_ event: consuming Event, with attachment: consuming Attachment = .none) {
    self.attachment = attachment
    var effects: [Effect] = []
    swap(&effects, &coreEffects)
    core.step(event, at: now, into: &effects)
    for effect in effects { carryOut(effect) }
    effects.removeAll(keepingCapacity: true)
    swap(&effects, &coreEffects)
    self.attachment = .none
  }

  /// Looks at what has come about on the disk, and gives its lanes more to do.
  private mutating func settle() {
    var job = engine.nextJob(.writer, now: now)
    // Looking for a job may have failed a request, or done one.
    while lookAtDisk() { job = job ?? engine.nextJob(.writer, now: now) }
    if let job { effects.append(.carryOut(.writer, job)) }
    if let job = engine.nextJob(.background, now: now) {
      effects.append(.carryOut(.background, job))
    }
    if let job = snapshots.nextJob() { effects.append(.carryOut(.snapshots, job)) }
    // What a truncation on its way takes back is not durable for the core any more, and stays here.
    tail.trim(before: min(core.tailFirstIndex, core.durableIndex + 1))
  }

  /// Takes a message. What another directory than the group's says is heard, for it may be right where
  /// this node lags behind; but no answer of it counts: a wiped disk never votes twice.
  private mutating func receive(_ packet: Packet, from incarnation: UID) {
    let peer = packet.envelope.from
    if packet.envelope.message.isAnswer, let known = core.incarnation(of: peer),
      known != incarnation
    {
      effects.append(.stranger(peer, incarnation))
      return
    }
    step(.received(packet.envelope), with: .packet(packet))
  }

  private mutating func propose(
    _ id: RequestID, _ payloads: [Bytes], _ fence: Term?
  ) {
    let entries = PayloadBatch(payloads, kind: .data)
    let limit = engine.options.entryBytesMax
    if let large = payloads.first(where: { $0.count > limit }) {
      let refusal = Refusal.tooLarge(bytes: large.count, limit: limit)
      effects.append(.resolve(id, .refused(refusal)))
      return
    }
    step(
      .propose(Proposal(id: id, count: payloads.count, bytes: entries.bytes, fence: fence)),
      with: .entries(entries))
  }

  private mutating func fetched(_ fetch: FetchID, _ result: Result<[StoredBatch], LogError>) {
    switch result {
    case .success(let batches):
      guard let last = batches.last else { return }
      step(
        .fetched(
          fetch, last: last.indices.upperBound,
          bytes: batches.reduce(0) { $0 + $1.batch.bytes.count }),
        with: .fetched(batches))
    case .failure(let error):
      // What a compaction has taken in the meantime the core looks for elsewhere.
      if error.code == .compacted {
        step(.fetched(fetch, last: 0, bytes: 0))
      } else {
        step(.storageFailed("entries could not be read for a follower: \(error)"))
      }
    }
  }
}

extension Node {
  public var term: Term { core.term }
  public var roleKind: RoleKind { core.roleKind }
  /// Set while the node may have forgotten something that it acknowledged.
  public var mark: Mark? { core.mark }
  public var commitIndex: LogIndex { core.commitIndex }
  public var lastPosition: LogPosition { core.lastPosition }
  public var firstIndex: LogIndex { engine.firstIndex }
  /// Where the configuration in force stands.
  public var configurationIndex: LogIndex { core.configurationIndex }
  /// The last entry that is on the disk, and that no truncation on its way there takes back, nor a
  /// snapshot in whose place the log is beginning anew.
  public var durableIndex: LogIndex { min(core.durableIndex, engine.lastIndex) }
  /// Term and vote as they are on the disk.
  public var durableState: HardState { engine.hardState }
  /// The terms of all entries, also of those that are not on the disk yet.
  public var terms: TermTable { engine.terms }
}

extension Message {
  /// True for what a quorum is counted of.
  fileprivate var isAnswer: Bool {
    switch self {
    case .preVoteReply, .voteReply, .appendReply, .snapshotReply: true
    case .preVote, .vote, .append, .snapshot, .timeoutNow, .read, .readReply: false
    }
  }
}
