// SharedDisk: a simulated disk under a log that has threads.
//
// What must always hold: calls of all threads come one at a time, that of giving the lock up too.

import ByteBuffers
import LogStorage
public import StorageIO

public final class SharedDisk: StorageDirectory {
  public let path = "simulated"
  /// A mutex of the system's threads library: a tool that looks for races sees how it is passed on.
  private let disk = BargingMutex(SimulatedDisk())

  public init() {}

  /// Looks at the disk, or changes its faults, between two calls.
  public func withDisk<T: Sendable>(_ body: (SimulatedDisk) -> T) -> T {
    disk.withLock { body($0) }
  }

  public func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    try disk.withLock { (disk) throws(StorageError) in
      SharedFile(self, try disk.open(name, access))
    }
  }

  public func list() throws(StorageError) -> [FileInfo] {
    try disk.withLock { (disk) throws(StorageError) in try disk.list() }
  }

  public func rename(_ from: String, to: String) throws(StorageError) {
    try disk.withLock { (disk) throws(StorageError) in try disk.rename(from, to: to) }
  }

  public func remove(_ name: String) throws(StorageError) {
    try disk.withLock { (disk) throws(StorageError) in try disk.remove(name) }
  }

  public func makeDirectory(_ name: String) throws(StorageError) {
    try disk.withLock { (disk) throws(StorageError) in try disk.makeDirectory(name) }
  }

  public func sync(_ subdirectory: String?) throws(StorageError) {
    try disk.withLock { (disk) throws(StorageError) in try disk.sync(subdirectory) }
  }

  public func lock() throws(StorageError) -> any DirectoryLock {
    let lock = try disk.withLock { (disk) throws(StorageError) in try disk.lock() }
    return SharedLock(self, lock)
  }

  public func isLocked() throws(StorageError) -> Bool {
    try disk.withLock { (disk) throws(StorageError) in try disk.isLocked() }
  }

  fileprivate func alone<T: Sendable>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    try disk.withLock { (_) throws(StorageError) in try body() }
  }
}

private final class SharedLock: DirectoryLock {
  private let disk: SharedDisk
  private let lock: any DirectoryLock

  init(_ disk: SharedDisk, _ lock: any DirectoryLock) {
    self.disk = disk
    self.lock = lock
  }

  func release() { disk.withDisk { _ in lock.release() } }

  deinit { release() }
}

private final class SharedFile: StorageFile {
  private let disk: SharedDisk
  private let file: any StorageFile

  init(_ disk: SharedDisk, _ file: any StorageFile) {
    self.disk = disk
    self.file = file
  }

  func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes {
    try disk.alone { () throws(StorageError) in try file.read(count, at: offset) }
  }
  func write(_ bytes: Bytes, at offset: Int) throws(StorageError) {
    try disk.alone { () throws(StorageError) in try file.write(bytes, at: offset) }
  }
  func sync() throws(StorageError) {
    try disk.alone { () throws(StorageError) in try file.sync() }
  }
  func size() throws(StorageError) -> Int {
    try disk.alone { () throws(StorageError) in try file.size() }
  }
  func truncate(to size: Int) throws(StorageError) {
    try disk.alone { () throws(StorageError) in try file.truncate(to: size) }
  }
  func extendWithZeros(to size: Int) throws(StorageError) {
    try disk.alone { () throws(StorageError) in try file.extendWithZeros(to: size) }
  }
}
