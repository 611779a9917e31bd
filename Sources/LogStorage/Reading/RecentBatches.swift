// RecentBatches: the batches that were written last, for readers that follow the tail.
//
// What must always hold: the batches follow each other without a gap, and each is what the file
// holds. Small batches go around the page cache, so whoever reads them back at once would wait for
// the device, and get in the way of the next sync.

import ByteBuffers
import LogFormat
import Recovery

struct RecentBatches {
  struct Item: Sendable {
    let first: LogIndex
    /// Lower than the batch's own if the log was truncated within it.
    var last: LogIndex
    var body: Bytes
    /// Memory that the body keeps, the padding of its frame included.
    let extent: Int
  }

  private var items: [Item] = []
  private var head = 0
  private var bytes = 0
  private let bytesMax: Int

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  /// Takes in a batch that was written; the oldest make room.
  mutating func append(_ item: Item) {
    guard item.extent <= bytesMax else {
      removeAll()
      return
    }
    precondition(
      items.last.map { $0.last + 1 == item.first } ?? true, "a gap between recent batches")
    items.append(item)
    bytes += item.extent
    while bytes > bytesMax {
      bytes -= items[head].extent
      // Its memory is wanted for the next one.
      items[head].body = Bytes()
      head += 1
    }
    if head > 64, head * 2 > items.count {
      items.removeFirst(head)
      head = 0
    }
  }

  mutating func truncate(after index: LogIndex) {
    while head < items.count, let last = items.last, last.last > index {
      if last.first <= index {
        items[items.count - 1].last = index
        return
      }
      bytes -= last.extent
      items.removeLast()
    }
    if head == items.count { removeAll() }
  }

  private mutating func removeAll() {
    items = []
    head = 0
    bytes = 0
  }

  /// The batches from the one with `index` on, up to about `limit` bytes; none if it is no recent one.
  func batches(from index: LogIndex, to last: LogIndex, limit: Int) -> [Item] {
    let known = items[head...]
    guard let first = known.first, index >= first.first else { return [] }
    let start = known.partitioningIndex { $0.last >= index }
    var end = start
    var bytes = 0
    while end < known.endIndex, known[end].first <= last, bytes < limit || end == start {
      bytes += known[end].body.count
      end += 1
    }
    return Array(known[start..<end])
  }
}
