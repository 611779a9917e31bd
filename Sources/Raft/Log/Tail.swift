// Tail: how large the newest batches are, so that a window of bytes can be filled without reading any.
//
// What must always hold: batches follow each other without a gap up to the last entry of the log; their
// bytes add up to `bytes`.

package import LogFormat

/// The batches of the end of a log whose payloads are still in memory.
package struct Tail {
  private struct Batch {
    var last: LogIndex
    var bytes: Int
  }

  private var batches: [Batch] = []
  /// How many batches at the front of the array are no part of the tail any more.
  private var dropped = 0
  /// The first entry that a batch of the tail holds; behind the last entry when there is none.
  package private(set) var firstIndex: LogIndex
  package private(set) var bytes = 0

  package init(after index: LogIndex) { firstIndex = index + 1 }

  private var live: ArraySlice<Batch> { batches[dropped...] }
  package var lastIndex: LogIndex { live.last?.last ?? firstIndex - 1 }

  package mutating func append(through last: LogIndex, bytes: Int) {
    batches.append(Batch(last: last, bytes: bytes))
    self.bytes += bytes
  }

  package mutating func truncate(after index: LogIndex) {
    while let batch = live.last, batch.last > index {
      let first = live.count > 1 ? batches[batches.count - 2].last + 1 : firstIndex
      if first <= index {
        batches[batches.count - 1].last = index
        break
      }
      bytes -= batch.bytes
      batches.removeLast()
    }
    if live.isEmpty { firstIndex = min(firstIndex, index + 1) }
  }

  /// Gives up the oldest batches until no more than `limit` bytes are left; the newest stays.
  package mutating func trim(to limit: Int) {
    while live.count > 1, bytes > limit { dropFirst() }
  }

  /// Gives up what lies at or before `index` with whole batches.
  package mutating func compact(through index: LogIndex) {
    while let batch = live.first, batch.last <= index { dropFirst() }
  }

  private mutating func dropFirst() {
    let batch = batches[dropped]
    firstIndex = batch.last + 1
    bytes -= batch.bytes
    dropped += 1
    if dropped > 64, dropped * 2 > batches.count {
      batches.removeFirst(dropped)
      dropped = 0
    }
  }

  /// Whole batches from `index` on, of up to `limit` bytes, but one at least.
  package func batches(from index: LogIndex, bytesMax limit: Int) -> (last: LogIndex, bytes: Int)? {
    guard index >= firstIndex, index <= lastIndex else { return nil }
    var (low, high) = (dropped, batches.count)
    // The first batch that ends at or behind `index`.
    while low < high {
      let middle = (low + high) / 2
      if batches[middle].last < index { low = middle + 1 } else { high = middle }
    }
    var taken = batches[low].bytes
    while low + 1 < batches.count, taken + batches[low + 1].bytes <= limit {
      low += 1
      taken += batches[low].bytes
    }
    return (batches[low].last, taken)
  }
}
