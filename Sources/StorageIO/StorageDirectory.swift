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
  /// The files directly in this directory, sorted by name; subdirectories are left out.
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
  /// True when somebody holds that lock; asking does not take it.
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

/// A name in a directory and the size of the file behind it.
public struct FileInfo: Hashable, Sendable {
  public var name: String
  /// Bytes.
  public var size: Int

  public init(name: String, size: Int) {
    self.name = name
    self.size = size
  }
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
