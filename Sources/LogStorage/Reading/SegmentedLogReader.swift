// SegmentedLogReader: reads entries of an open log, beside its writer.
//
// What must always hold: only what is written is read; what one call returns was the log at one
// moment, however many rounds it took and whatever was truncated between them; a file that compaction
// deletes in the meantime is either read to the end or reported as compacted, never as damage.

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

  private let history: TruncationHistory

  init(_ core: LogCore) {
    self.core = core
    history = core.state.withLock { $0.engine.truncationHistory }
  }

  /// Where a run of entries lies.
  private struct Place {
    let record: SegmentRecord
    let header: SegmentHeader
    /// Nil when the footer says it; else the first few from the entry that is wanted on.
    let batches: [BatchLocation]?
    /// The last entry that `batches`, or the footer, tell the place of.
    let last: LogIndex
  }

  /// Batches whose places are taken over at a time, while the log is locked.
  private static let locationsMax = 1024
  /// A file that is gone may be looked for elsewhere so often.
  private static let attemptsMax = 4

  func read(
    from first: LogIndex, to last: LogIndex, bytesMax: Int
  ) throws(LogError) -> [Entry] {
    var entries: [Entry] = []
    var bytes = 0
    var next = first
    // Those that `entries` knows of.
    var truncations = core.state.withLock { _ in history.count }
    repeat {
      var round: (entries: [Entry], isLast: Bool) = ([], false)
      do throws(LogError) {
        round = try readRound(
          next...max(next, last), bytesLeft: bytesMax - bytes, atLeastOne: entries.isEmpty)
      } catch {
        // What was to be read may have been taken back.
        guard history.count != truncations else { throw error }
      }
      entries += round.entries
      bytes += round.entries.reduce(0) { $0 + $1.payload.count }
      if let (kept, count) = core.state.withLock({ _ in history.lowest(since: truncations) }) {
        truncations = count
        if let end = entries.firstIndex(where: { $0.index > kept }) {
          entries.removeSubrange(end...)
          bytes = entries.reduce(0) { $0 + $1.payload.count }
          round.isLast = false
        }
      }
      next = first + LogIndex(entries.count)
      if round.isLast { break }
    } while entries.isEmpty || (next <= last && bytes < bytesMax && isWritten(next))
    return entries
  }

  /// The next entries, from one place, and whether no more fit behind them.
  private func readRound(
    _ range: ClosedRange<LogIndex>, bytesLeft: Int, atLeastOne: Bool
  ) throws(LogError) -> (entries: [Entry], isLast: Bool) {
    if let recent = try recentEntries(range, bytesLeft: bytesLeft, atLeastOne: atLeastOne) {
      return recent
    }
    let (read, end) = try readFile(range, bytesLeft: bytesLeft, atLeastOne: atLeastOne)
    return (read, (read.last?.index ?? 0) < end)
  }

  /// Entries from memory, and whether the next one does not fit; nil if these are not among the last
  /// that were written.
  private func recentEntries(
    _ range: ClosedRange<LogIndex>, bytesLeft: Int, atLeastOne: Bool
  ) throws(LogError) -> (entries: [Entry], isLast: Bool)? {
    let batches = core.state.withLock { state in
      range.lowerBound < state.engine.firstIndex
        ? []
        : state.engine.recent.batches(
          from: range.lowerBound, to: range.upperBound, limit: min(bytesLeft, 1 << 20))
    }
    guard !batches.isEmpty else { return nil }
    var entries: [Entry] = []
    var bytes = 0
    for item in batches {
      let part = max(range.lowerBound, item.first)...min(range.upperBound, item.last)
      do throws(FormatError) {
        for entry in try Batch(item.body).entries(in: part) {
          bytes += entry.payload.count
          if bytes > bytesLeft, !entries.isEmpty || !atLeastOne { return (entries, true) }
          entries.append(entry)
        }
      } catch {
        throw LogError(.damaged, "entries \(part.lowerBound)-\(part.upperBound) rotted in memory")
      }
    }
    return (entries, false)
  }

  private func isWritten(_ index: LogIndex) -> Bool {
    core.state.withLock { $0.engine.writtenIndex >= index }
  }

  /// Entries from one file, and up to where that file was to be read.
  private func readFile(
    _ range: ClosedRange<LogIndex>, bytesLeft: Int, atLeastOne: Bool
  ) throws(LogError) -> (entries: [Entry], end: LogIndex) {
    var place = try locate(range)
    var attempt = 1
    while true {
      let end = max(range.lowerBound, min(place.last, range.upperBound))
      do throws(LogError) {
        let entries = try read(
          place, range.lowerBound...end, bytesLeft: bytesLeft, atLeastOne: atLeastOne)
        return (entries, end)
      } catch {
        let isGone = error.storageError?.isNotFound == true
        guard isGone, attempt < Self.attemptsMax else { throw error }
        // Gone since it was located: a compaction or a truncation came first, and the entries are
        // elsewhere, or gone as well. If they are not, the file is missing.
        let other = try locate(range)
        guard other.record.uid != place.record.uid else { throw error }
        place = other
        attempt += 1
      }
    }
  }

  private func locate(_ range: ClosedRange<LogIndex>) throws(LogError) -> Place {
    let index = range.lowerBound
    return try core.state.withLock { state throws(LogError) in
      guard index > 0 else { throw LogError(.outOfRange, "there is no entry 0: the first is 1") }
      guard index >= state.engine.firstIndex else {
        throw LogError(
          .compacted,
          "entry \(index) was compacted away; the log begins at \(state.engine.firstIndex)")
      }
      guard index <= state.engine.writtenIndex else {
        throw LogError(
          .outOfRange, "entry \(index) is not there; the log ends at \(state.engine.writtenIndex)")
      }
      let segments = state.engine.manifest.segments
      let record = segments[segments.partitioningIndex { ($0.end?.index ?? .max) >= index }]
      let batches = Self.locations(of: range, in: state.engine.batches(of: record.uid))
      return Place(
        record: record, header: record.header(group: state.engine.group), batches: batches,
        last: min(
          batches?.last?.lastIndex ?? .max, record.end?.index ?? state.engine.writtenIndex))
    }
  }

  /// A copy of the few places that matter: to hold on to all of them would make the writer copy them
  /// with its next batch.
  private static func locations(
    of range: ClosedRange<LogIndex>, in batches: [BatchLocation]?
  ) -> [BatchLocation]? {
    guard let batches else { return nil }
    let start = batches.partitioningIndex { $0.lastIndex >= range.lowerBound }
    let wanted = batches[start...].prefix(locationsMax)
    return Array(wanted[..<wanted.partitioningIndex { $0.firstIndex > range.upperBound }])
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
    // What a device did not deliver it may deliver the next time: nothing is remembered of that.
    let batches = try SegmentIndex.load(place.record, header: place.header, from: file).complete()
    indexes.withLock {
      $0.append((place.record.uid, batches))
      if $0.count > Self.indexesMax { $0.removeFirst() }
    }
    return batches
  }
}
