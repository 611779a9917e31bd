// DiskState: a disk between syncs, as a value. What is durable, what is pending, what a crash may
// leave of it.
//
// What must always hold: a sync moves exactly the pending sectors of one file to the durable side;
// a directory sync moves exactly the pending entries. Copying the value is cheap, so that a crash
// can be tried at every step.

import ByteBuffers

/// A file, whatever names it has.
struct SimulatedInode: Sendable {
  /// What a reader sees.
  var content: [UInt8] = []
  /// What a crash cannot take away.
  var durable: [UInt8] = []
  /// Sectors that were written since the last sync, in order of their first write.
  var dirty: [Int] = []

  mutating func write(_ bytes: RawSpan, at offset: Int) {
    let end = offset + bytes.byteCount
    guard bytes.byteCount > 0 else { return }
    if end > content.count { resize(to: end) }
    unsafe bytes.withUnsafeBytes { source in
      unsafe content.withUnsafeMutableBytes { target in
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset..<end]).copyMemory(
          from: source)
      }
    }
    for sector in offset / DiskState.sector...(end - 1) / DiskState.sector
    where !dirty.contains(sector) {
      dirty.append(sector)
    }
  }

  mutating func resize(to size: Int) {
    if size < content.count {
      content.removeLast(content.count - size)
      dirty.removeAll { $0 * DiskState.sector >= size }
    } else {
      content.append(contentsOf: repeatElement(0, count: size - content.count))
    }
  }

  /// Makes the dirty sectors and the size durable. A sector whose page a failed sync left clean is
  /// not dirty, and so not written: the lie that follows such a failure.
  mutating func syncPending() {
    let size = content.count
    if durable.count > size { durable.removeLast(durable.count - size) }
    if durable.count < size {
      durable.append(contentsOf: repeatElement(0, count: size - durable.count))
    }
    for sector in dirty {
      let range = DiskState.range(sector, size)
      durable.replaceSubrange(range, with: content[range])
    }
    dirty = []
  }

  /// Sectors that a crash may still take back.
  var pending: [Int] {
    dirty.filter { sector in
      let range = DiskState.range(sector, content.count)
      guard !range.isEmpty else { return false }
      if range.upperBound <= durable.count { return content[range] != durable[range] }
      return range.contains { content[$0] != ($0 < durable.count ? durable[$0] : 0) }
    }
  }
}

/// A change of the directory that is not durable yet.
enum PendingEntry: Sendable {
  case set(String, Int)
  case remove(String)
  case move(String, String, Int)

  /// The name that says which directory this is in.
  var name: String {
    switch self {
    case .set(let name, _), .remove(let name), .move(_, let name, _): name
    }
  }

  func apply(to entries: inout [String: Int]) {
    switch self {
    case .set(let name, let inode): entries[name] = inode
    case .remove(let name): entries[name] = nil
    case .move(let from, let to, let inode):
      entries[from] = nil
      entries[to] = inode
    }
  }
}

struct DiskState: Sendable {
  static let sector = 512

  /// By inode number.
  var inodes: [SimulatedInode] = []
  /// What a reader sees.
  var entries: [String: Int] = [:]
  /// What a crash cannot take away.
  var durableEntries: [String: Int] = [:]
  var pendingEntries: [PendingEntry] = []

  static func range(_ sector: Int, _ size: Int) -> Range<Int> {
    let start = min(sector * Self.sector, size)
    return start..<min((sector + 1) * Self.sector, size)
  }

  mutating func link(_ name: String, _ inode: Int) {
    entries[name] = inode
    pendingEntries.append(.set(name, inode))
  }

  mutating func unlink(_ name: String) {
    entries[name] = nil
    pendingEntries.append(.remove(name))
  }

  /// fsync of the directory that `prefix` names: "" for the log's own, "quarantine/" for that one.
  mutating func syncEntries(prefix: String) {
    var later: [PendingEntry] = []
    for entry in pendingEntries {
      let belongs = prefix.isEmpty ? !entry.name.contains("/") : entry.name.hasPrefix(prefix)
      if belongs { entry.apply(to: &durableEntries) } else { later.append(entry) }
    }
    pendingEntries = later
  }
}

/// What is on a disk after a crash: files by name, sorted.
struct DiskImage: Sendable {
  var files: [(name: String, content: [UInt8])]
  /// True when a sector holds what nobody wrote.
  var hasGarbage = false
  /// What the crash made of what was not synced.
  var fates: Set<CrashFate> = []

  /// A disk that holds this image, all of it durable.
  var state: DiskState {
    var state = DiskState()
    for (i, file) in files.enumerated() {
      state.inodes.append(SimulatedInode(content: file.content, durable: file.content))
      state.entries[file.name] = i
    }
    state.durableEntries = state.entries
    return state
  }

  /// Tells images apart.
  var hash: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for file in files {
      for byte in file.name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
      let crc = unsafe CRC32C.checksum(file.content.span.bytes)
      hash = (hash ^ UInt64(crc)) &* 0x100_0000_01B3
      hash = (hash ^ UInt64(file.content.count)) &* 0x100_0000_01B3
    }
    return hash
  }
}
