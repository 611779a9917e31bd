// WriteQueue: what was asked of the log and is not on its way to the disk yet, in order.
//
// What must always hold: requests leave in the order in which they came; appends next to each other
// share a batch until it is full, and nothing else lies between the entries of a batch.

import ByteBuffers
import LogFormat

/// Names a request; tickets grow by one with each.
public typealias Ticket = UInt64

/// A batch that is being filled. A class, because an array cannot hold what cannot be copied.
final class PendingBatch {
  private var builder: BatchBuilder?
  let firstTicket: Ticket
  private(set) var lastTicket: Ticket
  let firstIndex: LogIndex
  private(set) var nextIndex: LogIndex
  /// Payload bytes.
  private(set) var rawBytes: Int
  /// Bytes that the batch takes in a segment if it is not compressed, in the footer too.
  private(set) var segmentBytes: Int

  init(builder: consuming BatchBuilder, ticket: Ticket) {
    firstIndex = builder.firstIndex
    nextIndex = builder.nextIndex
    rawBytes = builder.rawBytes
    segmentBytes = builder.segmentBytes
    self.builder = consume builder
    firstTicket = ticket
    lastTicket = ticket
  }

  /// What it counts for among the bytes that wait.
  var pendingBytes: Int { rawBytes + Int(nextIndex - firstIndex) * Layout.tableRow }

  /// Adds an entry, unless the batch has no room for it.
  func append(
    _ payload: RawSpan, kind: EntryKind, term: Term, ticket: Ticket, limit: Int
  ) -> Bool {
    guard var open = builder.take() else { return false }
    let fits = open.fits(payload: payload.byteCount, term: term, limit: limit)
    if fits {
      open.append(payload, kind: kind, term: term)
      lastTicket = ticket
      nextIndex = open.nextIndex
      rawBytes = open.rawBytes
      segmentBytes = open.segmentBytes
    }
    builder = consume open
    return fits
  }

  /// Closes the batch; nothing can be added afterwards.
  func finish(_ compression: Compression) -> FramedBatch {
    guard let open = builder.take() else { preconditionFailure("a batch was finished twice") }
    return open.finish(compression)
  }
}

/// A batch that somebody else has encoded, of which the log takes the entries from `first` on.
struct ReadyBatch {
  let batch: Batch
  let first: LogIndex
  /// The terms of the entries that are taken.
  let termRuns: [TermRun]

  /// - Throws: `FormatError` if the batch's table does not hold what its header says.
  init(_ batch: Batch, from first: LogIndex) throws(FormatError) {
    self.batch = batch
    self.first = first
    var runs: [TermRun] = []
    for (i, row) in try batch.rows().enumerated() {
      let index = batch.header.firstIndex + LogIndex(i)
      if index >= first, runs.last?.term != row.term {
        runs.append(TermRun(firstIndex: index, term: row.term))
      }
    }
    termRuns = runs
  }

  var last: LogIndex { batch.header.lastIndex }
  /// Entries at its front that are not taken.
  var skip: Int { Int(first - batch.header.firstIndex) }
  /// What it counts for among the bytes that wait.
  var pendingBytes: Int { batch.bytes.count }
  /// Bytes that it takes in a segment, in the footer too.
  var segmentBytes: Int {
    Layout.pages(Layout.frame + batch.bytes.count)
      + Layout.pages(max(0, termRuns.count - 2) * SegmentFooter.termRunBytes)
  }

  /// The batch with room for a frame in front of it.
  func framed() -> FramedBatch {
    do {
      return try FramedBatch(adopting: batch)
    } catch {
      preconditionFailure("a batch that was checked is not what it was: \(error)")
    }
  }
}

/// A request that waits for the writer.
enum PendingWrite {
  case batch(PendingBatch)
  case ready(ReadyBatch, Ticket)
  case truncate(after: LogIndex, Ticket)
  case hardState(HardState, Mark?, Ticket)
  case compact(through: LogIndex, Ticket)
  /// The log begins behind this entry, which a snapshot holds.
  case restart(after: LogIndex, of: Term, Ticket)
  case sync(Ticket)
  case close(Ticket)

  var tickets: ClosedRange<Ticket> {
    switch self {
    case .batch(let batch): batch.firstTicket...batch.lastTicket
    case .truncate(_, let ticket), .ready(_, let ticket), .hardState(_, _, let ticket),
      .compact(_, let ticket), .restart(_, _, let ticket), .sync(let ticket), .close(let ticket):
      ticket...ticket
    }
  }

  /// True for what fails when the disk is full; the rest needs no new space.
  var needsSpace: Bool {
    switch self {
    case .batch, .ready, .truncate, .restart: true
    case .hardState, .compact, .sync, .close: false
    }
  }

  /// Bytes that it takes in a segment if it brings entries; nil if it brings none.
  var batchBytes: Int? {
    switch self {
    case .batch(let batch): batch.segmentBytes
    case .ready(let batch, _): batch.segmentBytes
    default: nil
    }
  }

  /// What it counts for among the bytes that wait.
  fileprivate var pendingBytes: Int {
    switch self {
    case .batch(let batch): batch.pendingBytes
    case .ready(let batch, _): batch.pendingBytes
    default: 0
    }
  }
}

struct WriteQueue {
  private var items: [PendingWrite] = []
  private var head = 0
  /// Bytes that wait: payloads, and their rows in the tables of their batches.
  private(set) var pendingBytes = 0
  /// Payload bytes that are about to come in one go.
  private var expectedBytes = 0

  var isEmpty: Bool { head == items.count }
  var first: PendingWrite? { isEmpty ? nil : items[head] }
  /// The item behind the first.
  var second: PendingWrite? { head + 1 < items.count ? items[head + 1] : nil }

  /// The highest index that a waiting compaction removes.
  var compactsThrough: LogIndex? {
    items[head...].compactMap { if case .compact(let index, _) = $0 { index } else { nil } }.max()
  }

  mutating func append(_ item: PendingWrite) {
    pendingBytes += item.pendingBytes
    items.append(item)
  }

  /// Says how much is about to be added, so that the next batch is made with room for it.
  mutating func expect(bytes: Int) { expectedBytes = bytes }

  /// Adds an entry to the last batch, or begins a new one.
  mutating func append(
    _ payload: RawSpan, kind: EntryKind, term: Term, index: LogIndex, group: UID, ticket: Ticket,
    limit: Int
  ) {
    pendingBytes += payload.byteCount + Layout.tableRow
    defer { expectedBytes = max(0, expectedBytes - payload.byteCount) }
    if !isEmpty, case .batch(let batch) = items[items.count - 1], batch.nextIndex == index,
      batch.append(payload, kind: kind, term: term, ticket: ticket, limit: limit)
    {
      return
    }
    var builder = BatchBuilder(
      group: group, firstIndex: index,
      capacity: Self.capacity(for: max(payload.byteCount, min(expectedBytes, limit))))
    builder.append(payload, kind: kind, term: term)
    items.append(.batch(PendingBatch(builder: builder, ticket: ticket)))
  }

  /// Room for payloads with what belongs to them; a batch of very small entries grows beyond it.
  private static func capacity(for payloads: Int) -> Int {
    Layout.pages(Layout.frame + Layout.bodyHeader + Layout.tableRow + payloads + payloads / 64)
  }

  mutating func removeFirst() -> PendingWrite {
    let item = items[head]
    head += 1
    pendingBytes -= item.pendingBytes
    if head == items.count {
      items.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 64, head * 2 > items.count {
      items.removeFirst(head)
      head = 0
    }
    return item
  }

  /// Takes out everything that needs space and returns its tickets.
  mutating func removeAllNeedingSpace() -> [ClosedRange<Ticket>] {
    let waiting = items[head...]
    let failed = waiting.filter(\.needsSpace).map(\.tickets)
    items = waiting.filter { !$0.needsSpace }
    head = 0
    pendingBytes = 0
    return failed
  }

  /// Takes out everything and returns its tickets.
  mutating func removeAll() -> [ClosedRange<Ticket>] {
    let failed = items[head...].map(\.tickets)
    items = []
    head = 0
    pendingBytes = 0
    return failed
  }
}
