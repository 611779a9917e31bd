// StorageDirectory: the seam below which everything is a system call, or a simulation of one.
//
// What must always hold: a call either did what it says or throws; short writes and EINTR are dealt
// with below. Nothing here syncs by itself: who wants durability says so.

public import ByteBuffers

/// A directory of a log. Names are plain file names, or `quarantine/<name>`.
public protocol StorageDirectory: AnyObject, Sendable {
  /// The directory's path, for people.
  var path: String { get }

  /// Opens a regular file. What has that name and is none is an error that tells (EISDIR, ELOOP,
  /// ENXIO), and never one that is not there.
  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile
  /// Everything directly in this directory, sorted by name: subdirectories, links and the like too,
  /// each by its kind. A name that is not UTF-8 is shown with U+FFFD in the place of what is not, and
  /// opens nothing.
  func list() throws(StorageError) -> [FileInfo]
  /// rename(2): atomically replaces `to`.
  func rename(_ from: String, to: String) throws(StorageError)
  /// unlink(2).
  func remove(_ name: String) throws(StorageError)
  /// mkdir(2); a directory that is there already is fine.
  func makeDirectory(_ name: String) throws(StorageError)
  /// fsync(2) of this directory, or of a subdirectory: makes entries durable.
  func sync(_ subdirectory: String?) throws(StorageError)
  /// Takes the lock that only one writer has, until the result is released.
  func lock() throws(StorageError) -> any DirectoryLock
  /// True when somebody holds that lock; asking does not take it. Nobody holds a `LOCK` that is no
  /// regular file, for nobody can.
  func isLocked() throws(StorageError) -> Bool
}

/// How a file is opened.
public enum FileAccess: Sendable {
  /// To read what is there.
  case read
  /// To read and write; the file must be there.
  case update
  /// To read and write a file that must not be there yet.
  case create
}

/// A name in a directory, and what is behind it.
public struct FileInfo: Hashable, Sendable {
  /// What has a name.
  public enum Kind: Hashable, Sendable {
    case regular, directory, symbolicLink
    /// A pipe, a socket, a device, or what does not say what it is.
    case other
  }

  public var name: String
  /// Bytes; 0 for what is no regular file.
  public var size: Int
  public var kind: Kind

  public init(name: String, size: Int, kind: Kind = .regular) {
    self.name = name
    self.size = size
    self.kind = kind
  }

  public var isRegular: Bool { kind == .regular }
}

/// An open file.
public protocol StorageFile: AnyObject, Sendable {
  /// pread(2): up to `count` bytes from `offset`; fewer only at the end of the file.
  func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes
  /// pwrite(2): all of `bytes`; on an error any part of them may have been written.
  func write(_ bytes: Bytes, at offset: Int) throws(StorageError)
  /// fdatasync(2), or F_FULLFSYNC: what was written, and the size, is durable.
  func sync() throws(StorageError)
  /// Bytes.
  func size() throws(StorageError) -> Int
  /// ftruncate(2).
  func truncate(to size: Int) throws(StorageError)
  /// Writes zeros from the end of the file up to `size`, so that later writes in place need neither
  /// space nor metadata.
  func extendWithZeros(to size: Int) throws(StorageError)
}

/// Holds the directory's lock until it is released or deinitialized.
public protocol DirectoryLock: AnyObject, Sendable {
  func release()
}
