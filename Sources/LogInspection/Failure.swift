// Failure: what this program's commands fail with, and the words for how it ends.

import ProgramSupport
import Recovery
import StorageIO

extension ExitStatus {
  /// `diff` found entries that are not the same.
  static let differs = ExitStatus(rawValue: 1)

  init(_ severity: Verdict.Severity) {
    switch severity {
    case .clean: self = .clean
    case .mended: self = .mended
    case .damaged: self = .damaged
    case .lost: self = .lost
    case .refused: self = .refused
    case .inputOutput: self = .inputOutput
    }
  }

  /// The status that a failed recovery stands for.
  init(_ code: RecoveryError.Code) {
    switch code {
    case .lost: self = .lost
    case .unsupported, .foreign: self = .refused
    case .noLog, .notALogDirectory, .compacted: self = .noLog
    case .storage: self = .inputOutput
    default: self = .damaged
    }
  }

  /// The status in a word, as the line of verdict has it.
  var word: String {
    switch self {
    case .clean: "clean"
    case .mended: "mended"
    case .damaged: "damaged"
    case .lost: "lost"
    case .refused: "refused"
    case .inputOutput: "I/O error"
    case .locked: "locked"
    case .usage: "usage"
    default: "no log"
    }
  }
}

extension Failure {
  init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as StorageError: self.init(error)
    case let error as RecoveryError:
      // A refusal says more than the call that it comes from.
      if let storage = error.storageError, error.findings.isEmpty {
        self.init(storage)
      } else {
        self.init(ExitStatus(error.code), error.message)
      }
    default: self.init(.inputOutput, "\(error)")
    }
  }
}

extension Output {
  /// A line on standard error.
  static func complain(_ message: String) { StandardError.line("walinspect: \(message)") }
}
