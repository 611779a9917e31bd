// raftlog append: standard input becomes entries, a line an entry.

import ArgumentParser
import LogFormat
import LogStorage
import ProgramSupport
import StorageIO

struct Append: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Appends each line of standard input as an entry.",
    discussion: """
      A last line without LF counts, an empty line is an entry, CR and NUL are data. With --acks \
      the index of each entry is printed once it is durable: what was printed survives. Asked to \
      end (SIGINT, SIGTERM, SIGHUP) it finishes what it has read, and closes the log.
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

  func validate() throws {
    let segments = EngineOptions.segmentBytesMin...Layout.segmentBytesMax
    guard segments.contains(segmentBytes) else {
      throw ValidationError(
        "--segment-bytes takes \(segments.lowerBound) to \(segments.upperBound), "
          + "not \(segmentBytes).")
    }
    guard maxEntryBytes >= 1, maxEntryBytes <= Layout.entryBytesMax else {
      throw ValidationError(
        "--max-entry-bytes takes 1 to \(Layout.entryBytesMax), not \(maxEntryBytes).")
    }
  }

  func run() throws {
    try exiting {
      let input = try StandardInput()
      let interruption = Interruption(of: input)
      let log = try open()
      log.reportRecovery()
      var session = AppendSession(log, input, acks: acks, limit: maxEntryBytes)
      try session.run()
      if let signal = interruption.signal {
        StandardError.line(
          "raftlog: ended by signal \(signal); what was read up to the last LF is in the log")
        Program.end(by: signal)
      }
      return .clean
    }
  }

  private func open() throws -> SegmentedLog {
    var options = LogOptions()
    options.engine.compression = codec.compression
    options.engine.syncMode = sync.mode
    options.engine.segmentBytes = segmentBytes
    options.engine.entryBytesMax = maxEntryBytes
    do {
      return try SegmentedLog.open(data.path, options: options)
    } catch {
      guard error.storageError?.isNoDirectory == true else { throw error }
      throw Failure(.usage, "\(error.message); name a directory with --data")
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
