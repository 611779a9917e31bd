// Progress: a follower as its leader knows it (Raft figure 2, nextIndex and matchIndex).
//
// What must always hold: match < next; match is only what this follower acknowledged in this term, in
// this membership and in this life; what is on its way is counted while replicating, and only then.

import LogFormat

struct Progress {
  enum State: Hashable {
    /// Where the logs part is not known: one message at a time.
    /// - Parameter isWaiting: one is out.
    case probing(isWaiting: Bool)
    /// Messages follow each other without waiting for their answers.
    case replicating
    /// The log no longer has what the follower lacks.
    case snapshot(SnapshotTransfer)
  }

  let id: NodeID
  private(set) var session: Session
  private(set) var match: LogIndex = 0
  private(set) var next: LogIndex
  private(set) var state = State.probing(isWaiting: false)
  private(set) var inflights = Inflights()
  /// The leader's last index when it met this life of the follower.
  private(set) var contact: LogIndex = 0
  /// The last entry that the follower acknowledged in this term, in whichever of its lives.
  private(set) var acknowledged: LogPosition?
  /// When the follower was last heard of.
  var heard: Duration
  /// The last question about leadership that it answered.
  var confirmedRound: UInt64 = 0
  /// The commit index that it was told last.
  var toldCommit: LogIndex = 0
  /// Entries for it are being read from the disk.
  private(set) var fetch: FetchID?

  /// A member that nothing is known of.
  init(_ id: NodeID, next: LogIndex, addedAt: LogIndex, at now: Duration) {
    self.id = id
    self.next = next
    session = Session(addedAt: addedAt)
    heard = now
  }

  enum Acquaintance {
    /// The life that is known.
    case known
    /// One that follows it.
    case new
    /// One that came before it.
    case over
    /// One beside it: a directory was copied, or restored.
    case twin
  }

  /// A life that was not known begins from nothing: what the last one acknowledged may be gone.
  mutating func meet(_ boot: Boot, last: LogIndex) -> Acquaintance {
    if let known = session.boot {
      if boot == known { return .known }
      guard boot.counter > known.counter else {
        return boot.counter < known.counter ? .over : .twin
      }
    }
    session.boot = boot
    contact = last
    match = 0
    probe(from: next)
    return .new
  }

  // MARK: What was answered

  /// - Parameter term: of that entry; nil if the log has forgotten it.
  /// - Returns: true if that is news.
  mutating func matched(_ index: LogIndex, term: Term?) -> Bool {
    inflights.free(through: index)
    guard index > match else { return false }
    match = index
    next = max(next, match + 1)
    if let term {
      acknowledged = max(acknowledged ?? LogPosition(), LogPosition(term: term, index: index))
    }
    return true
  }

  /// The follower has everything before `next`: messages need not wait any more.
  mutating func replicate() {
    // What was sent while probing may have arrived or not: it is sent again.
    next = match + 1
    inflights.removeAll()
    fetch = nil
    state = .replicating
  }

  mutating func probe(from index: LogIndex) {
    next = max(match + 1, index)
    inflights.removeAll()
    fetch = nil
    state = .probing(isWaiting: false)
  }

  mutating func send(_ snapshot: SnapshotInfo) {
    inflights.removeAll()
    fetch = nil
    state = .snapshot(SnapshotTransfer(snapshot))
  }

  // MARK: What was sent

  mutating func sent(_ slice: LogSlice) {
    switch state {
    case .probing: state = .probing(isWaiting: true)
    case .replicating:
      inflights.add(last: slice.last, bytes: slice.bytes)
      next = slice.last + 1
    case .snapshot: preconditionFailure("entries for a follower that needs a snapshot")
    }
  }

  mutating func waitForAnswer() {
    if case .probing = state { state = .probing(isWaiting: true) }
  }

  mutating func began(_ fetch: FetchID) { self.fetch = fetch }

  /// - Returns: true if these are the entries that are waited for.
  mutating func ended(_ fetch: FetchID) -> Bool {
    guard self.fetch == fetch else { return false }
    self.fetch = nil
    return true
  }

  mutating func advance(_ transfer: SnapshotTransfer) {
    precondition(match < next)
    state = .snapshot(transfer)
  }
}

/// A snapshot on its way to a follower.
struct SnapshotTransfer: Hashable {
  let snapshot: SnapshotInfo
  /// Everything before this offset has arrived.
  private(set) var received = 0
  /// Everything before this offset was sent.
  private(set) var sent = 0
  /// `received` at the last heartbeat.
  private var receivedBefore = -1
  /// The follower has said since then that it has all of it, and is not done yet.
  private var isInstalling = false

  init(_ snapshot: SnapshotInfo) { self.snapshot = snapshot }

  /// The chunk that may be sent next.
  func next(_ options: RaftOptions) -> Range<Int>? {
    let window = options.snapshotChunkBytes * options.snapshotChunksMax
    guard sent < snapshot.bytes, sent - received < window else { return nil }
    return sent..<min(snapshot.bytes, sent + options.snapshotChunkBytes)
  }

  mutating func sent(through offset: Int) { sent = offset }

  /// - Returns: false for an offset that cannot be.
  mutating func received(through offset: Int) -> Bool {
    guard offset >= 0, offset <= snapshot.bytes else { return false }
    // Less than before: the follower has lost what it had.
    received = offset
    sent = max(sent, offset)
    return true
  }

  mutating func beingInstalled() { isInstalling = true }

  /// Begins again behind what has arrived, if nothing has since the last time. Where all of it has, the
  /// last chunk is repeated: a follower that could not install it asks for it from its beginning then.
  mutating func retryIfStuck(_ options: RaftOptions) {
    if received == receivedBefore, !isInstalling {
      sent =
        received < snapshot.bytes ? received : max(0, received - options.snapshotChunkBytes)
    }
    receivedBefore = received
    isInstalling = false
  }
}
