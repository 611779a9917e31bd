// Payloads: records of noise, and logs that are made of them.
//
// What must always hold: no two records of a batch are alike and none has a pattern, so that
// compression gains nothing and every byte has to be written.

import LogFormat
import ByteBuffers
import LogStorage
import ProgramSupport

enum Payloads {
  static func noise(count: Int, bytes: Int) -> [Bytes] {
    var random = SplitMix64(seed: 1)
    return (0..<count).map { _ in
      var writer = ByteWriter(capacity: bytes)
      while writer.count < bytes { writer.u64(random.next()) }
      return writer.finish()[0..<bytes]
    }
  }
}

/// Fills logs with batches of 64 records of a kibibyte.
struct LogFiller {
  private let payloads = Payloads.noise(count: 64, bytes: 1 << 10)

  /// Payload bytes of one batch.
  static let batchBytes = 64 << 10

  /// Appends payloads of `bytes` altogether, or a little more.
  func fill(_ log: SegmentedLog, bytes: Int, progress: (Int) -> Void = { _ in }) throws {
    for batch in 0..<(bytes + Self.batchBytes - 1) / Self.batchBytes {
      try log.appendBlocking(contentsOf: payloads)
      if batch % 256 == 0 { progress(batch * Self.batchBytes) }
    }
  }

  /// Makes a log of `bytes` of payload and closes it. It is synced at the end only: what is measured
  /// comes later.
  func build(
    _ path: String, options: LogOptions, bytes: Int, progress: (Int) -> Void
  ) throws {
    var options = options
    options.engine.syncMode = .never
    let log = try SegmentedLog.open(path, options: options)
    try fill(log, bytes: bytes, progress: progress)
    try blocking { try await log.close() }
  }
}
