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
  /// The question that is out, or the last one that was: how often it was asked who leads.
  private(set) var round: UInt64 = 0
  /// Those that wait for the round that is out, and the commit index when it began.
  private var asking: (index: LogIndex, readers: [Reader])?
  /// Those that wait for the next one.
  private var waiting: [Reader] = []

  var count: Int { waiting.count + (asking?.readers.count ?? 0) }

  mutating func add(_ reader: Reader) {
    // A follower repeats itself, or the network does (etcd#20418).
    guard !waiting.contains(reader), !(asking?.readers.contains(reader) ?? false) else { return }
    waiting.append(reader)
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
    guard asking != nil, round >= self.round else { return nil }
    return asking.take()
  }

  mutating func removeAll() -> [Reader] {
    let readers = (asking?.readers ?? []) + waiting
    asking = nil
    waiting = []
    return readers
  }
}
