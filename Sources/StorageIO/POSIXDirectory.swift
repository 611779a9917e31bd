// POSIXDirectory: the seam's production side. One method, one system call.

private import CPOSIX
import SystemPackage

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

/// A directory on a real file system.
public final class POSIXDirectory: StorageDirectory {
  public let path: String
  private let descriptor: Int32

  /// Opens the directory at `path`.
  ///
  /// - Parameter create: makes it, and its missing parents, if it is not there; the parents' entries
  ///   are synced, so that a log in a new directory is not lost with it.
  public init(path: String, create: Bool = false) throws(StorageError) {
    self.path = path
    if create { try Self.makeDirectories(path) }
    descriptor = try openDirectory(path)
    // Whoever made it may have been killed before its name was synced.
    if create { try Self.syncParent(of: path) }
  }

  deinit { _ = close(descriptor) }

  public func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    let flags: Int32 =
      switch access {
      case .read: O_RDONLY
      case .update: O_RDWR
      case .create: O_RDWR | O_CREAT | O_EXCL
      }
    let full = "\(path)/\(name)"
    let descriptor = try retrying(.open, full) {
      // A pipe of that name is an error, and not a wait without end.
      unsafe openat(self.descriptor, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
    }
    let file = POSIXFile(descriptor: descriptor, path: full)
    try requireRegular(descriptor, .open, full)
    return file
  }

  public func list() throws(StorageError) -> [FileInfo] {
    // fdopendir takes the descriptor over, so it gets one of its own.
    let copy = try retrying(.list, path) {
      unsafe openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    guard let stream = unsafe fdopendir(copy) else {
      let reason = lastError()
      _ = close(copy)
      throw StorageError(.list, path: path, errno: reason)
    }
    defer { unsafe closedir(stream) }
    var files: [FileInfo] = []
    while true {
      setErrno(0)
      guard let entry = unsafe readdir(stream) else {
        let reason = lastError()
        if reason.rawValue != 0 { throw StorageError(.list, path: path, errno: reason) }
        break
      }
      let file = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe info($0) }
      }
      if let file, file.name != ".", file.name != ".." { files.append(file) }
    }
    return files.sorted { $0.name < $1.name }
  }

  /// What has this name; nil if it went away since it was listed. Asked for by the name's bytes: as
  /// text it may be another one.
  private func info(_ name: UnsafePointer<CChar>) -> FileInfo? {
    let text = unsafe String(cString: name)
    var status = stat()
    guard unsafe fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      return lastError() == .noSuchFileOrDirectory
        ? nil : FileInfo(name: text, size: 0, kind: .other)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return FileInfo(name: text, size: Int(status.st_size))
    case S_IFDIR: return FileInfo(name: text, size: 0, kind: .directory)
    case S_IFLNK: return FileInfo(name: text, size: 0, kind: .symbolicLink)
    default: return FileInfo(name: text, size: 0, kind: .other)
    }
  }

  public func rename(_ from: String, to: String) throws(StorageError) {
    _ = try retrying(.rename, "\(path)/\(from)") {
      unsafe renameat(descriptor, from, descriptor, to)
    }
  }

  public func remove(_ name: String) throws(StorageError) {
    _ = try retrying(.remove, "\(path)/\(name)") { unsafe unlinkat(descriptor, name, 0) }
  }

  public func makeDirectory(_ name: String) throws(StorageError) {
    do {
      _ = try retrying(.makeDirectory, "\(path)/\(name)") {
        unsafe mkdirat(descriptor, name, 0o755)
      }
    } catch  where error.errno == .fileExists {
    }
  }

  public func sync(_ subdirectory: String?) throws(StorageError) {
    guard let subdirectory else {
      _ = try retrying(.syncDirectory, path) { fsync(descriptor) }
      return
    }
    try Self.syncDirectory("\(path)/\(subdirectory)")
  }

  private static func syncDirectory(_ path: String) throws(StorageError) {
    let directory = try openDirectory(path)
    defer { _ = close(directory) }
    _ = try retrying(.syncDirectory, path) { fsync(directory) }
  }

  /// Syncs the directory that holds `path`, where it may be opened: what somebody else made in a
  /// place that this process may not read is theirs to sync. Not by the path's text, which may end
  /// in a link or in dots.
  private static func syncParent(of path: String) throws(StorageError) {
    do {
      try syncDirectory("\(path)/..")
    } catch {
      guard error.errno == .permissionDenied || error.errno == .notPermitted else { throw error }
    }
  }

  /// mkdir -p, with a sync of each directory that got a new entry.
  private static func makeDirectories(_ path: String) throws(StorageError) {
    var status = stat()
    if unsafe stat(path, &status) == 0 { return }
    let parent = FilePath(path).removingLastComponent().string
    let above = parent.isEmpty ? "." : parent
    if above != path { try makeDirectories(above) }
    do {
      _ = try retrying(.makeDirectory, path) { unsafe mkdir(path, 0o755) }
    } catch  where error.errno == .fileExists {
    }
    try syncDirectory(above)
  }

  /// Locks the directory itself and the file `LOCK` in it.
  ///
  /// `LOCK` can be asked whether a writer is at work without standing in its way; the directory cannot
  /// be deleted beside a writer and made anew, as a file in it can.
  public func lock() throws(StorageError) -> any DirectoryLock {
    let lock = POSIXLock()
    try lockDirectory(for: lock)
    let full = "\(path)/\(POSIXLock.name)"
    let file = try retrying(.lock, full) {
      unsafe openat(
        descriptor, POSIXLock.name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o644)
    }
    lock.hold(file)
    try requireRegular(file, .lock, full)
    guard raftlog_try_lock(file) == 0 else { throw Self.lockFailure(full) }
    return lock
  }

  private func lockDirectory(for lock: POSIXLock) throws(StorageError) {
    // An open file of its own: the lock ends when that is closed, whoever else reads the directory.
    let directory = try retrying(.lock, path) {
      unsafe openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    lock.hold(directory)
    guard flock(directory, LOCK_EX | LOCK_NB) != 0 else { return }
    switch lastError() {
    case .notSupported, .invalidArgument, .badFileDescriptor, .noLocks:
      // A file system that locks files alone: there is still `LOCK`.
      return
    default: throw Self.lockFailure(path)
    }
  }

  private static func lockFailure(_ path: String) -> StorageError {
    let reason = lastError()
    let isBusy = reason == .resourceTemporarilyUnavailable || reason == .permissionDenied
    return StorageError(.lock, path: path, errno: isBusy ? .wouldBlock : reason)
  }

  public func isLocked() throws(StorageError) -> Bool {
    let file: Int32
    do {
      file = try retrying(.lock, "\(path)/\(POSIXLock.name)") {
        unsafe openat(
          descriptor, POSIXLock.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
      }
    } catch {
      // Without the file nobody locked it, nor can anybody lock what is no file; without permission
      // nobody can tell.
      return false
    }
    defer { _ = close(file) }
    return raftlog_is_locked(file) == 1
  }

  /// Bytes that are free to this process on the directory's file system.
  public var freeBytes: UInt64 { unsafe raftlog_free_bytes(path) }
}

/// Locks that are held by open files and gone with them, however the process ends.
private final class POSIXLock: DirectoryLock, @unchecked Sendable {
  static let name = "LOCK"
  private var descriptors: [Int32] = []

  /// Keeps an open file, and closes it with the lock.
  func hold(_ descriptor: Int32) { descriptors.append(descriptor) }

  func release() {
    for descriptor in descriptors { _ = close(descriptor) }
    descriptors = []
  }

  deinit { release() }
}

/// Refuses what is open and no regular file: directories and pipes open like files, and only then
/// refuse to be used like one.
private func requireRegular(
  _ descriptor: Int32, _ operation: StorageError.Operation, _ path: String
) throws(StorageError) {
  var status = stat()
  _ = try retrying(.stat, path) { unsafe fstat(descriptor, &status) }
  let kind = status.st_mode & S_IFMT
  guard kind != S_IFREG else { return }
  throw StorageError(
    operation, path: path, errno: kind == S_IFDIR ? .isDirectory : .noSuchAddressOrDevice)
}

/// Outside the class, whose own `open` would hide the system's.
private func openDirectory(_ path: String) throws(StorageError) -> Int32 {
  try retrying(.open, path) { unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
}

/// The reason the last system call of this thread failed.
func lastError() -> Errno { Errno(rawValue: errno) }

private func setErrno(_ value: Int32) { errno = value }

/// Calls until it is not interrupted; -1 becomes an error.
func retrying(
  _ operation: StorageError.Operation, _ path: String, at offset: Int? = nil,
  _ call: () -> Int32
) throws(StorageError) -> Int32 {
  while true {
    let result = call()
    if result != -1 { return result }
    let reason = lastError()
    if reason != .interrupted {
      throw StorageError(operation, path: path, errno: reason, offset: offset)
    }
  }
}
