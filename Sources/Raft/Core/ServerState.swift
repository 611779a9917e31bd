// ServerState: what a node has whatever part it plays (Raft figure 2, "state on all servers").
//
// What must always hold: term and vote change together with what is written of them; no message leaves
// in a term, and no entry of it is written, before the write of that term.

import LogFormat

struct ServerState: ~Copyable {
  let id: NodeID
  let incarnation: UID
  let boot: Boot
  let options: RaftOptions
  var random: SplitMix64

  private(set) var hardState: HardState
  /// True while `hardState` is not handed to the disk.
  private var isUnsaved = false
  private(set) var writes = PendingWrites()
  private(set) var log: ReplicaLog
  var mark: Mark?
  /// True while a snapshot takes the place of the log: nothing else happens to it.
  var isInstalling: Bool { reception?.isInstalling ?? false }
  /// What arrived of a snapshot.
  var reception: SnapshotReception?
  /// Elections that this node lost since it last heard of a leader.
  var failedElections = 0

  /// Fetches have names of their own as long as the node lives: one that a former leadership asked for
  /// must not pass for one of this.
  private var lastFetch: UInt64 = 0
  /// Up to where the state machine was told to apply.
  private var announced: LogIndex

  /// The time of this step.
  private(set) var now = Duration.zero
  var effects: [Effect] = []

  init(_ recovered: Recovered, _ options: RaftOptions, seed: UInt64) {
    id = recovered.id
    incarnation = recovered.incarnation
    boot = recovered.boot
    self.options = options
    random = SplitMix64(seed: seed)
    hardState = recovered.hardState
    log = ReplicaLog(recovered)
    announced = recovered.applied
    mark = recovered.mark
  }

  var term: Term { hardState.term }
  var configuration: Configuration { log.configuration }

  /// Time goes forward; one that went back stands still.
  mutating func advance(to now: Duration) { self.now = max(self.now, now) }

  /// True if this node may ask for votes: it knows that it has forgotten nothing, and it is a voter, by
  /// its last configuration or by one before that which may still be the one that counts: a node that is
  /// on its way out may be needed to commit just that (dissertation 4.2.2, figure 4.6).
  var mayCampaign: Bool {
    mark == nil
      && log.configurations.from(log.commit).contains {
        $0.configuration[id].map {
          $0.suffrage != .learner && $0.incarnation == incarnation
        } ?? false
      }
  }

  /// True if nobody else's vote is needed for anything.
  var decidesAlone: Bool {
    mayCampaign && configuration.quorum.result { $0 == id ? true : nil } == .won
  }

  // MARK: Term and vote

  /// Goes to a later term, in which it has not voted.
  mutating func advance(to term: Term) {
    precondition(term > hardState.term, "terms only grow")
    hardState = HardState(term: term)
    isUnsaved = true
  }

  /// Gives this term's vote.
  mutating func vote(for candidate: NodeID) {
    precondition(hardState.vote == nil || hardState.vote == candidate, "voting twice in a term")
    guard hardState.vote == nil else { return }
    hardState.vote = candidate
    isUnsaved = true
  }

  /// Hands term and vote to the disk, if they are not there yet.
  mutating func save() {
    guard isUnsaved else { return }
    isUnsaved = false
    let id = writes.begin(last: nil, at: now)
    effects.append(.save(id, hardState))
  }

  /// The write after which term and vote are durable; nil if they are.
  mutating func hardStateWrite() -> WriteID? {
    save()
    return writes.hardState
  }

  // MARK: The log

  /// Puts entries into the log; what it has behind the first of them is cut off.
  @discardableResult
  mutating func append(_ entries: LogSlice, from origin: Append.Origin) -> WriteID {
    save()
    let truncates = entries.first <= log.last.index
    log.append(entries, tailBytesMax: options.tailBytesMax)
    if truncates { writes.truncate(after: entries.first - 1) }
    let id = writes.begin(last: entries.last, at: now)
    effects.append(.append(id, Append(origin, entries, truncates: truncates)))
    return id
  }

  mutating func newFetch() -> FetchID {
    lastFetch += 1
    return FetchID(rawValue: lastFetch)
  }

  /// - Returns: false for a write that is not out.
  mutating func finish(_ write: WriteID) -> Bool {
    let (isKnown, last) = writes.finish(write, at: now)
    if let last { log.becameDurable(through: last) }
    announce()
    return isKnown
  }

  mutating func commit(through index: LogIndex) {
    guard index > log.commit else { return }
    log.commit(through: index)
    announce()
  }

  /// What is committed and durable here may be applied. What is not durable here waits, though others
  /// have it: a state machine that keeps its state must not be ahead of its log after a power cut.
  private mutating func announce() {
    let index = min(log.commit, log.durable)
    guard index > announced else { return }
    announced = index
    effects.append(.apply(through: index))
  }

  mutating func applied(through index: LogIndex) {
    if index > log.applied { log.wasApplied(through: index) }
  }

  mutating func took(_ snapshot: SnapshotInfo) {
    let index = snapshot.position.index
    precondition(snapshot.bytes > 0, "a snapshot without a byte")
    guard index > log.snapshot?.position.index ?? 0, index <= log.applied,
      log.contains(snapshot.position)
    else { return }
    log.tookSnapshot(snapshot)
    let through = index - min(index, options.entriesKept)
    guard through > log.compacted else { return }
    log.compact(through: through)
    effects.append(.compact(through: through))
  }

  mutating func restart(_ snapshot: SnapshotInfo) {
    let keepsSuffix = log.contains(snapshot.position)
    if !keepsSuffix { writes.truncate(after: snapshot.position.index) }
    log.restart(snapshot)
    announced = snapshot.position.index
  }

  // MARK: Saying something

  /// Sends a message in the current term, once that is durable.
  ///
  /// - Parameter write: what else has to be durable before it leaves.
  mutating func send(_ message: Message, to peer: NodeID, after write: WriteID? = nil) {
    let term = hardStateWrite()
    let envelope = Envelope(from: id, to: peer, term: hardState.term, message)
    let last = [term, write].compactMap(\.self).max()
    effects.append(.send(envelope, after: last))
  }

  mutating func resolve(_ id: RequestID, _ outcome: Outcome) {
    effects.append(.resolve(id, outcome))
  }

  /// An election timeout, drawn anew, so that few nodes time out at once (Raft section 5.2).
  mutating func electionTimeout() -> Duration {
    var timeout = options.electionTimeout
    for _ in 0..<failedElections where timeout < options.electionTimeoutMax { timeout *= 2 }
    timeout = min(timeout, options.electionTimeoutMax)
    return timeout + timeout * Int(random.next() % 1024) / 1024
  }
}
