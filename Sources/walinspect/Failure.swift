// Failure: why a command could not do what it was asked, and the status that says so to a script.

import LogFormat
import Recovery
import StorageIO
import SystemPackage

/// How the program ends; a script goes by the number.
struct ExitStatus: RawRepresentable, Hashable, Sendable {
  var rawValue: Int32

  static let clean = ExitStatus(rawValue: 0)
  /// Opening the log mends what was found, and nothing acknowledged is touched.
  static let mended = ExitStatus(rawValue: 1)
  /// `diff` found entries that are not the same.
  static let differs = ExitStatus(rawValue: 1)
  static let damaged = ExitStatus(rawValue: 2)
  static let lost = ExitStatus(rawValue: 3)
  /// Unsupported or foreign.
  static let refused = ExitStatus(rawValue: 4)
  static let inputOutput = ExitStatus(rawValue: 5)
  /// Another process has the log open.
  static let locked = ExitStatus(rawValue: 6)
  /// What was asked for cannot be asked for (EX_USAGE).
  static let usage = ExitStatus(rawValue: 64)
  static let noLog = ExitStatus(rawValue: 66)

  init(rawValue: Int32) { self.rawValue = rawValue }

  init(_ severity: Verdict.Severity) {
    switch severity {
    case .clean: self = .clean
    case .mended: self = .mended
    case .damaged: self = .damaged
    case .lost: self = .lost
    case .refused: self = .refused
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

/// What happened, where, and what now.
struct Failure: Error {
  let status: ExitStatus
  let message: String

  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  init(_ error: StorageError) {
    let advice =
      switch error.errno {
      case .permissionDenied, .notPermitted: "run this as the user that owns the log"
      case .noSpace, .diskQuotaExceeded: "free some space and run this again"
      case .ioError:
        "the device failed: see the kernel's log, and copy the disk before anything else"
      default: "see that the path is right and the file system healthy, and run this again"
      }
    self.init(.inputOutput, "\(error); \(advice)")
  }

  init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as StorageError: self.init(error)
    case let error as RecoveryError:
      if let storage = error.storageError {
        self.init(storage)
      } else {
        self.init(ExitStatus(error.code), error.message)
      }
    default: self.init(.inputOutput, "\(error)")
    }
  }
}
