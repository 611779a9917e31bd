// CountingDirectory: a directory that counts how many bytes are read of each file.
//
// What must always hold: it changes nothing of what is read.

import ByteBuffers
import StorageIO
import TestSupport

final class CountingDirectory: ForwardingDirectory, @unchecked Sendable {
  let directory: any StorageDirectory
  /// Bytes that were read so far, by file.
  private(set) var bytesRead: [String: Int] = [:]

  /// Tests read on one thread.
  init(_ directory: any StorageDirectory) { self.directory = directory }

  fileprivate func count(_ bytes: Int, of name: String) { bytesRead[name, default: 0] += bytes }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    CountingFile(try directory.open(name, access), name, self)
  }
}

private final class CountingFile: ForwardingFile {
  let file: any StorageFile
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
}
