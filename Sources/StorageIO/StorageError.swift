// StorageError: a system call that failed, with everything needed to say so to a person.

public import SystemPackage

/// A failed operation on a file or directory.
public struct StorageError: Error, Hashable, Sendable {
  /// What was attempted, by the verb that the system call has.
  public enum Operation: String, Sendable {
    case open, read, write, sync, truncate, allocate, rename, remove, list, lock, stat
    case makeDirectory = "mkdir"
    case syncDirectory = "sync the directory"
  }

  public let operation: Operation
  /// The file or directory, as the caller named it.
  public let path: String
  /// The system's reason.
  public let errno: Errno
  /// Byte offset in the file, where one was involved.
  public let offset: Int?

  public init(_ operation: Operation, path: String, errno: Errno, offset: Int? = nil) {
    self.operation = operation
    self.path = path
    self.errno = errno
    self.offset = offset
  }

  /// What opening a thing that is no regular file would say.
  public init(opening file: FileInfo, in directory: String) {
    let errno: Errno =
      switch file.kind {
      case .directory: .isDirectory
      case .symbolicLink: .tooManySymbolicLinkLevels
      case .regular, .other: .noSuchAddressOrDevice
      }
    self.init(.open, path: "\(directory)/\(file.name)", errno: errno)
  }

  /// The system's number for its reason.
  public var number: Int { Int(errno.rawValue) }
  /// The file system has no room: nothing is wrong with what is there.
  public var isOutOfSpace: Bool { errno == .noSpace || errno == .diskQuotaExceeded }
  /// A sync failed: the next one may succeed, and mean nothing.
  public var isOfSync: Bool { operation == .sync || operation == .syncDirectory }
  public var isNotFound: Bool { errno == .noSuchFileOrDirectory }
  /// The directory is open in another process, or twice in this one.
  public var isLocked: Bool { operation == .lock && errno == .wouldBlock }
  /// The device failed to deliver what it holds, or the file system does not believe what it got.
  public var isReadFailure: Bool {
    operation == .read && (errno == .ioError || errno == .badMessage || errno == .noData)
  }
  /// True where this one file cannot be had: of others nothing is said. False where the process or
  /// the machine has run out of something, so that any call may fail.
  public var concernsFile: Bool {
    switch errno {
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .badFileDescriptor: false
    default: true
    }
  }
  /// `LOCK` is no regular file: nobody can lock it.
  public var isNoLockFile: Bool {
    operation == .lock
      && (errno == .isDirectory || errno == .tooManySymbolicLinkLevels
        || errno == .noSuchAddressOrDevice)
  }
  /// A name could not be had, and nothing was done: something else has it, what should have it is
  /// gone, this user may not, or the process has too many files open. Of the device it says nothing.
  public var leftAllAsItWas: Bool {
    guard operation == .open || operation == .rename || operation == .remove else { return false }
    switch errno {
    case .isDirectory, .notDirectory, .fileExists, .directoryNotEmpty, .noSuchFileOrDirectory,
      .noSuchAddressOrDevice, .tooManySymbolicLinkLevels, .permissionDenied, .notPermitted,
      .tooManyOpenFiles, .tooManyOpenFilesInSystem:
      return true
    default: return false
    }
  }
  /// True where the call failed on the file of this name.
  package func concerns(_ name: String) -> Bool { path.hasSuffix("/" + name) }
  /// This user may not.
  public var isDenied: Bool { errno == .permissionDenied || errno == .notPermitted }
  /// A symbolic link has the name of a file.
  public var isSymbolicLink: Bool { operation == .open && errno == .tooManySymbolicLinkLevels }
  /// What has this name is no regular file: a directory, a symbolic link, a pipe, a device.
  public var isNoRegularFile: Bool {
    isSymbolicLink
      || operation == .open && (errno == .isDirectory || errno == .noSuchAddressOrDevice)
  }
}

extension StorageError: CustomStringConvertible {
  public var description: String {
    let place = offset.map { " at byte \($0)" } ?? ""
    let advice =
      if isNoLockFile {
        "; this is no regular file: move it away, the log makes one of its own"
      } else if errno == .tooManyOpenFiles {
        "; this process may not open more: raise its limit (ulimit -n)"
      } else {
        ""
      }
    return "cannot \(operation.rawValue) \(path)\(place): \(errno)\(advice)"
  }
}
