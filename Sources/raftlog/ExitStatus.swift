// ExitStatus: what went wrong, as a line on standard error and a status that scripts can read.

import ArgumentParser
import LogStorage
import Recovery
import StorageIO

enum ExitStatus {
  static let damaged = ExitCode(2)
  static let lost = ExitCode(3)
  static let refused = ExitCode(4)
  static let io = ExitCode(5)
  static let locked = ExitCode(6)
  static let full = ExitCode(7)
  static let badInput = ExitCode(65)
  static let notFound = ExitCode(66)

  /// Says what happened and returns the status to leave with.
  static func report(_ error: any Error) -> ExitCode {
    switch error {
    case let error as ExitCode: return error
    case let error as LogError:
      StandardError.line("raftlog: \(error.message)")
      for finding in error.findings { StandardError.line("  \(finding)") }
      return status(of: error.code)
    case let error as RecoveryError:
      return report(LogError(error))
    case let error as StorageError:
      StandardError.line("raftlog: \(error)")
      if error.isNotFound { return notFound }
      return error.isOutOfSpace ? full : io
    default:
      StandardError.line("raftlog: \(error)")
      return ExitCode.failure
    }
  }

  private static func status(of code: LogError.Code) -> ExitCode {
    switch code {
    case .damaged: damaged
    case .lost: lost
    case .unsupported, .foreign: refused
    case .locked: locked
    case .diskFull, .capReached: full
    case .entryTooLarge: badInput
    case .compacted, .outOfRange, .noLog: notFound
    case .badConfiguration, .notALogDirectory: ExitCode(64)
    default: io
    }
  }
}

/// Runs a command's work; an error becomes a message and a status.
func exiting(_ body: () async throws -> Void) async throws {
  do {
    try await body()
  } catch {
    throw ExitStatus.report(error)
  }
}
