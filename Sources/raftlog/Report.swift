// Report: what went wrong, as a line on standard error and a status that scripts can read.

import ArgumentParser
import LogStorage
import ProgramSupport
import Recovery
import StorageIO

/// Runs a command's work; an error becomes a message and a status.
func exiting(_ body: () throws -> ExitStatus) throws {
  let status: ExitStatus
  do {
    status = try body()
  } catch {
    status = report(error)
  }
  if status != .clean { throw ExitCode(status) }
}

/// Says what happened and returns the status to leave with.
private func report(_ error: any Error) -> ExitStatus {
  switch error {
  case let error as Failure:
    StandardError.line("raftlog: \(error.message)")
    return error.status
  case let error as OutputError:
    if error.isAbandoned { Program.endAbandoned() }
    StandardError.line("raftlog: \(error)")
    return .inputOutput
  case let error as LogError: return report(error)
  case let error as RecoveryError: return report(LogError(error))
  case let error as StorageError: return report(LogError(error))
  default:
    StandardError.line("raftlog: \(error)")
    return .inputOutput
  }
}

private func report(_ error: LogError) -> ExitStatus {
  StandardError.line("raftlog: \(error.message)\(advice(for: error))")
  // The message has the gravest of them.
  for finding in error.findings where !error.message.contains("\(finding)") {
    StandardError.line("  \(finding)")
  }
  if let storage = error.storageError, error.code == .storage {
    if storage.isNotFound || storage.isNoDirectory { return .noLog }
  }
  return status(of: error.code)
}

/// What a message leaves to be said.
private func advice(for error: LogError) -> String {
  if error.code == .noLog { return "; name the directory of a log with --data" }
  if let storage = error.storageError, error.message == "\(storage)" {
    return "; \(storage.advice)"
  }
  return ""
}

private func status(of code: LogError.Code) -> ExitStatus {
  switch code {
  case .damaged: .damaged
  case .lost: .lost
  case .unsupported, .foreign: .refused
  case .locked: .locked
  case .diskFull, .capReached: .diskFull
  case .entryTooLarge: .badInput
  case .compacted, .outOfRange, .noLog: .noLog
  case .badConfiguration, .notALogDirectory: .usage
  default: .inputOutput
  }
}

extension SegmentedLog {
  /// Says what opening found; that there was no log yet is no news.
  func reportRecovery() {
    for finding in findings where finding.verdict != .unborn {
      StandardError.line("recovered: \(finding)")
    }
  }
}
