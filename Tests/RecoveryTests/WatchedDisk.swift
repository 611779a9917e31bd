// WatchedDisk: a simulated disk that a test can change between two calls of whoever reads it.

import Simulation
import StorageIO
import TestSupport

final class WatchedDisk: ForwardingDirectory, @unchecked Sendable {
  let disk: SimulatedDisk
  /// Called before a file is opened.
  var onOpen: (String) -> Void = { _ in }
  /// What is answered in turn to who asks for the lock; the last answer stays.
  var locked: [Bool]

  init(_ disk: SimulatedDisk, locked: [Bool]) {
    self.disk = disk
    self.locked = locked
  }

  var directory: any StorageDirectory { disk }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    onOpen(name)
    return try disk.open(name, access)
  }

  func isLocked() throws(StorageError) -> Bool {
    locked.count > 1 ? locked.removeFirst() : locked[0]
  }
}
