// ForwardingDirectory: a directory in front of another one. What a test does not care about goes
// straight through, so that a test's own directory says only what is different about it.

package import ByteBuffers
package import StorageIO

/// A directory that does what `directory` does, unless the type says otherwise.
package protocol ForwardingDirectory: StorageDirectory {
  var directory: any StorageDirectory { get }
}

extension ForwardingDirectory {
  package var path: String { directory.path }

  package func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    try directory.open(name, access)
  }
  package func list() throws(StorageError) -> [FileInfo] { try directory.list() }
  package func rename(_ from: String, to: String) throws(StorageError) {
    try directory.rename(from, to: to)
  }
  package func remove(_ name: String) throws(StorageError) { try directory.remove(name) }
  package func makeDirectory(_ name: String) throws(StorageError) {
    try directory.makeDirectory(name)
  }
  package func sync(_ subdirectory: String?) throws(StorageError) {
    try directory.sync(subdirectory)
  }
  package func lock() throws(StorageError) -> any DirectoryLock { try directory.lock() }
  package func isLocked() throws(StorageError) -> Bool { try directory.isLocked() }
}

/// A file that does what `file` does, unless the type says otherwise.
package protocol ForwardingFile: StorageFile {
  var file: any StorageFile { get }
}

extension ForwardingFile {
  package func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes {
    try file.read(count, at: offset)
  }
  package func write(_ bytes: Bytes, at offset: Int) throws(StorageError) {
    try file.write(bytes, at: offset)
  }
  package func sync() throws(StorageError) { try file.sync() }
  package func size() throws(StorageError) -> Int { try file.size() }
  package func truncate(to size: Int) throws(StorageError) { try file.truncate(to: size) }
  package func extendWithZeros(to size: Int) throws(StorageError) {
    try file.extendWithZeros(to: size)
  }
}
