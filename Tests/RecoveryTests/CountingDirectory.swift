// CountingDirectory: a directory that counts how many bytes are read of each file.
//
// What must always hold: it changes nothing of what is read.

import ByteBuffers
import StorageIO

final class CountingDirectory: StorageDirectory, @unchecked Sendable {
  private let directory: any StorageDirectory
  /// Bytes that were read so far, by file.
  private(set) var bytesRead: [String: Int] = [:]

  /// Tests read on one thread.
  init(_ directory: any StorageDirectory) { self.directory = directory }

  var path: String { directory.path }

  fileprivate func count(_ bytes: Int, of name: String) { bytesRead[name, default: 0] += bytes }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    CountingFile(try directory.open(name, access), name, self)
  }
  func list() throws(StorageError) -> [FileInfo] { try directory.list() }
  func rename(_ from: String, to: String) throws(StorageError) {
    try directory.rename(from, to: to)
  }
  func remove(_ name: String) throws(StorageError) { try directory.remove(name) }
  func makeDirectory(_ name: String) throws(StorageError) { try directory.makeDirectory(name) }
  func sync(_ subdirectory: String?) throws(StorageError) { try directory.sync(subdirectory) }
  func lock() throws(StorageError) -> any DirectoryLock { try directory.lock() }
  func isLocked() throws(StorageError) -> Bool { try directory.isLocked() }
}

private final class CountingFile: StorageFile {
  private let file: any StorageFile
  private let name: String
  private let directory: CountingDirectory

  init(_ file: any StorageFile, _ name: String, _ directory: CountingDirectory) {
    self.file = file
    self.name = name
    self.directory = directory
  }

  func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes {
    let bytes = try file.read(count, at: offset)
    directory.count(bytes.count, of: name)
    return bytes
  }
  func write(_ bytes: Bytes, at offset: Int) throws(StorageError) {
    try file.write(bytes, at: offset)
  }
  func sync() throws(StorageError) { try file.sync() }
  func size() throws(StorageError) -> Int { try file.size() }
  func truncate(to size: Int) throws(StorageError) { try file.truncate(to: size) }
  func extendWithZeros(to size: Int) throws(StorageError) { try file.extendWithZeros(to: size) }
}
