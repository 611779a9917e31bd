// LogError: why the log did not do what it was asked, where, and what the caller may do.

import LogFormat
public import Recovery
public import StorageIO

/// A request that the log refused, or could not carry out.
public struct LogError: Error, Sendable {
  /// The kinds of failure; more may come, so a switch over them needs a default.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Another process, or another part of this one, has the directory open.
    public static let locked = Code(description: "locked")
    /// The file system has no room. Nothing is lost; appends work again when there is.
    public static let diskFull = Code(description: "diskFull")
    /// The log's own limit in bytes is reached. Compaction makes room.
    public static let capReached = Code(description: "capReached")
    /// A write or sync failed: what is on the disk is no longer known, and the log answers nothing
    /// more. Close it, and open it again once the device is in order.
    public static let poisoned = Code(description: "poisoned")
    /// The entry is larger than this log's limit.
    public static let entryTooLarge = Code(description: "entryTooLarge")
    /// The index is below the first one: it was compacted away.
    public static let compacted = Code(description: "compacted")
    /// The index is above the last one.
    public static let outOfRange = Code(description: "outOfRange")
    /// The entry would not get the index that the caller expects.
    public static let unexpectedIndex = Code(description: "unexpectedIndex")
    /// The term is lower than the last entry's, or than the term that is stored.
    public static let termWentBack = Code(description: "termWentBack")
    /// The log was closed.
    public static let closed = Code(description: "closed")
    /// The task that waited was cancelled.
    public static let cancelled = Code(description: "cancelled")
    /// A configuration that no log can have.
    public static let badConfiguration = Code(description: "badConfiguration")
    /// Recovery refused the directory, or a read met damage; `recovery` says more.
    public static let damaged = Code(description: "damaged")
    public static let lost = Code(description: "lost")
    public static let unsupported = Code(description: "unsupported")
    public static let foreign = Code(description: "foreign")
    public static let noLog = Code(description: "noLog")
    public static let notALogDirectory = Code(description: "notALogDirectory")
    /// A system call failed while nothing was at stake.
    public static let storage = Code(description: "storage")
  }

  public let code: Code
  /// What happened, where, and what can be done about it.
  public let message: String
  /// The failed system call behind it, if there is one.
  public let storageError: StorageError?
  /// What recovery found, if it was recovery that refused.
  public let findings: [Finding]

  public init(
    _ code: Code, _ message: String, storageError: StorageError? = nil, findings: [Finding] = []
  ) {
    self.code = code
    self.message = message
    self.storageError = storageError
    self.findings = findings
  }

  /// A failure on the durable path: out of space, or the end of trust in the device.
  init(writing error: StorageError) {
    if error.isOutOfSpace && !error.isOfSync {
      self.init(
        .diskFull,
        "\(error): the append was not done, everything before it is kept; free space and append "
          + "again", storageError: error)
    } else {
      self.init(poisoning: error)
    }
  }

  /// A file that is no part of the log yet could not be made or named: nothing is in doubt.
  ///
  /// - Parameter name: the file that was to be there in the end.
  init(obstructed error: StorageError, name: String) {
    let directory = error.path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let path = (directory + [name[...]]).joined(separator: "/")
    self.init(
      .storage,
      "\(error): the log needs a new file \(path); the append was not done, everything before it "
        + "is kept; if something else has that name move it away, else let this user make files "
        + "there, and append again", storageError: error)
  }

  /// The end of trust in the device, or of what can be done about a name that is taken.
  init(poisoning error: StorageError) {
    if error.leftAllAsItWas {
      self.init(
        .poisoned,
        "\(error): the log cannot go on without this file and stops here; see what has that name, "
          + "and who may change it, then open the log again", storageError: error)
      return
    }
    self.init(
      .poisoned,
      "\(error): what reached the disk is not known, so the log stops here; check the device, "
        + "then open the log again", storageError: error)
  }

  /// A refusal of recovery, in the log's own terms.
  public init(_ error: RecoveryError) {
    let code: Code =
      switch error.code {
      case .lost: .lost
      case .unsupported: .unsupported
      case .foreign: .foreign
      case .noLog: .noLog
      case .notALogDirectory: .notALogDirectory
      case .compacted: .compacted
      case .storage: .storage
      default: .damaged
      }
    self.init(code, error.message, storageError: error.storageError, findings: error.findings)
  }

  /// A failed system call outside of the durable path.
  public init(_ error: StorageError) {
    if error.isLocked {
      self.init(
        .locked,
        "\(error.path) is locked: another process has this log open; stop it, or read the log "
          + "without opening it", storageError: error)
    } else if error.isOutOfSpace {
      self.init(.diskFull, "\(error)", storageError: error)
    } else {
      self.init(.storage, "\(error)", storageError: error)
    }
  }
}

extension LogError: CustomStringConvertible {
  public var description: String { message }
}
