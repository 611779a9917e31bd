// raftlog compact, raftlog truncate: the two ends of a log.

import ArgumentParser
import LogStorage
import Recovery

struct Compact: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forgets the entries up to an index, and deletes files that hold nothing else.")

  @OptionGroup var data: DataOptions

  @Option(help: "The last index to forget.")
  var through: UInt64

  mutating func run() async throws {
    try await exiting {
      try await changing(data) { log in
        try await log.compact(through: through)
        StandardError.line("the log begins at entry \(log.firstIndex)")
      }
    }
  }
}

struct Truncate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Cuts off the entries behind an index.")

  @OptionGroup var data: DataOptions

  @Option(help: "The last index to keep.")
  var after: UInt64

  mutating func run() async throws {
    try await exiting {
      try await changing(data) { log in
        try await log.truncate(after: after)
        StandardError.line("the log ends at entry \(log.appendedIndex)")
      }
    }
  }
}

/// Opens a log that is there, changes it, and closes it.
private func changing(
  _ data: DataOptions, _ change: (SegmentedLog) async throws -> Void
) async throws {
  var options = LogOptions()
  options.createsIfMissing = false
  let log = try SegmentedLog.open(data.path, options: options)
  log.reportRecovery()
  do {
    try await change(log)
  } catch {
    try? await log.close()
    throw error
  }
  try await log.close()
}

extension SegmentedLog {
  /// Says what opening found; that there was no log yet is no news.
  func reportRecovery() {
    for finding in findings where finding.verdict != .unborn {
      StandardError.line("recovered: \(finding)")
    }
  }
}
