// ReadRounds: reads that wait until it is certain that their leader still leads (ReadIndex,
// dissertation 6.4).
//
// What must always hold: a read waits for a round that began after it came; one round is out at a time,
// and every read that comes meanwhile shares the next.

import LogFormat

/// Who asked for an index.
enum Reader: Hashable {
  case local(RequestID)
  case follower(NodeID, ReadRequest)
}

struct ReadRounds {
  private struct Waiting {
    var reader: Reader
    var since: Duration
  }

  /// The question that is out, or the last one that was: how often it was asked who leads.
  private(set) var round: UInt64 = 0
  /// Those that wait for the round that is out, in the order in which they came, and the commit index
  /// when it began.
  private var asking: (index: LogIndex, readers: [Waiting])?
  /// Those that wait for the next one, in the order in which they came.
  private var waiting: [Waiting] = []
  /// Followers' reads that wait.
  private var known: Set<Reader> = []
  /// How many of them each has.
  private var counts: [NodeID: Int] = [:]
  private var localCount = 0

  /// How many reads wait that come from where `reader` comes from.
  func count(besides reader: Reader) -> Int {
    switch reader {
    case .local: localCount
    case .follower(let node, _): counts[node] ?? 0
    }
  }

  /// A follower repeats itself, or the network does (etcd#20418).
  func contains(_ reader: Reader) -> Bool { known.contains(reader) }

  /// When the one that waits longest came.
  var oldestSince: Duration? { (asking?.readers.first ?? waiting.first)?.since }

  mutating func add(_ reader: Reader, at now: Duration) {
    switch reader {
    case .local: localCount += 1
    case .follower(let node, _):
      guard known.insert(reader).inserted else { return }
      counts[node, default: 0] += 1
    }
    waiting.append(Waiting(reader: reader, since: now))
  }

  /// Begins a round, unless one is out or nobody waits.
  ///
  /// - Returns: true if the question has to be asked.
  mutating func begin(commit: LogIndex) -> Bool {
    guard asking == nil, !waiting.isEmpty else { return false }
    round += 1
    asking = (commit, waiting)
    waiting = []
    return true
  }

  /// A majority has answered every question up to `round`.
  ///
  /// - Returns: what can be read now, and who waits for it.
  mutating func confirmed(_ round: UInt64) -> (index: LogIndex, readers: [Reader])? {
    guard round >= self.round, let done = asking.take() else { return nil }
    return (done.index, forget(done.readers))
  }

  /// Gives up on those that came before `time`.
  mutating func removeAll(before time: Duration) -> [Reader] {
    var late: [Waiting] = []
    if var asked = asking.take() {
      let count = asked.readers.prefix { $0.since < time }.count
      late += asked.readers.prefix(count)
      asked.readers.removeFirst(count)
      // A question without anybody who waits for it is over.
      if !asked.readers.isEmpty { asking = asked }
    }
    let count = waiting.prefix { $0.since < time }.count
    late += waiting.prefix(count)
    waiting.removeFirst(count)
    return forget(late)
  }

  private mutating func forget(_ gone: [Waiting]) -> [Reader] {
    for waiting in gone {
      switch waiting.reader {
      case .local: localCount -= 1
      case .follower(let node, _):
        known.remove(waiting.reader)
        counts[node, default: 1] -= 1
      }
    }
    return gone.map(\.reader)
  }
}
