// Acknowledger: waits for what was enqueued, in order, and prints what has become durable.
//
// What must always hold: no index is printed or counted before its entry is durable; when no more can
// be made durable, or be printed, no more input is taken.

import LogFormat
import LogStorage
import ProgramSupport

struct Acknowledger {
  /// What became durable.
  struct Sum: Sendable {
    var entries = 0
    var bytes = 0
    /// Why it was not everything.
    var failure: LogError?
    /// Why not everything could be printed.
    var outputFailure: OutputError?
  }

  private struct Enqueued: Sendable {
    let receipt: AppendReceipt
    let bytes: Int
  }

  private let enqueued: AsyncStream<Enqueued>.Continuation
  private let task: Task<Sum, Never>

  /// - Parameter input: stopped when there is no point in reading on.
  init(_ log: SegmentedLog, _ input: StandardInput, acks: Bool) {
    let (stream, continuation) = AsyncStream.makeStream(of: Enqueued.self)
    enqueued = continuation
    task = Task.detached {
      var sum = Sum()
      for await next in stream {
        do throws(LogError) {
          try await log.waitUntilDurable(next.receipt)
        } catch {
          sum.failure = error
          input.stop()
          break
        }
        sum.entries += next.receipt.indices.count
        sum.bytes += next.bytes
        guard acks, sum.outputFailure == nil else { continue }
        do throws(OutputError) {
          try Self.print(next.receipt.indices)
        } catch {
          sum.outputFailure = error
          input.stop()
        }
      }
      return sum
    }
  }

  private static func print(_ indices: ClosedRange<LogIndex>) throws(OutputError) {
    var output = Output.standard
    for index in indices { try output.line(index) }
    try output.flush()
  }

  func add(_ receipt: AppendReceipt, bytes: Int) {
    enqueued.yield(Enqueued(receipt: receipt, bytes: bytes))
  }

  /// Waits for everything that was added.
  func finish() -> Sum {
    enqueued.finish()
    let task = task
    return blocking { await task.value }
  }
}
