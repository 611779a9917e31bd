// AppendSession: one run of `append`: reads, enqueues, waits until all of it is durable, counts.
//
// What must always hold: whatever went wrong, what was taken before is finished and acknowledged
// first, and the log is closed; what is counted at the end is durable.

import ByteBuffers
import LogFormat
import LogStorage
import ProgramSupport

struct AppendSession {
  private let log: SegmentedLog
  private let input: StandardInput
  private let acknowledger: Acknowledger
  private var splitter: LineSplitter
  /// The index that the next line must get: lines that follow one that failed are not taken.
  private var expected: LogIndex
  private let start = ContinuousClock.now
  private let progress = ProgressLine("appending")

  private static let chunkBytes = 256 << 10

  init(_ log: SegmentedLog, _ input: StandardInput, acks: Bool, limit: Int) {
    self.log = log
    self.input = input
    acknowledger = Acknowledger(log, input, acks: acks)
    splitter = LineSplitter(limit: limit)
    expected = log.appendedIndex + 1
  }

  mutating func run() throws {
    var failure: (any Error)?
    do {
      try takeInput()
    } catch {
      failure = error
    }
    try finish(after: failure)
  }

  private mutating func takeInput() throws {
    while let chunk = try input.next(Self.chunkBytes) {
      if chunk.isEmpty {
        if let last = splitter.last() { try enqueue([last]) }
        return
      }
      let (lines, error) = splitter.lines(in: chunk)
      try enqueue(lines)
      if let error { throw error }
      progress.show("line \(splitter.count), durable through entry \(log.durableIndex)")
    }
  }

  private mutating func enqueue(_ lines: [Bytes]) throws {
    guard !lines.isEmpty else { return }
    let (log, expected) = (log, expected)
    let receipt =
      try log.tryEnqueue(lines, expecting: expected)
      ?? blocking { try await log.enqueue(lines, expecting: expected) }
    self.expected = receipt.indices.upperBound + 1
    acknowledger.add(receipt, bytes: lines.reduce(0) { $0 + $1.count })
  }

  // MARK: The end

  private func finish(after failure: (any Error)?) throws {
    let log = log
    var causes: [(any Error)?] = []
    // In the other modes nothing would sync the last entries before the log is closed.
    let synced = Result { try blocking { try await log.sync() } }
    let sum = acknowledger.finish()
    // That later lines were not taken follows from the failure of earlier ones.
    causes += [sum.failure, synced.failure, sum.outputFailure, failure]
    let syncs = log.status.syncs
    causes.append(Result { try blocking { try await log.close() } }.failure)
    progress.clear()
    summarize(sum, syncs: syncs)
    if let cause = causes.compactMap({ $0 }).first { throw Self.explained(cause) }
  }

  private static func explained(_ error: any Error) -> any Error {
    switch error {
    case let error as LineTooLong:
      Failure(
        .badInput,
        "line \(error.line) is longer than \(Wording.plain(error.limit, "byte", "bytes")); the lines "
          + "before it are in the log. Raise --max-entry-bytes, or shorten the line.")
    case let error as OutputError:
      // Not quietly, even if it is only that nobody reads them: there may be more input.
      Failure(
        .inputOutput,
        "cannot print acknowledgements: \(error.errno); what was read before is in the log, and "
          + "nothing behind it")
    default: error
    }
  }

  private func summarize(_ sum: Acknowledger.Sum, syncs: Int) {
    let elapsed = (ContinuousClock.now - start).components
    let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
    StandardError.line(
      Wording.plain(sum.entries, "entry", "entries") + ", "
        + Wording.plain(sum.bytes, "byte", "bytes") + ", \(Wording.decimal(seconds, 2)) seconds, "
        + Wording.plain(syncs, "sync", "syncs"))
  }
}

extension Result {
  fileprivate var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
