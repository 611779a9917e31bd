// SegmentedLogReader: reads entries of an open log, beside its writer.
//
// What must always hold: only what is written is read; a file that compaction deletes in the
// meantime is either read to the end or reported as compacted, never as damage.

import ByteBuffers
import LogFormat
import Recovery
import StorageIO
import Synchronization

final class SegmentedLogReader: Sendable {
  private let core: LogCore
  /// Batch indexes of sealed segments, the most recently used last.
  private let indexes = Mutex<[(uid: UID, batches: [BatchLocation])]>([])
  private static let indexesMax = 8

  init(_ core: LogCore) { self.core = core }

  /// Where a run of entries lies.
  private struct Place {
    let record: SegmentRecord
    let header: SegmentHeader
    /// Nil when the footer says it.
    let batches: [BatchLocation]?
    let last: LogIndex
  }

  func read(
    from first: LogIndex, to last: LogIndex, bytesMax: Int
  ) throws(LogError) -> [Entry] {
    var entries: [Entry] = []
    var bytes = 0
    var next = first
    repeat {
      let recent = try recentEntries(
        next...max(next, last), bytesLeft: bytesMax - bytes, atLeastOne: entries.isEmpty)
      if let final = recent.last {
        entries += recent
        bytes += recent.reduce(0) { $0 + $1.payload.count }
        next = final.index + 1
        if bytes >= bytesMax { break }
        continue
      }
      let place = try locate(next)
      let end = min(place.last, last)
      let read = try self.read(
        place, next...max(next, end), bytesLeft: bytesMax - bytes, atLeastOne: entries.isEmpty)
      if read.isEmpty { break }
      entries += read
      bytes += read.reduce(0) { $0 + $1.payload.count }
      next = (entries.last?.index ?? next) + 1
      if next <= end { break }
    } while next <= last && bytes < bytesMax && isWritten(next)
    return entries
  }

  /// Entries from memory; none if these are not among the last that were written, or do not fit.
  private func recentEntries(
    _ range: ClosedRange<LogIndex>, bytesLeft: Int, atLeastOne: Bool
  ) throws(LogError) -> [Entry] {
    let batches = core.state.withLock { state in
      range.lowerBound < state.engine.firstIndex
        ? []
        : state.engine.recent.batches(
          from: range.lowerBound, to: range.upperBound, limit: min(bytesLeft, 1 << 20))
    }
    var entries: [Entry] = []
    var bytes = 0
    for item in batches {
      let part = max(range.lowerBound, item.first)...min(range.upperBound, item.last)
      do throws(FormatError) {
        for entry in try Batch(item.body).entries(in: part) {
          bytes += entry.payload.count
          if bytes > bytesLeft, !entries.isEmpty || !atLeastOne { return entries }
          entries.append(entry)
        }
      } catch {
        throw LogError(.damaged, "entries \(part.lowerBound)-\(part.upperBound) rotted in memory")
      }
    }
    return entries
  }

  private func isWritten(_ index: LogIndex) -> Bool {
    core.state.withLock { $0.engine.writtenIndex >= index }
  }

  private func locate(_ index: LogIndex) throws(LogError) -> Place {
    try core.state.withLock { state throws(LogError) in
      guard index >= state.engine.firstIndex else {
        throw LogError(
          .compacted,
          "entry \(index) was compacted away; the log begins at \(state.engine.firstIndex)")
      }
      guard index <= state.engine.writtenIndex else {
        throw LogError(
          .outOfRange, "entry \(index) is not there; the log ends at \(state.engine.writtenIndex)")
      }
      let active = state.engine.active
      let segments = state.engine.manifest.segments
      let position =
        segments.partitioningIndex { ($0.end?.index ?? .max) >= index }
      let record = segments[position]
      return Place(
        record: record, header: record.header(group: state.engine.group),
        batches: state.engine.batches(of: record.uid),
        last: record.uid == active.record.uid ? state.engine.writtenIndex : record.end!.index)
    }
  }

  private func read(
    _ place: Place, _ range: ClosedRange<LogIndex>, bytesLeft: Int, atLeastOne: Bool
  ) throws(LogError) -> [Entry] {
    do {
      let file = try core.directory.open(place.record.fileName, .read)
      let batches = try place.batches ?? self.batches(place, in: file)
      var reader = try BatchReader(
        file, header: place.header, path: "\(core.directory.path)/\(place.record.fileName)",
        windowBytes: min(1 << 20, max(64 << 10, bytesLeft == .max ? 0 : bytesLeft)))
      var entries: [Entry] = []
      var bytes = 0
      let start = batches.partitioningIndex { $0.lastIndex >= range.lowerBound }
      for location in batches[start...] where location.firstIndex <= range.upperBound {
        let first = max(range.lowerBound, location.firstIndex)
        let last = min(range.upperBound, location.lastIndex)
        guard first <= last else { break }
        for entry in try reader.entries(at: location, in: first...last) {
          bytes += entry.payload.count
          if bytes > bytesLeft, !entries.isEmpty || !atLeastOne { return entries }
          entries.append(entry)
        }
        if bytes >= bytesLeft { break }
      }
      guard !entries.isEmpty else {
        throw LogError(
          .damaged, "\(place.record.fileName) holds no entry \(range.lowerBound), though it should")
      }
      return entries
    } catch let error as LogError {
      throw error
    } catch let error as RecoveryError {
      throw LogError(error)
    } catch let error as StorageError {
      // Gone since it was located: compaction came first.
      if error.isNotFound { _ = try locate(range.lowerBound) }
      throw LogError(error)
    } catch {
      preconditionFailure("an error of another kind: \(error)")
    }
  }

  private func batches(
    _ place: Place, in file: any StorageFile
  ) throws(StorageError) -> [BatchLocation] {
    if let known = indexes.withLock({ $0.first { $0.uid == place.record.uid }?.batches }) {
      return known
    }
    let batches = try SegmentIndex.load(place.record, header: place.header, from: file)
    indexes.withLock {
      $0.append((place.record.uid, batches))
      if $0.count > Self.indexesMax { $0.removeFirst() }
    }
    return batches
  }
}
