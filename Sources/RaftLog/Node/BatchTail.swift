// BatchTail: the newest batches of the log, in memory: for followers, and for what is applied at once.
//
// What must always hold: the batches follow each other without a gap up to the last entry of the log;
// whatever is not on the disk yet is here.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery

struct BatchTail {
  private var items: [StoredBatch] = []
  private var dropped = 0
  /// The first entry that is here; behind the last one when there is none.
  private(set) var firstIndex: LogIndex

  init(after index: LogIndex) { firstIndex = index + 1 }

  private var live: ArraySlice<StoredBatch> { items[dropped...] }

  mutating func append(_ batch: StoredBatch) {
    precondition(
      batch.indices.lowerBound == (live.last?.indices.upperBound).map { $0 + 1 } ?? firstIndex,
      "a gap in the tail")
    items.append(batch)
  }

  mutating func truncate(after index: LogIndex) {
    while let last = live.last, last.indices.upperBound > index {
      if last.indices.lowerBound <= index {
        items[items.count - 1].indices = last.indices.lowerBound...index
        return
      }
      items.removeLast()
    }
    if live.isEmpty { firstIndex = min(firstIndex, index + 1) }
  }

  /// Gives up what lies before `index`, as far as whole batches do.
  mutating func trim(before index: LogIndex) {
    while let first = live.first, first.indices.upperBound < index {
      firstIndex = first.indices.upperBound + 1
      dropped += 1
    }
    if dropped > 64, dropped * 2 > items.count {
      items.removeFirst(dropped)
      dropped = 0
    }
  }

  /// The log begins behind `index` now, and holds nothing.
  mutating func restart(after index: LogIndex) { self = BatchTail(after: index) }

  /// The batches that hold `indices`, cut to them; nil if some are not here.
  func batches(_ indices: ClosedRange<LogIndex>) -> [StoredBatch]? {
    guard indices.lowerBound >= firstIndex, let last = live.last,
      indices.upperBound <= last.indices.upperBound
    else { return nil }
    return live[position(of: indices.lowerBound)...]
      .prefix { $0.indices.lowerBound <= indices.upperBound }
      .map { $0.cut(to: indices) }
  }

  /// Batches from `index` on, one at least and more while they fit into `bytesMax`; nil if the first is
  /// not here.
  func batches(from index: LogIndex, through end: LogIndex, bytesMax: Int) -> [StoredBatch]? {
    guard index >= firstIndex, let last = live.last, index <= last.indices.upperBound else {
      return nil
    }
    var found: [StoredBatch] = []
    var bytes = 0
    for item in live[position(of: index)...] where item.indices.lowerBound <= end {
      bytes += item.batch.bytes.count
      if bytes > bytesMax, !found.isEmpty { break }
      found.append(item.cut(to: index...end))
    }
    return found
  }

  private func position(of index: LogIndex) -> Int {
    live.partitioningIndex { $0.indices.upperBound >= index }
  }
}

extension StoredBatch {
  /// The part of it that lies in `range`; there must be one.
  func cut(to range: ClosedRange<LogIndex>) -> StoredBatch {
    StoredBatch(batch, indices.clamped(to: range))
  }

  /// The batch as it travels. What the log has cut off at its end does not: it is encoded anew.
  var whole: Batch {
    guard indices.upperBound < batch.header.lastIndex else { return batch }
    do {
      let entries = try batch.entries(in: batch.header.firstIndex...indices.upperBound)
      var builder = BatchBuilder(group: batch.header.group, firstIndex: batch.header.firstIndex)
      for entry in entries {
        builder.append(entry.payload.span, kind: entry.kind, term: entry.term)
      }
      return try Batch(builder.finish(.none).body)
    } catch {
      preconditionFailure("a batch in memory is not what it was: \(error)")
    }
  }
}
