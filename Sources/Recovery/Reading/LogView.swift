// LogView: a log as it can be read from its directory, without opening it for writing.
//
// What must always hold: entries come in order and verified, each index once; where one cannot be
// read the view says which and why, and goes on only if it is told to. A batch is taken only if it is
// the one that its place in the index names: a page that a device put elsewhere is sound, and wrong.

import ByteBuffers
public import LogFormat
public import StorageIO

/// Reads the entries of a log from evidence that was gathered.
public struct LogView: Sendable {
  /// A segment's part of the log.
  struct Part: Sendable {
    var record: SegmentRecord
    var header: SegmentHeader
    var last: LogIndex
    /// Known from a scan; otherwise the footer says it.
    var batches: [BatchLocation]?
    /// True when entries behind `last` are damaged or gone, and nobody knows how many.
    var endsInDamage = false
    /// Entries that may have been taken back by a frame that cannot be read.
    var uncertain: ClosedRange<LogIndex>?
    /// True when there is no file, or another one has its name.
    var isMissing = false
    /// What was not delivered of the file.
    var failure: ReadFailure?

    /// The batches, from the file if nobody has looked yet; notes what is not delivered.
    fileprivate mutating func findBatches(
      in file: any StorageFile
    ) throws(StorageError) -> [BatchLocation] {
      if let batches { return batches }
      let index = try SegmentIndex.load(record, header: header, from: file)
      failure = ReadFailure.joining(failure, index.failure)
      return index.batches
    }
  }

  public let state: ManifestState
  public let firstIndex: LogIndex
  /// The last index that opening this directory would keep.
  public private(set) var lastIndex: LogIndex
  /// True when the log ends in damage, and nobody knows how far it went.
  var endsInDamage: Bool { parts.last?.endsInDamage == true }
  private(set) var parts: [Part]
  /// The frames of the segment that is being written.
  private var active: SegmentScan?
  /// True when the last part's batches are those of `active`, and not what damage left of them.
  private var isActiveWhole = true
  private let directory: any StorageDirectory

  /// The log that `diagnosis` leaves; nil if there is no manifest to go by, or one of which edits
  /// were not delivered: they may have taken back what the others say.
  public init?(_ diagnosis: Diagnosis, in directory: any StorageDirectory) {
    self.init(diagnosis, refusals: diagnosis.refusals, in: directory)
  }

  /// The log that a look beside a writer leaves: what a second look did not confirm is no damage.
  public init?(_ look: DirectoryLook, in directory: any StorageDirectory) {
    self.init(
      look.diagnosis, refusals: look.findings.filter(\.verdict.refusesOpening), in: directory)
  }

  private init?(
    _ diagnosis: Diagnosis, refusals: [Finding], in directory: any StorageDirectory
  ) {
    guard !diagnosis.hidesManifest, let state = diagnosis.evidence.manifest?.state else {
      return nil
    }
    self.state = state
    self.directory = directory
    firstIndex = state.firstIndex
    var parts: [Part] = []
    for segment in diagnosis.evidence.segments {
      let record = segment.record
      let scan = segment.counted
      var batches = scan.map(\.batches)
      // What is reported without an end has none here either; nor has a file that cannot be read.
      let endsInDamage =
        segment.isUnopenable && record.end == nil
        || refusals.contains {
          $0.file == record.fileName && $0.firstIndex != nil && $0.lastIndex == nil
        }
      var last = record.end?.index ?? scan?.end.index ?? record.previousIndex
      if let scan, !scan.breaks.isEmpty,
        refusals.contains(where: { $0.file == record.fileName })
      {
        // Damage is not cut: what lies behind it belongs to the log.
        batches = scan.readableBatches
        if segment.isActive { isActiveWhole = false }
        let known = scan.breaks.filter { $0.shape != .zeros }
        let behind = max(
          scan.batchesBehindBreak.last?.lastIndex ?? 0, known.compactMap(\.lastIndex).max() ?? 0)
        let chained = min(last, scan.truncatedBehindBreak ?? .max)
        last = record.end?.index ?? max(chained, behind)
      }
      parts.append(
        Part(
          record: record, header: record.header(group: state.group), last: last, batches: batches,
          endsInDamage: endsInDamage,
          uncertain: Self.uncertain(refusals, in: record.fileName),
          isMissing: segment.fileBytes == nil || segment.header == .otherSegment,
          failure: ReadFailure.joining(segment.failure, scan?.failure)))
    }
    self.parts = parts
    active = diagnosis.evidence.segments.last?.counted
    lastIndex = max(parts.last?.last ?? 0, state.firstIndex - 1)
  }

  /// What the findings of a file hold to be uncertain, all of it.
  private static func uncertain(_ findings: [Finding], in name: String) -> ClosedRange<LogIndex>? {
    let ranges = findings.filter { $0.file == name }.compactMap(\.uncertain)
    guard let lower = ranges.map(\.lowerBound).min(), let upper = ranges.map(\.upperBound).max()
    else { return nil }
    return lower...upper
  }

  /// Feeds the entries from `from` to `to` to `visit`, a batch at a time, in bounded memory.
  ///
  /// Entries that a frame may have taken back which cannot be read are delivered like others, and
  /// named behind the last one that comes of their file, as damage is.
  ///
  /// - Parameters:
  ///   - onDamage: told of ranges that cannot be read; nil throws instead.
  ///   - visit: gets the entries of one batch; false ends the replay.
  public func replay(
    from: LogIndex = 1, to: LogIndex = .max, onDamage: ((RecoveryError) -> Void)? = nil,
    into visit: ([Entry]) throws -> Bool
  ) throws {
    var next = max(from, firstIndex)
    let end = min(to, lastIndex)
    for var part in parts where part.last >= next && part.record.firstIndex <= end {
      let batches: [BatchLocation]
      var reader: BatchReader
      do throws(StorageError) {
        let file = try directory.open(part.record.fileName, .read)
        batches = try part.findBatches(in: file)
        reader = try BatchReader(
          file, header: part.header, path: part.record.fileName, windowBytes: 2 << 20)
      } catch {
        let damage = RecoveryError(
          error.isNotFound ? .lost : .storage,
          "\(Words.entries(max(next, part.record.firstIndex), part.last)) cannot be read: \(error)",
          storageError: error)
        guard let onDamage else { throw damage }
        onDamage(damage)
        next = part.last + 1
        continue
      }
      let start = batches.partitioningIndex { $0.lastIndex >= next }
      for location in batches[start...] {
        if next > end { break }
        let first = max(next, location.firstIndex)
        let last = min(end, location.lastIndex, part.last)
        if first > last { continue }
        if first > next { try report(next, first - 1, part, onDamage) }
        next = last + 1
        let entries: [Entry]
        do throws(RecoveryError) {
          entries = try reader.entries(at: location, in: first...last)
        } catch {
          guard let onDamage else { throw error }
          onDamage(error)
          continue
        }
        guard try visit(entries) else { return }
      }
      // Damage without an end is one, from its first entry on.
      if part.endsInDamage, to > lastIndex {
        return try report(
          next, nil, part, onDamage, warning: warning(part, from: from, to: end))
      }
      if next <= min(end, part.last) { try report(next, min(end, part.last), part, onDamage) }
      if let warning = warning(part, from: from, to: end) { try warn(warning, part, onDamage) }
      next = max(next, min(end, part.last) + 1)
    }
    if let last = parts.last, last.endsInDamage, to > lastIndex, next > lastIndex {
      try report(next, nil, last, onDamage, warning: warning(last, from: from, to: end))
    }
  }

  /// Takes in what the active segment has got since; true if there was anything. A view that this
  /// failed for is not to be used any more.
  mutating func extend() throws(StorageError) -> Bool {
    guard active != nil, let last = parts.indices.last else { return false }
    let file = try directory.open(parts[last].record.fileName, .read)
    // Let go of while the scan adds to them: an array with two owners is copied first.
    if isActiveWhole { parts[last].batches = nil }
    let isNew = try active!.extend(file)
    if isNew {
      isActiveWhole = true
      parts[last].endsInDamage = false
      parts[last].last = active!.end.index
      lastIndex = max(active!.end.index, firstIndex - 1)
    }
    if isActiveWhole { parts[last].batches = active!.batches }
    return isNew
  }

  /// What is uncertain of the entries from `first` to `last` of a part, in words.
  private func warning(_ part: Part, from first: LogIndex, to last: LogIndex) -> String? {
    guard let uncertain = part.uncertain, uncertain.upperBound >= first,
      uncertain.lowerBound <= last
    else { return nil }
    return Finding.warning(uncertain)
  }

  private func warn(
    _ warning: String, _ part: Part, _ onDamage: ((RecoveryError) -> Void)?
  ) throws(RecoveryError) {
    let name = part.record.fileName
    let damage =
      if let failure = part.failure {
        RecoveryError(.storage, "\(name): \(warning): \(failure)", storageError: failure.error)
      } else {
        RecoveryError(.damaged, "\(name): \(warning)")
      }
    guard let onDamage else { throw damage }
    onDamage(damage)
  }

  /// - Parameters:
  ///   - last: nil when nobody knows where the damage ends.
  ///   - warning: what else there is to know of it.
  private func report(
    _ first: LogIndex, _ last: LogIndex?, _ part: Part, _ onDamage: ((RecoveryError) -> Void)?,
    warning: String? = nil
  ) throws(RecoveryError) {
    let name = part.record.fileName
    let entries = Words.entries(first, last)
    let verb = first == last ? "is" : "are"
    let more = warning.map { "; \($0)" } ?? ""
    let damage =
      if let failure = part.failure {
        RecoveryError(
          .storage, "\(name): \(entries) cannot be read: \(failure)\(more)",
          storageError: failure.error)
      } else if part.isMissing {
        RecoveryError(.lost, "\(name): \(entries) \(verb) lost with the file")
      } else {
        RecoveryError(.damaged, "\(name): \(entries) \(verb) damaged\(more)")
      }
    guard let onDamage else { throw damage }
    onDamage(damage)
  }
}

/// The batches of a segment that nobody has looked at yet.
package struct SegmentIndex {
  package let batches: [BatchLocation]
  /// What was not delivered while they were looked for: some may be missing because of it.
  package let failure: ReadFailure?

  /// The batches that the log has in a segment: from its footer or, without one, from its frames. A
  /// footer that is sound and not the one that the manifest sealed the segment with counts for none.
  package static func load(
    _ record: SegmentRecord, header: SegmentHeader, from file: any StorageFile
  ) throws(StorageError) -> SegmentIndex {
    if let seal = record.seal,
      let footer = try? SegmentFooter.read(file, size: seal.size, header: header),
      footer.digest == seal.digest
    {
      return SegmentIndex(batches: footer.batches, failure: nil)
    }
    let scan = try SegmentScan.scan(file, header: header, limit: record.end?.offset)
    return SegmentIndex(batches: scan.readableBatches, failure: scan.failure)
  }

  /// The batches, all of them.
  package func complete() throws(StorageError) -> [BatchLocation] {
    if let failure { throw failure.error }
    return batches
  }
}

/// Reads single batches of one segment, checked.
package struct BatchReader {
  private var window: FileWindow
  private let header: SegmentHeader
  private let seed: FrameSeed
  private let path: String

  /// - Parameter windowBytes: read at once; more than a batch when batches are read in order.
  package init(
    _ file: any StorageFile, header: SegmentHeader, path: String, windowBytes: Int
  ) throws(StorageError) {
    window = try FileWindow(file, windowBytes: windowBytes)
    self.header = header
    self.path = path
    seed = header.seed
  }

  /// The entries of the batch at `location` that lie in `range`, which the location must cover: all
  /// of them, or an error.
  package mutating func entries(
    at location: BatchLocation, in range: ClosedRange<LogIndex>
  ) throws(RecoveryError) -> [Entry] {
    try reporting(range, at: location) { reader in
      let batch = try reader.batch(at: location)
      let entries = try batch.entries(in: range)
      guard entries.count == Int(range.upperBound - range.lowerBound) + 1 else {
        throw FormatError(
          .inconsistent,
          "the batch holds \(Words.entries(batch.header.indices))")
      }
      return entries
    }
  }

  /// The batch at `location` as it lies, of which the log may hold a part; checked like its entries.
  package mutating func whole(at location: BatchLocation) throws(RecoveryError) -> Batch {
    try reporting(location.firstIndex...location.lastIndex, at: location) { reader in
      let batch = try reader.batch(at: location)
      try batch.verifyChecksums()
      return batch
    }
  }

  /// Says of an error which entries cannot be read because of it.
  private mutating func reporting<T>(
    _ range: ClosedRange<LogIndex>, at location: BatchLocation,
    _ body: (inout BatchReader) throws -> T
  ) throws(RecoveryError) -> T {
    do {
      return try body(&self)
    } catch let error as StorageError {
      throw RecoveryError(error)
    } catch {
      if let failure = withheld(at: location.offset) {
        throw RecoveryError(
          .storage,
          "\(path): \(Words.entries(range)) cannot be read: \(failure)",
          storageError: failure.error)
      }
      throw RecoveryError(
        .damaged,
        "\(path) at byte \(location.offset): \(Words.entries(range)) cannot be read: \(error)")
    }
  }

  /// What was not delivered of the batch at `offset`, as far as its frame says where that ends.
  private mutating func withheld(at offset: Int) -> ReadFailure? {
    let page = try? window.bytes(offset..<offset + Layout.page)
    let frame = page.flatMap { try? Frame(decoding: $0.span, seed: seed) }
    return window.failure?.within(offset..<offset + (frame?.extent ?? Layout.sector))
  }

  /// The batch that the frame at `location` holds, if it is the frame that belongs there.
  ///
  /// - Throws: `StorageError`, or a `FormatError` that says what disagrees.
  private mutating func batch(at location: BatchLocation) throws -> Batch {
    let page = try window.bytes(location.offset..<location.offset + Layout.page)
    let frame = try Frame(decoding: page.span, seed: seed)
    guard frame.ordinal == location.ordinal else {
      throw FormatError(
        .inconsistent, "frame \(frame.ordinal) where frame \(location.ordinal) belongs")
    }
    let bytes = try window.bytes(location.offset..<location.offset + frame.extent)
    // The padding behind the body may be cut off: it holds nothing.
    guard bytes.count >= Layout.frame + frame.bodyBytes else {
      throw FormatError(.truncated, "the file ends within the batch")
    }
    let batch = try Batch(bytes[Layout.frame..<Layout.frame + frame.bodyBytes])
    guard batch.header.checksum == frame.bodyChecksum, batch.header.group == header.group else {
      throw FormatError(.inconsistent, "the body is not the one that the frame names")
    }
    // The log may hold less of a batch than was written, and never more.
    let first = batch.header.firstIndex + LogIndex(frame.skip)
    guard first <= location.firstIndex, batch.header.lastIndex >= location.lastIndex else {
      throw FormatError(
        .inconsistent,
        "the batch holds \(Words.entries(first, batch.header.lastIndex)), not "
          + "\(Words.entries(location.firstIndex, location.lastIndex))")
    }
    return batch
  }
}

extension RandomAccessCollection {
  /// The first position at which `isBehind` holds; it must hold from there on.
  package func partitioningIndex(where isBehind: (Element) -> Bool) -> Index {
    var low = startIndex
    var count = distance(from: startIndex, to: endIndex)
    while count > 0 {
      let half = count / 2
      let middle = index(low, offsetBy: half)
      if isBehind(self[middle]) {
        count = half
      } else {
        low = index(after: middle)
        count -= half + 1
      }
    }
    return low
  }
}
