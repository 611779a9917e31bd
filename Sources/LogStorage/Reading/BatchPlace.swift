// BatchPlace: where batches lie on the disk, as a value that can be read elsewhere: beside the engine,
// while that goes on.
//
// What must always hold: what is read is what the log held when the place was looked up; a file that is
// gone by then is reported as compacted, never as damage.

import ByteBuffers
public import LogFormat
import Recovery
public import StorageIO

/// A batch as it lies on the disk, and the part of it that the log holds.
public struct StoredBatch: Sendable {
  public var batch: Batch
  public var indices: ClosedRange<LogIndex>

  public init(_ batch: Batch, _ indices: ClosedRange<LogIndex>) {
    self.batch = batch
    self.indices = indices
  }
}

/// The batches of one segment, from the one with an entry on.
public struct BatchPlace: Sendable {
  private let record: SegmentRecord
  private let header: SegmentHeader
  /// Nil where the footer says it.
  private let batches: [BatchLocation]?
  private let first: LogIndex
  private let last: LogIndex

  /// Batches whose places are taken over at a time.
  private static let locationsMax = 1024

  init(
    _ record: SegmentRecord, group: UID, batches: [BatchLocation]?, from first: LogIndex,
    to last: LogIndex
  ) {
    self.record = record
    header = record.header(group: group)
    let start = batches?.partitioningIndex { $0.lastIndex >= first } ?? 0
    self.batches = batches.map { Array($0[start...].prefix(Self.locationsMax)) }
    self.first = first
    self.last = last
  }

  /// Reads batches from the first entry on, one at least, and more while they fit into `bytesMax`.
  ///
  /// - Throws: `LogError`: `compacted` if the file is gone.
  public func read(
    bytesMax: Int, in directory: any StorageDirectory
  ) throws(LogError) -> [StoredBatch] {
    do {
      return try read(bytesMax, directory.open(record.fileName, .read), directory.path)
    } catch let error as RecoveryError {
      throw LogError(error)
    } catch let error as StorageError {
      guard error.isNotFound else { throw LogError(error) }
      throw LogError(.compacted, "entry \(first) was compacted away while it was looked for")
    } catch {
      preconditionFailure("an error of another kind: \(error)")
    }
  }

  private func read(
    _ bytesMax: Int, _ file: any StorageFile, _ path: String
  ) throws -> [StoredBatch] {
    let batches = try batches ?? SegmentIndex.load(record, header: header, from: file).complete()
    var reader = try BatchReader(
      file, header: header, path: "\(path)/\(record.fileName)",
      windowBytes: min(1 << 20, max(64 << 10, bytesMax)))
    var found: [StoredBatch] = []
    var bytes = 0
    let start = batches.partitioningIndex { $0.lastIndex >= first }
    for location in batches[start...] where location.firstIndex <= last {
      let batch = try reader.whole(at: location)
      bytes += batch.bytes.count
      if bytes > bytesMax, !found.isEmpty { break }
      let indices = max(first, location.firstIndex)...min(last, location.lastIndex)
      found.append(StoredBatch(batch, indices))
    }
    guard found.first?.indices.lowerBound == first else {
      throw RecoveryError(.damaged, "\(path)/\(record.fileName) holds no entry \(first)")
    }
    return found
  }
}

extension LogEngine {
  /// Where an entry lies, and those behind it in the same file; nil if it is not written, or compacted.
  public func place(of index: LogIndex) -> BatchPlace? {
    guard index >= manifest.firstIndex, index <= writtenIndex else { return nil }
    let segments = manifest.segments
    let record = segments[segments.partitioningIndex { ($0.end?.index ?? .max) >= index }]
    return BatchPlace(
      record, group: group, batches: batches(of: record.uid), from: index,
      to: record.end?.index ?? writtenIndex)
  }
}
