// WatchedDisk: a simulated disk that a test can change between two calls of whoever reads it.

import StorageIO
import Simulation

final class WatchedDisk: StorageDirectory, @unchecked Sendable {
  let disk: SimulatedDisk
  /// Called before a file is opened.
  var onOpen: (String) -> Void = { _ in }
  /// What is answered in turn to who asks for the lock; the last answer stays.
  var locked: [Bool]

  init(_ disk: SimulatedDisk, locked: [Bool]) {
    self.disk = disk
    self.locked = locked
  }

  var path: String { disk.path }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    onOpen(name)
    return try disk.open(name, access)
  }
  func isLocked() throws(StorageError) -> Bool {
    locked.count > 1 ? locked.removeFirst() : locked[0]
  }
  func list() throws(StorageError) -> [FileInfo] { try disk.list() }
  func rename(_ from: String, to: String) throws(StorageError) { try disk.rename(from, to: to) }
  func remove(_ name: String) throws(StorageError) { try disk.remove(name) }
  func makeDirectory(_ name: String) throws(StorageError) { try disk.makeDirectory(name) }
  func sync(_ subdirectory: String?) throws(StorageError) { try disk.sync(subdirectory) }
  func lock() throws(StorageError) -> any DirectoryLock { try disk.lock() }
}
