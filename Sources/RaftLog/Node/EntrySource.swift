// EntrySource: entries that somebody wants, from memory or from where they lie on the disk.

public import LogStorage
public import StorageIO

public enum EntrySource: Sendable {
  case memory([StoredBatch])
  case disk(BatchPlace)

  /// The batches, from the first entry that was asked for on; each may hold more than is meant by it.
  ///
  /// - Throws: `LogError`: `compacted` if they are gone by now.
  public func read(
    bytesMax: Int, in directory: any StorageDirectory
  ) throws(LogError) -> [StoredBatch] {
    switch self {
    case .memory(let batches): batches
    case .disk(let place): try place.read(bytesMax: bytesMax, in: directory)
    }
  }

  public var isInMemory: Bool { if case .memory = self { true } else { false } }
}
