// raftlog compact, raftlog truncate: the two ends of a log.

import ArgumentParser
import LogStorage
import ProgramSupport
import Recovery

struct Compact: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forgets the entries up to an index, and deletes files that hold nothing else.")

  @OptionGroup var data: DataOptions

  @Option(help: "The last index to forget.")
  var through: UInt64

  func run() throws {
    let through = through
    try exiting {
      try changing(data) { log in
        try await log.compact(through: through)
        StandardError.line("the log begins at entry \(log.firstIndex)")
      }
    }
  }
}

struct Truncate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Cuts off the entries behind an index.")

  @OptionGroup var data: DataOptions

  @Option(help: "The last index to keep.")
  var after: UInt64

  func run() throws {
    let after = after
    try exiting {
      try changing(data) { log in
        try await log.truncate(after: after)
        StandardError.line("the log ends at entry \(log.appendedIndex)")
      }
    }
  }
}

/// Opens a log that is there, changes it, and closes it.
private func changing(
  _ data: DataOptions, _ change: @escaping @Sendable (SegmentedLog) async throws -> Void
) throws -> ExitStatus {
  var options = LogOptions()
  options.createsIfMissing = false
  let log = try SegmentedLog.open(data.path, options: options)
  log.reportRecovery()
  do {
    try blocking { try await change(log) }
  } catch let error as LogError where error.code == .outOfRange || error.code == .compacted {
    let held = log.held
    try? blocking { try await log.close() }
    throw Failure(.noLog, "\(error.message); \(data.path) holds \(held)")
  } catch {
    try? blocking { try await log.close() }
    throw error
  }
  try blocking { try await log.close() }
  return .clean
}

extension SegmentedLog {
  /// The entries that there are, in words.
  fileprivate var held: String {
    let (first, last) = (firstIndex, appendedIndex)
    return last < first ? "no entry, the next is \(first)" : Words.entries(first, last)
  }
}
