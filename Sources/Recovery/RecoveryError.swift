// RecoveryError: why a log was not opened, or not read; what, where, and what now.

import LogFormat
public import StorageIO

/// A log that cannot be opened or read as asked.
public struct RecoveryError: Error, Sendable {
  /// The kinds of failure; more may come, so a switch over them needs a default.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Something that was acknowledged is damaged.
    public static let damaged = Code(description: "damaged")
    /// A file that the log needs is gone.
    public static let lost = Code(description: "lost")
    /// Written by a newer program.
    public static let unsupported = Code(description: "unsupported")
    /// A file belongs to another group.
    public static let foreign = Code(description: "foreign")
    /// There is no log in this directory.
    public static let noLog = Code(description: "noLog")
    /// The directory holds other people's files, and no log.
    public static let notALogDirectory = Code(description: "notALogDirectory")
    /// The index was compacted away.
    public static let compacted = Code(description: "compacted")
    /// The device or the file system failed.
    public static let storage = Code(description: "storage")
  }

  public let code: Code
  /// What happened, where, and what can be done about it.
  public let message: String
  /// The findings behind it, if the directory was diagnosed.
  public let findings: [Finding]
  /// The failed system call behind it, if there is one.
  public let storageError: StorageError?

  public init(
    _ code: Code, _ message: String, findings: [Finding] = [], storageError: StorageError? = nil
  ) {
    self.code = code
    self.message = message
    self.findings = findings
    self.storageError = storageError
  }

  public init(_ error: StorageError) {
    self.init(.storage, "\(error)", storageError: error)
  }

  /// The refusal that these findings ask for, the gravest first.
  init(refusing findings: [Finding], path: String) {
    let gravest = findings.max { $0.severity < $1.severity }!
    let code: Code =
      switch gravest.verdict {
      // Whatever it looks like: the device or the file system did not deliver it.
      case _ where gravest.failure != nil: .storage
      case .unsupported: .unsupported
      case .foreign: .foreign
      case .lostFile, .manifestLost: .lost
      default: .damaged
      }
    let more = findings.count > 1 ? " (and \(findings.count - 1) more)" : ""
    self.init(
      code,
      "\(path) was not opened: \(gravest)\(more); \(gravest.verdict.action); "
        + "`walinspect explain \(path)` says more", findings: findings,
      storageError: gravest.failure?.error)
  }
}

extension RecoveryError: CustomStringConvertible {
  public var description: String { message }
}
