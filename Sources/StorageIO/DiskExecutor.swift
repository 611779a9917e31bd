// DiskExecutor: carries out disk steps on a directory, keeping files open between them.
//
// What must always hold: it belongs to one thread at a time; after a rename or removal it never
// writes through a handle that was opened under the old name.

public import ByteBuffers

/// Carries out jobs, step by step.
public struct DiskExecutor: ~Copyable {
  public let directory: any StorageDirectory
  private var open: [(name: String, file: any StorageFile)] = []

  public init(directory: any StorageDirectory) { self.directory = directory }

  /// Carries out all steps; the first failure ends it, and lets go of the file that it concerns: it may
  /// be removed elsewhere, and would keep its space for as long as it is open here.
  public mutating func run(_ steps: [DiskStep]) throws(StorageError) {
    for step in steps {
      do {
        try run(step)
      } catch {
        open.removeAll { error.concerns($0.name) }
        throw error
      }
    }
  }

  public mutating func run(_ step: DiskStep) throws(StorageError) {
    switch step {
    case .create(let name, let zeros):
      try create(name).extendWithZeros(to: zeros)
    case .write(let name, let bytes, let offset):
      try file(name).write(bytes, at: offset)
    case .sync(let name):
      try file(name).sync()
    case .truncate(let name, let size):
      try file(name).truncate(to: size)
    case .rename(let from, let to):
      close(from)
      close(to)
      try directory.rename(from, to: to)
    case .remove(let name):
      close(name)
      try removeIfPresent(name)
    case .makeDirectory(let name):
      try directory.makeDirectory(name)
    case .syncDirectory(let name):
      try directory.sync(name)
    case .copy(let from, let offset, let to):
      try copy(from, from: offset, to: to)
    case .close(let name):
      close(name)
    }
  }

  /// The open file of that name, opening it if need be.
  private mutating func file(_ name: String) throws(StorageError) -> any StorageFile {
    if let entry = open.first(where: { $0.name == name }) { return entry.file }
    let file = try directory.open(name, .update)
    open.append((name, file))
    return file
  }

  private mutating func create(_ name: String) throws(StorageError) -> any StorageFile {
    close(name)
    try removeIfPresent(name)
    let file = try directory.open(name, .create)
    open.append((name, file))
    return file
  }

  private func removeIfPresent(_ name: String) throws(StorageError) {
    do {
      try directory.remove(name)
    } catch  where error.isNotFound {
    }
  }

  private mutating func close(_ name: String) { open.removeAll { $0.name == name } }

  /// Copies in pieces, so that memory stays bounded; a sector that cannot be read is filled with 0xEE.
  private mutating func copy(
    _ from: String, from start: Int, to name: String
  ) throws(StorageError) {
    let source = try directory.open(from, .read)
    let target = try create(name)
    let end = try source.size()
    var offset = start
    while offset < end {
      let piece = try source.readTolerantly(min(1 << 20, end - offset), at: offset).bytes
      if piece.isEmpty { break }
      try target.write(piece, at: offset - start)
      offset += piece.count
    }
  }
}

/// What could be read of a range, and which sectors of it could not.
public struct TolerantRead: Sendable {
  public var bytes: Bytes
  /// Byte ranges of the file that the device failed to deliver, in order: whole sectors, except at
  /// the end of the file.
  public var unreadable: [Range<Int>]
  /// The first of the calls that failed for good; nil if everything was delivered.
  public var error: StorageError?

  public init(bytes: Bytes, unreadable: [Range<Int>] = [], error: StorageError? = nil) {
    self.bytes = bytes
    self.unreadable = unreadable
    self.error = error
  }
}

extension StorageFile {
  /// Reads a range, and where the device fails narrows the failure down to single sectors. These are
  /// filled with 0xEE: never zeros, which would look like space that was not written yet.
  public func readTolerantly(_ count: Int, at offset: Int) throws(StorageError) -> TolerantRead {
    do {
      return TolerantRead(bytes: try read(count, at: offset))
    } catch  where error.isReadFailure {
    }
    let sector = 512
    var writer = ByteWriter(capacity: count)
    var unreadable: [Range<Int>] = []
    var failure: StorageError?
    let fileEnd = try size()
    let end = min(offset + count, fileEnd)
    var at = offset
    while at < end {
      let next = min(end, (at / sector + 1) * sector)
      do {
        let bytes = try read(next - at, at: at)
        writer.bytes(bytes.span)
      } catch  where error.isReadFailure {
        writer.fill(0xEE, count: next - at)
        // All of a sector comes, or none of it.
        let start = at / sector * sector
        let range = start..<min(start + sector, fileEnd)
        if let last = unreadable.last, last.upperBound == start {
          unreadable[unreadable.count - 1] = last.lowerBound..<range.upperBound
        } else {
          unreadable.append(range)
        }
        if failure == nil { failure = error }
      }
      at = next
    }
    return TolerantRead(bytes: writer.finish(), unreadable: unreadable, error: failure)
  }
}
