// SegmentedLog: the log on one machine, for a program to embed. The threaded shell around LogEngine.
//
// What must always hold: what `append` returned is as durable as the sync mode promises; a failed
// write or sync is told to everybody who waits, and to everybody who comes later.

public import ByteBuffers
public import LogFormat
import Logging
public import Recovery
public import StorageIO
import Synchronization

/// What a log is like right now.
public struct LogStatus: Sendable {
  public var group: UID
  public var incarnation: UID
  public var firstIndex: LogIndex
  public var appendedIndex: LogIndex
  public var durableIndex: LogIndex
  public var lastTerm: Term
  public var segments: Int
  /// Bytes that the log's files take, prepared space included.
  public var diskBytes: Int
  /// Syncs since it was opened.
  public var syncs: Int
}

/// A durable, append-only log in one directory.
///
///     let log = try SegmentedLog.open("data")
///     let index = try await log.append(Bytes("hello"))
///     for try await entry in log.entries(from: 1) { print(entry.index, entry.payload.text) }
///     try await log.close()
public final class SegmentedLog: Sendable {
  let core: LogCore
  private let reader: SegmentedLogReader
  /// What opening found and mended.
  public let findings: [Finding]

  private init(core: LogCore, findings: [Finding]) {
    self.core = core
    self.findings = findings
    reader = SegmentedLogReader(core)
  }

  deinit { core.stop() }

  // MARK: Opening and closing

  /// Opens the log in the directory at `path`, recovering it if it was not closed.
  public static func open(
    _ path: String, options: LogOptions = LogOptions()
  ) throws(LogError) -> SegmentedLog {
    try options.engine.validate()
    let directory: POSIXDirectory
    do {
      directory = try POSIXDirectory(path: path, create: options.createsIfMissing)
    } catch {
      if error.isNotFound {
        throw LogError(.noLog, "\(path): there is no such directory", storageError: error)
      }
      throw LogError(error)
    }
    var random = SystemRandomNumberGenerator()
    return try open(directory, options: options, seed: random.next())
  }

  /// Opens the log in `directory`, wherever that is.
  ///
  /// - Parameter seed: what names and salts are drawn from; random in production.
  public static func open(
    _ directory: any StorageDirectory, options: LogOptions, seed: UInt64
  ) throws(LogError) -> SegmentedLog {
    try options.engine.validate()
    if !options.createsIfMissing { try requireLog(directory) }
    let lock = try LogOpener.lock(
      directory, options: options.engine, group: options.group, seed: seed)
    let plan: OpeningPlan
    do {
      plan = try LogOpener.open(
        directory, options: options.engine, group: options.group, seed: seed)
    } catch {
      lock.release()
      throw error
    }
    for finding in plan.findings {
      options.logger?.info(
        "recovery", metadata: ["finding": "\(finding)", "action": "\(finding.verdict.action)"])
    }
    // Not what the opening drew from: that began with a number that the manifest shows to everybody.
    var random = SplitMix64(seed: ~seed)
    let engine = LogEngine(plan.opened, options: options.engine, seed: random.next())
    let core = LogCore(engine: engine, directory: directory, lock: lock, logger: options.logger)
    try core.start()
    return SegmentedLog(core: core, findings: plan.findings)
  }

  private static func requireLog(_ directory: any StorageDirectory) throws(LogError) {
    do {
      if Diagnosis(try DirectoryEvidence.gather(directory)).isUnborn {
        throw LogError(.noLog, "\(directory.path): there is no log in this directory")
      }
    } catch let error as LogError {
      throw error
    } catch let error as StorageError {
      throw LogError(error)
    } catch {
      preconditionFailure("an error of another kind: \(error)")
    }
  }

  /// Finishes what was asked, syncs, and notes that this was a clean stop. The log cannot be used
  /// afterwards, and gives its directory up, even if closing fails; closing it twice is fine. A task
  /// that is cancelled goes on closing.
  public func close() async throws(LogError) {
    let result: Result<Void, LogError>
    do throws(LogError) {
      let ticket = try core.request { engine throws(LogError) in try engine.close() }
      result = await withCheckedContinuation { core.wait(.task($0), for: .done(ticket)) }
    } catch {
      result = .failure(error)
    }
    core.stop()
    try result.get()
  }

  // MARK: Appending

  /// Appends an entry, and returns its index once it is as durable as the sync mode promises.
  ///
  /// Any number of tasks may append at the same time; entries that arrive while a sync is under way
  /// share the next one. A task that is cancelled while it waits gets `cancelled`, and its entry may
  /// be in the log all the same.
  ///
  /// - Parameter term: the entry's term; nil takes the last entry's.
  @discardableResult
  public func append(
    _ payload: Bytes, kind: EntryKind = .data, term: Term? = nil
  ) async throws(LogError) -> LogIndex {
    try await append(contentsOf: [payload], kind: kind, term: term).upperBound
  }

  /// Appends entries, one behind the other with nothing between them.
  @discardableResult
  public func append(
    contentsOf payloads: [Bytes], kind: EntryKind = .data, term: Term? = nil
  ) async throws(LogError) -> ClosedRange<LogIndex> {
    let receipt = try await enqueue(payloads, kind: kind, term: term)
    try await wait(for: .done(receipt.ticket))
    return receipt.indices
  }

  /// Appends entries on the calling thread, which does the disk work itself when nobody else does:
  /// no hand-off between threads. Not to be called where blocking is not allowed.
  @discardableResult
  public func appendBlocking(
    contentsOf payloads: [Bytes], kind: EntryKind = .data, term: Term? = nil
  ) throws(LogError) -> ClosedRange<LogIndex> {
    try core.appendBlocking(Entries(payloads: payloads, kind: kind, term: term))
  }

  /// Takes entries and returns without waiting for the disk; `wait(for:)` tells when they are done.
  /// Waits only while so much is under way that there is no room.
  ///
  /// - Parameter expecting: the index that the first entry must get. Who enqueues without waiting
  ///   passes the index behind the last receipt's: if an earlier request failed, what was to follow
  ///   it is refused with `unexpectedIndex`, and no gap arises.
  public func enqueue(
    _ payloads: [Bytes], kind: EntryKind = .data, term: Term? = nil, expecting: LogIndex? = nil
  ) async throws(LogError) -> AppendReceipt {
    while true {
      if let receipt = try tryEnqueue(payloads, kind: kind, term: term, expecting: expecting) {
        return receipt
      }
      try await wait(for: .room)
    }
  }

  /// Returns once the entries are as durable as the sync mode promises.
  public func wait(for receipt: AppendReceipt) async throws(LogError) {
    try await wait(for: .done(receipt.ticket))
  }

  /// Returns once the entries are on the disk, whatever the sync mode.
  public func waitUntilDurable(_ receipt: AppendReceipt) async throws(LogError) {
    try await wait(for: .durable(receipt.ticket))
  }

  /// Takes entries if there is room; nil when so much waits for the disk that the caller should wait,
  /// too.
  public func tryEnqueue(
    _ payloads: [Bytes], kind: EntryKind = .data, term: Term? = nil, expecting: LogIndex? = nil
  ) throws(LogError) -> AppendReceipt? {
    let entries = Entries(payloads: payloads, kind: kind, term: term, expecting: expecting)
    return try core.append(entries)
  }

  // MARK: Changing

  /// Cuts off every entry behind `index`, durably as the sync mode promises.
  public func truncate(after index: LogIndex) async throws(LogError) {
    try await perform { engine throws(LogError) in try engine.truncate(after: index) }
  }

  /// Cuts off every entry behind `index` and appends others in their place: all of it is checked
  /// first, and nothing changes if a part is refused.
  ///
  /// Within the segment that is being written, where that has room and the payloads fit into one batch
  /// (`EngineOptions.batchBytesMax`), it is one write and one sync: a crash leaves what was there, or
  /// what takes its place. Elsewhere the cut comes first, or with a first part of the payloads, and a
  /// crash may leave that alone; so may a disk that is full.
  ///
  /// - Parameter term: the term of all of them; nil takes that of the entry at `index`.
  @discardableResult
  public func replace(
    after index: LogIndex, with payloads: [Bytes], kind: EntryKind = .data, term: Term? = nil
  ) async throws(LogError) -> ClosedRange<LogIndex> {
    let receipt = try core.request { engine throws(LogError) in
      try engine.replace(after: index, with: payloads, kind: kind, term: term)
    }
    try await wait(for: .done(receipt.ticket))
    return receipt.indices
  }

  /// Forgets every entry up to `index`; files that hold nothing else are deleted.
  public func compact(through index: LogIndex) async throws(LogError) {
    try await perform { engine throws(LogError) in try engine.compact(through: index) }
  }

  /// Stores term and vote, together and durably.
  public func save(_ state: HardState) async throws(LogError) {
    try await perform { engine throws(LogError) in try engine.save(state) }
  }

  /// Returns once everything that was appended before is on the disk, whatever the sync mode.
  public func sync() async throws(LogError) {
    try await perform { engine throws(LogError) in try engine.sync() }
  }

  private func perform(
    _ request: (inout LogEngine) throws(LogError) -> Ticket?
  ) async throws(LogError) {
    guard let ticket = try core.request(request) else { return }
    try await wait(for: .done(ticket))
  }

  // MARK: State

  /// The first index of the log; lower ones were compacted away.
  public var firstIndex: LogIndex { core.state.withLock { $0.engine.firstIndex } }
  /// The last index that was taken; its entry may not be written yet.
  public var appendedIndex: LogIndex { core.state.withLock { $0.engine.lastIndex } }
  /// The last index that is on the disk. A power cut takes nothing up to here.
  public var durableIndex: LogIndex { core.state.withLock { $0.engine.durableIndex } }
  /// Term and vote as they were last stored.
  public var hardState: HardState { core.state.withLock { $0.engine.hardState } }

  /// The term of an entry, or of the one before the first; nil for an index that is not in the log.
  public func term(at index: LogIndex) -> Term? {
    core.state.withLock { $0.engine.terms.term(at: index) }
  }

  public var status: LogStatus {
    core.state.withLock { state in
      LogStatus(
        group: state.engine.group, incarnation: state.engine.manifest.incarnation,
        firstIndex: state.engine.firstIndex, appendedIndex: state.engine.lastIndex,
        durableIndex: state.engine.durableIndex, lastTerm: state.engine.lastTerm,
        segments: state.engine.manifest.segments.count, diskBytes: state.engine.diskBytes,
        syncs: state.engine.syncCount)
    }
  }

  // MARK: Reading

  /// The entry at `index`, checked. Reads on the calling thread.
  public func read(_ index: LogIndex) throws(LogError) -> Entry {
    try reader.read(from: index, to: index, bytesMax: .max)[0]
  }

  /// Entries from `range`, checked, in order: at least one, and more while their payloads add up to
  /// at most `bytesMax`. Payloads are slices of what was read. Reads on the calling thread.
  public func read(
    _ range: ClosedRange<LogIndex>, bytesMax: Int = 1 << 20
  ) throws(LogError) -> [Entry] {
    try reader.read(from: range.lowerBound, to: range.upperBound, bytesMax: bytesMax)
  }

  /// The log's entries from `index` on, and then those that are appended, for as long as the log is
  /// open. The sequence ends when it is closed.
  public func entries(from index: LogIndex) -> LogEntries { LogEntries(log: self, from: index) }

  // MARK: Waiting

  func wait(for milestone: Milestone) async throws(LogError) {
    let place = Mutex<WaitingRoom.Place?>(nil)
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation {
        (continuation: CheckedContinuation<Result<Void, LogError>, Never>) in
        let registered = core.wait(.task(continuation), for: milestone)
        place.withLock { $0 = registered }
        // Cancelled before it was registered: the handler found nothing to cancel.
        if let registered, Task.isCancelled { core.cancel(registered) }
      }
    } onCancel: {
      if let registered = place.withLock({ $0 }) { core.cancel(registered) }
    }
    try result.get()
  }
}

/// The entries of a log, followed as it grows.
///
/// An entry is delivered once it is written; it may not be durable yet, and may be taken back. Once
/// `truncate(after:)` has returned, no entry that it took back is delivered any more, though it was
/// read ahead. What takes its place is delivered: if entries were taken back that had been delivered
/// already, the sequence goes back, and the next entry has an index that is not above the last one's.
/// From that index on, everything delivered before is replaced. The sequence never goes back to below
/// the index that it began with, and now and then by more than was taken back.
///
/// Throws `compacted` when the next entry was compacted away before it was delivered.
public struct LogEntries: AsyncSequence, Sendable {
  public typealias Element = Entry
  let log: SegmentedLog
  let from: LogIndex

  public func makeAsyncIterator() -> Iterator { Iterator(log: log, from: from) }

  /// Reads ahead by up to a mebibyte.
  public struct Iterator: AsyncIteratorProtocol {
    private let log: SegmentedLog
    private let history: TruncationHistory
    private let from: LogIndex
    /// The index that is delivered next.
    private var next: LogIndex
    private var buffer: [Entry] = []
    private var position = 0
    /// The truncations that `next` and `buffer` know of.
    private var truncations: Int

    init(log: SegmentedLog, from: LogIndex) {
      self.log = log
      self.from = from
      history = log.core.state.withLock { $0.engine.truncationHistory }
      truncations = history.count
      next = from
    }

    public mutating func next() async throws(LogError) -> Entry? {
      goBack()
      while position == buffer.count {
        do {
          try await log.wait(for: .readable(next, truncations: truncations))
        } catch  where error.code == .closed {
          return nil
        }
        try fill()
        goBack()
      }
      defer { position += 1 }
      next = buffer[position].index + 1
      return buffer[position]
    }

    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(LogError) -> Entry? {
      try await next()
    }

    /// Reads ahead; nothing if what was to be read was taken back in the meantime.
    private mutating func fill() throws(LogError) {
      position = 0
      buffer = []
      guard history.count == truncations else { return }
      do throws(LogError) {
        buffer = try log.read(next...LogIndex.max)
      } catch {
        if history.count == truncations { throw error }
      }
    }

    /// Lets go of what was read and has been taken back.
    private mutating func goBack() {
      guard let (last, count) = history.lowest(since: truncations) else { return }
      truncations = count
      if next > last { next = Swift.max(from, last + 1) }
      position = 0
      buffer = []
    }
  }
}
