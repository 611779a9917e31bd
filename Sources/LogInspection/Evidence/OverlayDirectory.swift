// OverlayDirectory: a directory that is read with some files replaced by others in memory.
//
// What must always hold: nothing on the disk changes through it; a name that it does not know is not
// there.

import ByteBuffers
import StorageIO
import SystemPackage

/// Files in memory, and files of another directory, some under another name.
final class OverlayDirectory: StorageDirectory {
  let path: String
  private let base: any StorageDirectory
  /// Files that exist in memory only.
  private let contents: [String: Bytes]
  /// Files of `base`, by the name that they have here.
  private let names: [String: String]

  init(
    path: String, base: any StorageDirectory, contents: [String: Bytes], names: [String: String]
  ) {
    self.path = path
    self.base = base
    self.contents = contents
    self.names = names
  }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    guard access == .read else { throw readOnly(.open, name) }
    if let bytes = contents[name] { return MemoryFile(path: "\(path)/\(name)", bytes: bytes) }
    guard let real = names[name] else {
      throw StorageError(.open, path: "\(path)/\(name)", errno: .noSuchFileOrDirectory)
    }
    return try base.open(real, .read)
  }

  func list() throws(StorageError) -> [FileInfo] {
    var files = contents.map { FileInfo(name: $0.key, size: $0.value.count) }
    for (name, real) in names {
      files.append(FileInfo(name: name, size: try base.open(real, .read).size()))
    }
    return files.sorted { $0.name < $1.name }
  }

  func rename(_ from: String, to: String) throws(StorageError) { throw readOnly(.rename, from) }
  func remove(_ name: String) throws(StorageError) { throw readOnly(.remove, name) }
  func makeDirectory(_ name: String) throws(StorageError) { throw readOnly(.makeDirectory, name) }
  func sync(_ subdirectory: String?) throws(StorageError) {}
  func lock() throws(StorageError) -> any DirectoryLock { throw readOnly(.lock, "") }
  func isLocked() throws(StorageError) -> Bool { try base.isLocked() }

  private func readOnly(_ operation: StorageError.Operation, _ name: String) -> StorageError {
    StorageError(operation, path: "\(path)/\(name)", errno: .readOnlyFileSystem)
  }
}

/// A file that exists in memory only.
private final class MemoryFile: StorageFile {
  private let path: String
  private let bytes: Bytes

  init(path: String, bytes: Bytes) {
    self.path = path
    self.bytes = bytes
  }

  func read(_ count: Int, at offset: Int) -> Bytes {
    let start = min(max(offset, 0), bytes.count)
    return bytes[start..<min(start + max(count, 0), bytes.count)]
  }

  func size() -> Int { bytes.count }
  func sync() {}
  func write(_ bytes: Bytes, at offset: Int) throws(StorageError) { throw readOnly(.write) }
  func truncate(to size: Int) throws(StorageError) { throw readOnly(.truncate) }
  func extendWithZeros(to size: Int) throws(StorageError) { throw readOnly(.allocate) }

  private func readOnly(_ operation: StorageError.Operation) -> StorageError {
    StorageError(operation, path: path, errno: .readOnlyFileSystem)
  }
}
