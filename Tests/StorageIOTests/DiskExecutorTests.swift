// DiskExecutorTests: which files an executor holds on to.

import ByteBuffers
import StorageIO
import SystemPackage
import TestSupport
import Testing

/// A directory that counts the files that are open, and whose writes find no space.
private final class FullDirectory: ForwardingDirectory, @unchecked Sendable {
  let directory: any StorageDirectory
  var isFull = false
  fileprivate(set) var open = 0

  private final class File: ForwardingFile, @unchecked Sendable {
    let file: any StorageFile
    private let directory: FullDirectory
    private let name: String

    init(_ file: any StorageFile, _ name: String, of directory: FullDirectory) {
      self.file = file
      self.name = name
      self.directory = directory
      directory.open += 1
    }

    deinit { directory.open -= 1 }

    func write(_ bytes: Bytes, at offset: Int) throws(StorageError) {
      guard !directory.isFull else {
        throw StorageError(.write, path: "\(directory.path)/\(name)", errno: .noSpace)
      }
      try file.write(bytes, at: offset)
    }
  }

  init(_ directory: any StorageDirectory) { self.directory = directory }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    File(try directory.open(name, access), name, of: self)
  }
}

@Suite struct DiskExecutorTests {
  /// A file that is removed elsewhere gives its space back only once nobody has it open.
  @Test func theFileOfAFailedStepIsLetGoOf() throws {
    let place = TemporaryDirectory()
    let directory = FullDirectory(try POSIXDirectory(path: place.path))
    var executor = DiskExecutor(directory: directory)
    try executor.run([.create("kept", zeros: 4096), .create("spare-1", zeros: 4096)])
    #expect(directory.open == 2)
    directory.isFull = true
    let error = #expect(throws: StorageError.self) {
      try executor.run([.sync("kept"), .write("spare-1", Bytes("header"), at: 0)])
    }
    #expect(error?.isOutOfSpace == true && directory.open == 1)
    // Another step opens it anew.
    directory.isFull = false
    try executor.run([.write("spare-1", Bytes("header"), at: 0), .sync("spare-1")])
    #expect(directory.open == 2)
  }
}
