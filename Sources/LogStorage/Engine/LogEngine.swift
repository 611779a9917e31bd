// LogEngine: the log as a value. Requests, completions and time go in; disk jobs come out.
//
// What must always hold:
//   - the value does no I/O, reads no clock and draws no randomness of its own;
//   - at most one job a lane is out at any time, and a lane's jobs are carried out in order;
//   - nothing counts as durable before the job that syncs it is reported done;
//   - after a failed write or sync nothing counts as durable ever again (`poison`).
//
// compacted < first index <= durable + 1, durable <= written <= last: checked at every step.

public import ByteBuffers
public import LogFormat
public import Recovery
public import StorageIO

/// Who carries a job out.
public enum Lane: Sendable, CaseIterable {
  /// Batches, manifest edits, votes: what somebody waits for.
  case writer
  /// Spares, seals, removals: what can take its time.
  case background
}

/// What became of requests, where it is not success.
public struct FailedRequests: Sendable {
  public let tickets: [ClosedRange<Ticket>]
  public let error: LogError
}

/// Where appended entries landed, and what to wait for.
public struct AppendReceipt: Hashable, Sendable {
  /// The indices that the entries have, in order.
  public let indices: ClosedRange<LogIndex>
  public let ticket: Ticket
}

public struct LogEngine: ~Copyable {
  public let options: EngineOptions

  // What the disk is known to hold.
  public internal(set) var manifest: ManifestState
  var position: ManifestPosition
  public internal(set) var hardState: HardState
  /// Set while the directory may have lost something that it acknowledged.
  public internal(set) var mark: Mark?
  var voteGeneration: UInt64
  var appender: SegmentAppender
  var lastSequence: UInt64
  public let boot: Boot

  // What was asked for.
  var queue = WriteQueue()
  /// The terms of all entries up to the last one that was taken, written or not.
  public internal(set) var terms: TermTable
  var lastTicket: Ticket = 0

  // What is on its way.
  var nextJobNumber: UInt64 = 1
  var writer = WriterState.idle
  /// A batch that failed for want of space, to be taken away before anybody is told.
  var erasure: (tickets: ClosedRange<Ticket>, cause: LogError)?
  /// Work whose last steps are carried out again once the reserve is given up.
  var interrupted: WriterWork?
  var background = BackgroundState()
  var random: SplitMix64
  /// The request to begin behind a snapshot, while it waits.
  var restarting: Ticket?
  /// The request to close, once there was one.
  var closing: Ticket?
  /// What was asked last to be stored.
  var requestedState: HardState
  var requestedMark: Mark?
  /// The highest index that a waiting compaction removes.
  var compactingThrough: LogIndex = 0

  // What has been done.
  /// The last index that is written, synced or not.
  public internal(set) var writtenIndex: LogIndex
  /// The last index that is on the disk.
  public internal(set) var durableIndex: LogIndex
  /// Every request up to here that did not fail is written.
  public internal(set) var writtenTicket: Ticket = 0
  /// Every request up to here that did not fail is on the disk.
  public internal(set) var durableTicket: Ticket = 0
  var failures: [FailedRequests] = []
  /// Why the log answers nothing more.
  public internal(set) var poison: LogError?
  /// When the last write that is not synced yet has to be.
  var syncDeadline: Duration?
  /// When the last batch is to be vouched for.
  var markerDeadline: Duration?
  /// What was written last.
  var recent: RecentBatches
  /// Truncations that were done, for readers.
  let truncationHistory = TruncationHistory()
  /// Syncs that were carried out, for people.
  public internal(set) var syncCount = 0

  /// - Parameter seed: what names and salts are drawn from.
  public init(_ opened: OpenedLog, options: EngineOptions, seed: UInt64) {
    self.options = options
    manifest = opened.manifest
    position = opened.manifestPosition
    hardState = opened.hardState
    voteGeneration = opened.voteGeneration
    requestedState = opened.hardState
    mark = opened.mark
    requestedMark = opened.mark
    appender = SegmentAppender(opened.active, group: opened.manifest.group)
    lastSequence = opened.lastSequence
    boot = opened.boot
    random = SplitMix64(seed: seed)
    recent = RecentBatches(bytesMax: options.recentBytesMax)
    terms = Self.terms(opened.manifest, opened.active.end)
    writtenIndex = max(opened.active.end.index, terms.firstIndex - 1)
    durableIndex = writtenIndex
    background.segmentBytes = min(options.segmentBytes, options.segmentBytesFirst)
    // A short one was never finished, or is of another size: it is made anew.
    background.hasReserve = opened.reserveBytes == options.reserveBytes
    // A log that keeps no reserve never tries to make one.
    background.reserveFailed = options.reserveBytes == 0
    // The opening removed these files; the manifest does not know yet.
    background.notes.forgotten = opened.removed
    precondition(terms.lastIndex == writtenIndex, "the term table does not reach the last entry")
  }

  // MARK: The log as it stands

  public var group: UID { manifest.group }
  public var firstIndex: LogIndex { terms.firstIndex }
  /// The last index that was taken, written or not.
  public var lastIndex: LogIndex { terms.lastIndex }
  public var lastTerm: Term { terms.lastTerm }
  /// False when so much waits for the disk that a caller should wait too.
  public var hasRoom: Bool { queue.pendingBytes < options.pendingBytesMax }
  /// True while a job of the writer is out.
  public var isWriting: Bool { if case .busy = writer { true } else { false } }
  var isClosing: Bool { closing != nil }
  public var isClosed: Bool { if case .closed = writer { true } else { false } }

  /// Bytes that the log's files take, prepared space included.
  public var diskBytes: Int {
    manifest.segments.reduce(0) { $0 + ($1.seal?.size ?? $1.capacity) }
      + background.spareBytes + 2 * position.fileBytes + 2 * Layout.voteFile
      + (background.hasReserve ? options.reserveBytes : 0)
  }

  /// Truncations that were done; it rises in the step in which their entries stop being readable.
  public var truncations: Int { truncationHistory.count }

  /// The segment that is being written, and the batches in it.
  public var active: (record: SegmentRecord, batches: [BatchLocation]) {
    (appender.record, appender.batches)
  }

  /// The batches of a segment that is not sealed yet; nil when its file's footer says it.
  public func batches(of uid: UID) -> [BatchLocation]? {
    if uid == appender.record.uid { return appender.batches }
    return background.unsealed.first { $0.record.uid == uid }?.footer.batches
  }

  // MARK: Requests

  private mutating func admit() throws(LogError) {
    if let poison { throw poison }
    if isClosing || isClosed { throw LogError(.closed, "the log is closed") }
  }

  /// For requests that change which entries there are.
  private mutating func admitChange() throws(LogError) {
    try admit()
    guard restarting == nil else {
      throw LogError(.unexpectedIndex, "the log is about to begin behind a snapshot: wait for that")
    }
  }

  private mutating func ticket() -> Ticket {
    lastTicket += 1
    return lastTicket
  }

  /// Takes an entry; it is done when `durableTicket` (or `writtenTicket`, in the other sync modes)
  /// reaches the ticket.
  public mutating func append(
    _ payload: RawSpan, kind: EntryKind = .data, term: Term
  ) throws(LogError) -> (index: LogIndex, ticket: Ticket) {
    try admitChange()
    guard payload.byteCount <= options.entryBytesMax else {
      throw LogError(
        .entryTooLarge,
        "an entry of \(payload.byteCount) bytes; this log takes up to \(options.entryBytesMax)")
    }
    try requireNumbers(for: 1, behind: terms.lastIndex, terms.lastTerm, term: term)
    return take(payload, kind: kind, term: term)
  }

  /// Takes entries, all of them or none.
  ///
  /// - Parameter term: the term of all of them; nil for the last entry's.
  public mutating func append(
    _ payloads: [Bytes], kind: EntryKind = .data, term: Term? = nil
  ) throws(LogError) -> AppendReceipt {
    try admitChange()
    try requireSizes(payloads)
    let term = term ?? terms.lastTerm
    try requireNumbers(for: payloads.count, behind: terms.lastIndex, terms.lastTerm, term: term)
    return take(payloads, kind: kind, term: term)
  }

  /// Cuts off every entry behind `index`. What is appended next takes their place in the same write.
  public mutating func truncate(after index: LogIndex) throws(LogError) -> Ticket {
    try admitChange()
    try requireCut(after: index)
    return take(truncationAfter: index)
  }

  /// Cuts off every entry behind `index` and takes others in their place, all of it or nothing.
  ///
  /// - Parameter term: the term of all of them; nil for that of the entry at `index`.
  public mutating func replace(
    after index: LogIndex, with payloads: [Bytes], kind: EntryKind = .data, term: Term? = nil
  ) throws(LogError) -> AppendReceipt {
    try admitChange()
    try requireCut(after: index)
    try requireSizes(payloads)
    let lastTerm = terms.term(at: index)!
    let term = term ?? lastTerm
    try requireNumbers(for: payloads.count, behind: index, lastTerm, term: term)
    _ = take(truncationAfter: index)
    return take(payloads, kind: kind, term: term)
  }

  /// Takes a batch as it was encoded elsewhere, where `first` is the next index: its entries from there
  /// on. The bytes are written as they are.
  ///
  /// - Throws: `LogError` with `damaged` if the batch is of another group, or is not what its checksums
  ///   say; nothing was taken then.
  public mutating func append(_ batch: Batch, from first: LogIndex) throws(LogError) -> Ticket {
    try admitChange()
    let header = batch.header
    guard first == terms.lastIndex + 1, header.indices.contains(first) else {
      throw LogError(
        .unexpectedIndex,
        "a batch of entries \(header.firstIndex) to \(header.lastIndex) for index \(first), and the "
          + "log ends at \(terms.lastIndex)")
    }
    guard header.group == group else {
      throw LogError(.damaged, "a batch of group \(header.group), and this is \(group)")
    }
    let ready: ReadyBatch
    do throws(FormatError) {
      try batch.verifyChecksums()
      ready = try ReadyBatch(batch, from: first)
    } catch {
      throw LogError(.damaged, "a batch for index \(first) is not what was sent: \(error.message)")
    }
    try requireNumbers(
      for: Int(header.lastIndex - first) + 1, behind: terms.lastIndex, terms.lastTerm,
      term: ready.termRuns[0].term)
    let ticket = ticket()
    terms.append(ready.termRuns, through: ready.last)
    queue.append(.ready(ready, ticket))
    markerDeadline = nil
    return ticket
  }

  /// Lets the log begin behind an entry that a snapshot holds. If the log has that very entry, those
  /// behind it stay; otherwise they are gone. Until that is done no entries are taken.
  public mutating func restart(after index: LogIndex, of term: Term) throws(LogError) -> Ticket {
    try admitChange()
    guard index >= max(firstIndex, compactingThrough) else {
      throw LogError(.compacted, "beginning behind \(index), and the log begins at \(firstIndex)")
    }
    guard index < Layout.indexMax, term <= Layout.indexMax else {
      throw LogError(.outOfRange, "beginning behind \(index), of term \(term)")
    }
    let ticket = ticket()
    restarting = ticket
    queue.append(.restart(after: index, of: term, ticket))
    return ticket
  }

  // MARK: Taking what was checked

  private mutating func take(
    _ payload: RawSpan, kind: EntryKind, term: Term
  ) -> (index: LogIndex, ticket: Ticket) {
    let index = terms.lastIndex + 1
    let ticket = ticket()
    terms.append(through: index, term: term)
    queue.append(
      payload, kind: kind, term: term, index: index, group: group, ticket: ticket,
      limit: options.batchBytesMax)
    markerDeadline = nil
    return (index, ticket)
  }

  private mutating func take(
    _ payloads: [Bytes], kind: EntryKind, term: Term
  ) -> AppendReceipt {
    let first = terms.lastIndex + 1
    queue.expect(bytes: payloads.reduce(0) { $0 + $1.count })
    var ticket: Ticket = 0
    for payload in payloads { ticket = take(payload.span, kind: kind, term: term).ticket }
    return AppendReceipt(indices: first...terms.lastIndex, ticket: ticket)
  }

  private mutating func take(truncationAfter index: LogIndex) -> Ticket {
    let ticket = ticket()
    // Also where the log seems to end there already: what made it end there may fail yet.
    terms.truncate(after: index)
    queue.append(.truncate(after: index, ticket))
    return ticket
  }

  private func requireSizes(_ payloads: [Bytes]) throws(LogError) {
    guard !payloads.isEmpty else {
      throw LogError(.outOfRange, "an append of no entries: there is no index to return")
    }
    let limit = options.entryBytesMax
    guard let i = payloads.firstIndex(where: { $0.count > limit }) else { return }
    throw LogError(
      .entryTooLarge,
      "entry \(i + 1) of \(payloads.count) has \(payloads[i].count) bytes; this log takes up to "
        + "\(limit)")
  }

  private func requireNumbers(
    for count: Int, behind last: LogIndex, _ lastTerm: Term, term: Term
  ) throws(LogError) {
    guard term >= lastTerm else {
      throw LogError(.termWentBack, "an entry of term \(term) behind one of term \(lastTerm)")
    }
    guard term <= Layout.indexMax else {
      throw LogError(.outOfRange, "term \(term) is more than a log may reach")
    }
    let (end, isPast) = last.addingReportingOverflow(LogIndex(count))
    guard !isPast, end < Layout.indexMax else {
      throw LogError(.outOfRange, "the log's indices are used up")
    }
  }

  private func requireCut(after index: LogIndex) throws(LogError) {
    guard index >= max(firstIndex - 1, compactingThrough) else {
      throw LogError(
        .compacted, "truncating after entry \(index), but the log begins at \(firstIndex)")
    }
    guard index <= lastIndex else {
      throw LogError(.outOfRange, "truncating after entry \(index) of \(lastIndex)")
    }
  }

  // MARK: Other requests

  /// Forgets every entry up to `index`; files that hold nothing else are deleted.
  public mutating func compact(through index: LogIndex) throws(LogError) -> Ticket {
    try admit()
    guard index <= durableIndex, index <= lastIndex else {
      throw LogError(
        .outOfRange, "compacting through entry \(index), of which \(durableIndex) are durable")
    }
    let ticket = ticket()
    compactingThrough = max(compactingThrough, index)
    queue.append(.compact(through: index, ticket))
    return ticket
  }

  /// Stores term and vote, together.
  public mutating func save(_ state: HardState) throws(LogError) -> Ticket {
    try admit()
    guard state.term >= requestedState.term else {
      throw LogError(
        .termWentBack, "storing term \(state.term) over term \(requestedState.term)")
    }
    guard state.term <= Layout.indexMax else {
      throw LogError(.outOfRange, "term \(state.term) is more than a log may reach")
    }
    requestedState = state
    return saveRequested()
  }

  /// Stores that the directory may have lost something that it acknowledged, or that it has it back.
  public mutating func save(mark: Mark?) throws(LogError) -> Ticket {
    try admit()
    requestedMark = mark
    return saveRequested()
  }

  private mutating func saveRequested() -> Ticket {
    let ticket = ticket()
    queue.append(.hardState(requestedState, requestedMark, ticket))
    return ticket
  }

  /// Done when everything that was asked before is on the disk, whatever the sync mode.
  public mutating func sync() throws(LogError) -> Ticket {
    try admit()
    let ticket = ticket()
    queue.append(.sync(ticket))
    return ticket
  }

  /// Finishes what was asked, syncs, and notes in the manifest that this was a clean stop.
  ///
  /// Closing a log that is being closed is the same request once more.
  public mutating func close() throws(LogError) -> Ticket {
    if let closing { return closing }
    try admit()
    let ticket = ticket()
    closing = ticket
    queue.append(.close(ticket))
    return ticket
  }

  /// Requests that failed since the last call.
  public mutating func takeFailures() -> [FailedRequests] {
    defer { failures = [] }
    return failures
  }

  // MARK: Jobs

  /// The next job of a lane, or nil while there is nothing to do or one is out.
  ///
  /// - Parameter now: a monotonic time, on any scale.
  public mutating func nextJob(_ lane: Lane, now: Duration) -> DiskJob? {
    defer { checkInvariants() }
    guard poison == nil else { return nil }
    switch lane {
    case .writer: return nextWriterJob(now: now)
    case .background: return nextBackgroundJob()
    }
  }

  /// True when a lane has something to do, or waits for the other one to have done something.
  public func hasWork(_ lane: Lane) -> Bool {
    guard poison == nil else { return false }
    switch lane {
    case .writer:
      return !queue.isEmpty || background.hasNotes || erasure != nil || interrupted != nil
        || background.releasesReserve
    case .background:
      return background.hasWork || (background.current == nil && wantsReserve && !isClosed)
    }
  }

  /// When the writer has something to do even if nobody asks; nil for never.
  public var deadline: Duration? {
    guard poison == nil, case .idle = writer else { return nil }
    // A marker is for an idle writer: behind what waits for the background it has no time.
    switch (syncDeadline, queue.isEmpty ? markerDeadline : nil) {
    case (let a?, let b?): return min(a, b)
    case (let a, let b): return a ?? b
    }
  }

  /// A job was carried out, or failed.
  public mutating func completed(_ id: JobID, _ error: StorageError?, now: Duration) {
    defer { checkInvariants() }
    if case .busy(let job, let work) = writer, job == id {
      writer = .idle
      // What the other lane's failure has put in doubt is not believed any more.
      guard poison == nil else { return }
      if let error { failed(work, error) } else { finished(work, now: now) }
    } else if case .busy(let job, let work)? = background.current, job == id {
      background.current = nil
      guard poison == nil else { return }
      if let error { failed(work, error) } else { finished(work) }
    } else {
      preconditionFailure("a job was reported that is not out")
    }
  }

  mutating func newJob(_ steps: [DiskStep]) -> DiskJob {
    defer { nextJobNumber += 1 }
    return DiskJob(id: JobID(nextJobNumber), steps: steps)
  }

  /// Nothing on the disk is trusted from here on; everybody who waits is told.
  mutating func poison(_ error: LogError) {
    guard poison == nil else { return }
    poison = error
    // Also those whose job is out, and will not be believed.
    let waiting = writtenTicket < lastTicket ? [writtenTicket + 1...lastTicket] : []
    _ = queue.removeAll()
    failures.append(FailedRequests(tickets: waiting, error: error))
  }

  func checkInvariants() {
    precondition(firstIndex <= durableIndex + 1, "the log begins behind what is durable")
    precondition(durableIndex <= writtenIndex, "durable before it was written")
    // A truncation lowers the last index when it is taken, the written one when it is done.
    let isSettled = queue.isEmpty && writer.isIdle && erasure == nil && poison == nil
    precondition(!isSettled || writtenIndex == lastIndex, "written and taken entries differ")
    precondition(durableTicket <= writtenTicket, "durable before it was written")
    precondition(appender.durableOrdinal <= appender.end.ordinal, "durable past the end")
  }
}
