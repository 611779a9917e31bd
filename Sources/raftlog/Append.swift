// raftlog append: standard input becomes entries, a line an entry.

import ArgumentParser
import ByteBuffers
import LogFormat
import LogStorage

struct Append: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Appends each line of standard input as an entry.",
    discussion: """
      A last line without LF counts, an empty line is an entry, CR and NUL are data. With --acks \
      the index of each entry is printed once it is durable: what was printed survives.
      """)

  @OptionGroup var data: DataOptions

  @Flag(help: "Print the index of each entry once it is durable.")
  var acks = false

  @Option(help: "Compression of batches: auto, none or lz4.")
  var codec: CodecChoice = .auto

  @Option(
    help: """
      When entries are synced: always (before they count as appended), interval (every 50 ms), or \
      never (when a segment ends and at the end).
      """)
  var sync: SyncChoice = .always

  @Option(help: "Bytes at which a segment ends.")
  var segmentBytes = EngineOptions().segmentBytes

  @Option(help: "The longest line that is taken, in bytes.")
  var maxEntryBytes = EngineOptions().entryBytesMax

  mutating func run() async throws {
    try await exiting { try await append() }
  }

  private func append() async throws {
    var options = LogOptions()
    options.engine.compression = codec.compression
    options.engine.syncMode = sync.mode
    options.engine.segmentBytes = segmentBytes
    options.engine.entryBytesMax = maxEntryBytes
    let log = try SegmentedLog.open(data.path, options: options)
    log.reportRecovery()
    var session = AppendSession(log: log, acks: acks, limit: maxEntryBytes)
    let failure: (any Error)?
    do {
      try await session.run()
      failure = nil
    } catch {
      failure = error
    }
    // Whatever went wrong, what was taken before is finished and acknowledged first.
    try await session.finish(after: failure)
  }
}

/// One run of `append`: reads, enqueues, acknowledges, counts.
private struct AppendSession {
  private let log: SegmentedLog
  private let receipts: AsyncStream<AppendReceipt>.Continuation
  private let acknowledging: Task<Void, any Error>
  private var splitter: LineSplitter
  private var bytes = 0
  /// The index that the first line gets.
  private let first: LogIndex
  /// The index that the next line must get: lines that follow one that failed are not taken.
  private var expected: LogIndex
  private let start = ContinuousClock.now
  private var lastProgress = ContinuousClock.now

  init(log: SegmentedLog, acks: Bool, limit: Int) {
    self.log = log
    splitter = LineSplitter(limit: limit)
    first = log.appendedIndex + 1
    expected = first
    let (stream, continuation) = AsyncStream.makeStream(of: AppendReceipt.self)
    receipts = continuation
    acknowledging = Task.detached {
      for await receipt in stream {
        try await log.waitUntilDurable(receipt)
        if acks { Self.acknowledge(receipt.indices) }
      }
    }
  }

  private static func acknowledge(_ indices: ClosedRange<LogIndex>) {
    var output = StandardOutput()
    for index in indices {
      output.number(index)
      output.byte(10)
    }
    output.flush()
  }

  mutating func run() async throws {
    while true {
      let chunk = try StandardInput.next(256 << 10)
      if chunk.isEmpty { break }
      let (lines, error) = splitter.lines(in: chunk)
      try await enqueue(lines)
      if let error { throw error }
      showProgress()
    }
    if let last = splitter.last() { try await enqueue([last]) }
  }

  private mutating func enqueue(_ lines: [Bytes]) async throws {
    guard !lines.isEmpty else { return }
    let receipt = try await log.enqueue(lines, expecting: expected)
    expected = receipt.indices.upperBound + 1
    receipts.yield(receipt)
    bytes += lines.reduce(0) { $0 + $1.count }
  }

  private mutating func showProgress() {
    let now = ContinuousClock.now
    guard now - lastProgress > .milliseconds(500) else { return }
    lastProgress = now
    StandardError.progress("\(splitter.count) entries, \(log.durableIndex) durable")
  }

  func finish(after failure: (any Error)?) async throws {
    receipts.finish()
    // In the other modes nothing would sync the last entries before the log is closed.
    var failure = failure
    do {
      try await log.sync()
      try await acknowledging.value
    } catch {
      // What failed first is the cause; that lines behind it were not taken follows from it.
      failure = (failure as? LineTooLong) ?? error
    }
    let durable = log.durableIndex
    let syncs = log.status.syncs
    do {
      try await log.close()
    } catch {
      failure = failure ?? error
    }
    StandardError.progress("")
    summarize(entries: durable + 1 - first, syncs: syncs)
    if let error = failure as? LineTooLong {
      StandardError.line(
        "raftlog: line \(error.line) is longer than \(error.limit) bytes; the lines before it are "
          + "in the log. Raise --max-entry-bytes, or shorten the line.")
      throw ExitStatus.badInput
    }
    if let failure { throw failure }
  }

  private func summarize(entries: UInt64, syncs: Int) {
    let elapsed = (ContinuousClock.now - start).components
    let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
    let hundredths = Int(seconds * 100)
    let fraction = hundredths % 100
    StandardError.line(
      "\(entries) entries, \(bytes) bytes, "
        + "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) seconds, "
        + "\(syncs) syncs")
  }
}

enum CodecChoice: String, ExpressibleByArgument, CaseIterable {
  case auto, none, lz4

  var compression: Compression {
    switch self {
    case .auto: .automatic
    case .none: .none
    case .lz4: .lz4
    }
  }
}

enum SyncChoice: String, ExpressibleByArgument, CaseIterable {
  case always, interval, never

  var mode: SyncMode {
    switch self {
    case .always: .always
    case .interval: .interval(.milliseconds(50))
    case .never: .never
    }
  }
}
