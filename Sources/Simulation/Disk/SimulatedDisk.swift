// SimulatedDisk: the storage seam over a DiskState, with faults.
//
// What must always hold: one thread uses it (`SharedDisk` is for more); the same calls with the same
// faults leave the same state. `onChange` is called before each call that changes something, so that a crash can be tried
// between any two of them.

import ByteBuffers
public import StorageIO
import SystemPackage

/// What goes wrong, and when.
public enum SimulatedFault: Sendable, Hashable {
  /// The n-th changing call from now fails, and has done nothing.
  case fail(call: Int, errno: Int32)
  /// Every changing call from the n-th on fails, and does nothing.
  case failForGood(from: Int, errno: Int32)
  /// The n-th write from now writes half of its bytes, then fails.
  case shortWrite(call: Int)
  /// The n-th sync from now fails; afterwards the pages count as clean: the next sync succeeds and
  /// writes nothing.
  case syncLies(call: Int)
  /// Reads of this sector fail, until all of it is written: then the device puts another one in its
  /// place. It belongs to the file, and goes where that is renamed to.
  case unreadable(file: String, sector: Int)
  /// The n-th read from now fails; the same one, tried again, does not.
  case failRead(call: Int, errno: Int32)
  /// The file of this name is there, and does not open; it can be removed, or replaced.
  case unopenable(file: String, errno: Int32)
}

public final class SimulatedDisk: StorageDirectory, @unchecked Sendable {
  public let path = "simulated"
  var state: DiskState
  /// Called before each call that changes the disk, with what it holds until then.
  var onChange: ((DiskState) -> Void)?
  public var faults: [SimulatedFault] = []
  /// Bytes that all files may take; nil for no limit.
  public var capacity: Int?
  /// Calls so far, for placing faults.
  private(set) var changes = 0
  private(set) var writes = 0
  private(set) var syncs = 0
  private(set) var reads = 0
  private var isHeld = false

  init(_ state: DiskState = DiskState()) { self.state = state }

  public convenience init() { self.init(DiskState()) }

  /// The next sync fails, and the ones behind it lie.
  public func failNextSync() { faults.append(.syncLies(call: syncs + 1)) }

  /// Bytes of all files.
  var usedBytes: Int { state.entries.values.reduce(0) { $0 + state.inodes[$1].content.count } }

  private func changing(
    _ operation: StorageError.Operation, _ name: String
  ) throws(StorageError) {
    onChange?(state)
    changes += 1
    for fault in faults {
      if case .fail(let call, let errno) = fault, call == changes {
        throw StorageError(operation, path: "\(path)/\(name)", errno: Errno(rawValue: errno))
      }
      if case .failForGood(let first, let errno) = fault, changes >= first {
        throw StorageError(operation, path: "\(path)/\(name)", errno: Errno(rawValue: errno))
      }
    }
  }

  // MARK: StorageDirectory

  public func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    for fault in faults {
      if case .unopenable(let file, let errno) = fault, file == name, access != .create {
        throw StorageError(.open, path: "\(path)/\(name)", errno: Errno(rawValue: errno))
      }
    }
    switch access {
    case .read, .update:
      guard let inode = state.entries[name] else {
        throw StorageError(.open, path: "\(path)/\(name)", errno: .noSuchFileOrDirectory)
      }
      return SimulatedFile(self, inode, name)
    case .create:
      try changing(.open, name)
      guard state.entries[name] == nil else {
        throw StorageError(.open, path: "\(path)/\(name)", errno: .fileExists)
      }
      state.inodes.append(SimulatedInode())
      state.link(name, state.inodes.count - 1)
      return SimulatedFile(self, state.inodes.count - 1, name)
    }
  }

  public func list() throws(StorageError) -> [FileInfo] {
    state.entries.filter { !$0.key.contains("/") }
      .map { FileInfo(name: $0.key, size: state.inodes[$0.value].content.count) }
      .sorted { $0.name < $1.name }
  }

  public func rename(_ from: String, to: String) throws(StorageError) {
    try changing(.rename, from)
    guard let inode = state.entries[from] else {
      throw StorageError(.rename, path: "\(path)/\(from)", errno: .noSuchFileOrDirectory)
    }
    state.entries[from] = nil
    state.entries[to] = inode
    dropFaults(of: to)
    moveFaults(from, to: to)
    // One change: a crash never leaves both names or neither.
    state.pendingEntries.append(.move(from, to, inode))
  }

  public func remove(_ name: String) throws(StorageError) {
    guard state.entries[name] != nil else {
      throw StorageError(.remove, path: "\(path)/\(name)", errno: .noSuchFileOrDirectory)
    }
    try changing(.remove, name)
    state.unlink(name)
    dropFaults(of: name)
  }

  public func makeDirectory(_ name: String) throws(StorageError) {}

  public func sync(_ subdirectory: String?) throws(StorageError) {
    try changing(.syncDirectory, subdirectory ?? ".")
    state.syncEntries(prefix: subdirectory.map { "\($0)/" } ?? "")
  }

  public func lock() throws(StorageError) -> any DirectoryLock {
    guard !isHeld else { throw StorageError(.lock, path: path, errno: .wouldBlock) }
    isHeld = true
    return SimulatedLock(self)
  }

  public func isLocked() throws(StorageError) -> Bool { isHeld }

  fileprivate func unlock() { isHeld = false }

  // MARK: Faults of files

  private func dropFaults(of name: String) {
    faults.removeAll { fault in
      switch fault {
      case .unreadable(let file, _), .unopenable(let file, _): file == name
      default: false
      }
    }
  }

  private func moveFaults(_ from: String, to name: String) {
    faults = faults.map { fault in
      switch fault {
      case .unreadable(from, let sector): .unreadable(file: name, sector: sector)
      case .unopenable(from, let errno): .unopenable(file: name, errno: errno)
      default: fault
      }
    }
  }

  private func reviveSectors(of name: String, in written: Range<Int>, size: Int) {
    faults.removeAll { fault in
      guard case .unreadable(let file, let sector) = fault, file == name else { return false }
      let place = DiskState.range(sector, size)
      return written.lowerBound <= place.lowerBound && written.upperBound >= place.upperBound
    }
  }

  // MARK: Files

  fileprivate func read(
    _ inode: Int, _ name: String, _ count: Int, _ offset: Int
  ) throws(StorageError) -> Bytes {
    reads += 1
    let end = min(offset + count, state.inodes[inode].content.count)
    guard offset < end else { return Bytes() }
    for fault in faults {
      if case .failRead(let call, let errno) = fault, call == reads {
        throw StorageError(
          .read, path: "\(path)/\(name)", errno: Errno(rawValue: errno), offset: offset)
      }
      if case .unreadable(let file, let sector) = fault, file == name,
        sector * DiskState.sector < end, (sector + 1) * DiskState.sector > offset
      {
        throw StorageError(.read, path: "\(path)/\(name)", errno: .ioError, offset: offset)
      }
    }
    let content = state.inodes[inode].content
    return unsafe Bytes(copying: content.span.bytes.extracting(offset..<end))
  }

  fileprivate func write(
    _ inode: Int, _ name: String, _ bytes: Bytes, _ offset: Int
  ) throws(StorageError) {
    try changing(.write, name)
    writes += 1
    try reserve(inode, name, offset + bytes.count)
    for fault in faults {
      if case .shortWrite(let call) = fault, call == writes {
        state.inodes[inode].write(bytes[0..<bytes.count / 2].span, at: offset)
        throw StorageError(.write, path: "\(path)/\(name)", errno: .noSpace, offset: offset)
      }
    }
    state.inodes[inode].write(bytes.span, at: offset)
    reviveSectors(of: name, in: offset..<offset + bytes.count, size: size(inode))
  }

  /// Fails when the file would not fit on the disk at `size`.
  fileprivate func reserve(_ inode: Int, _ name: String, _ size: Int) throws(StorageError) {
    let more = max(0, size - state.inodes[inode].content.count)
    if let capacity, more > 0, usedBytes + more > capacity {
      throw StorageError(.write, path: "\(path)/\(name)", errno: .noSpace)
    }
  }

  fileprivate func sync(_ inode: Int, _ name: String) throws(StorageError) {
    try changing(.sync, name)
    syncs += 1
    for fault in faults {
      if case .syncLies(let call) = fault, call == syncs {
        // The pages are clean now, and were never written.
        state.inodes[inode].dirty = []
        throw StorageError(.sync, path: "\(path)/\(name)", errno: .ioError)
      }
    }
    state.inodes[inode].syncPending()
  }

  fileprivate func size(_ inode: Int) -> Int { state.inodes[inode].content.count }

  fileprivate func resize(_ inode: Int, _ name: String, _ size: Int) throws(StorageError) {
    try changing(.truncate, name)
    try reserve(inode, name, size)
    state.inodes[inode].resize(to: size)
  }
}

private final class SimulatedFile: StorageFile, @unchecked Sendable {
  private let disk: SimulatedDisk
  private let inode: Int
  private let name: String

  init(_ disk: SimulatedDisk, _ inode: Int, _ name: String) {
    self.disk = disk
    self.inode = inode
    self.name = name
  }

  func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes {
    try disk.read(inode, name, count, offset)
  }
  func write(_ bytes: Bytes, at offset: Int) throws(StorageError) {
    try disk.write(inode, name, bytes, offset)
  }
  func sync() throws(StorageError) { try disk.sync(inode, name) }
  func size() throws(StorageError) -> Int { disk.size(inode) }
  func truncate(to size: Int) throws(StorageError) { try disk.resize(inode, name, size) }
  func extendWithZeros(to size: Int) throws(StorageError) {
    if size > disk.size(inode) { try disk.resize(inode, name, size) }
  }
}

private final class SimulatedLock: DirectoryLock, @unchecked Sendable {
  private weak var disk: SimulatedDisk?

  init(_ disk: SimulatedDisk) { self.disk = disk }

  func release() {
    disk?.unlock()
    disk = nil
  }

  deinit { release() }
}
