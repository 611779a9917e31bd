// DirectoryEvidence: everything that a directory says about itself, gathered without a write.
//
// What must always hold: gathering only reads. At the depth of an opening it costs the manifest, the
// unsealed segments, and two pages of each sealed one, however many batches that holds.

import ByteBuffers
public import LogFormat
public import StorageIO

/// A segment that the manifest names, and what its file shows.
public struct SegmentEvidence: Sendable {
  public var record: SegmentRecord
  /// Bytes of the file; nil when there is none.
  public var fileBytes: Int?
  public var header: HeaderFacts = .valid
  public var headerDetail = ""
  /// The footer of a sealed segment, if it is what the manifest says; at the depth of an opening
  /// without its batches.
  public var footer: SegmentFooter?
  public var footerDetail = ""
  /// The frames, where they were looked at.
  public var scan: SegmentScan?
  /// The frames that count: those before the first place that opening cuts. What lies behind a cut takes
  /// nothing back, either.
  public internal(set) var counted: SegmentScan?
  /// True for the last segment, the one being written.
  public var isActive: Bool
  /// True when a newer program wrote the header, and this one may read the file but not write it.
  public var isReadOnly = false
  /// What was not delivered of header and footer, or of the whole file; `scan` has its own.
  public var failure: ReadFailure?

  /// What was not delivered of header and footer, as byte ranges of the file.
  public var unreadable: [Range<Int>] { failure?.unreadable ?? [] }
  /// True for a file that is there, and of which nothing can be read.
  public var isUnopenable: Bool { failure?.isWhole == true }
}

/// A file that the manifest does not name.
public struct UnknownEvidence: Sendable {
  public var file: FileInfo
  public var content: UnknownFile
  /// Its header and frames, where it has any.
  public var scan: SegmentScan?
  public var detail: String
  /// What was not delivered of it.
  public var failure: ReadFailure?

  /// That, as byte ranges of the file.
  public var unreadable: [Range<Int>] { failure?.unreadable ?? [] }

  /// False for a segment that is not a log's first, by its name or by its header.
  fileprivate var mayBeFirst: Bool {
    guard let name = SegmentName(file.name) else { return true }
    let header = scan?.header
    return name.sequence <= 1 && name.firstIndex <= 1 && header?.sequence ?? 1 <= 1
      && header?.firstIndex ?? 1 <= 1
  }
}

/// Everything that was gathered.
public struct DirectoryEvidence: Sendable {
  /// How much is read.
  public enum Depth: Sendable {
    /// What opening needs: of a footer the fixed part and the terms.
    case opening
    /// The batch index of every sealed segment as well.
    case batchIndexes
    /// Every byte.
    case everything
  }

  public var path: String
  public var files: [FileInfo]
  /// The two copies of the manifest.
  public var manifests: [ManifestCopy]
  /// The two copies of the hard state.
  public var votes: [VoteCopy]
  public var segments: [SegmentEvidence] = []
  public var unknown: [UnknownEvidence] = []
  /// Files that are none of the log's.
  public var strangers: [FileInfo] = []
  /// True when a writer holds the directory.
  public var isLive: Bool

  /// The copy that counts: the one with the higher number, a clean one if they are equal.
  public var manifest: ManifestScan? {
    let usable = manifests.compactMap(\.scan)
    return usable.max { ($0.number, $0.isClean ? 1 : 0) < ($1.number, $1.isClean ? 1 : 0) }
  }

  /// True where a snapshot lies: only members of a group have any, the one of genesis at least. Whoever
  /// opens or repairs the directory, also without knowing of a group, must not make it forget.
  package var isOfMember: Bool { files.contains { SnapshotName($0.name) != nil } }

  /// How the log was stopped, if it was.
  var stop: BreakFacts.Stop {
    isLive ? .live : manifest?.state.isClosed == true ? .clean : .unclean
  }

  /// The names of what this program may read and not write; empty for nearly every directory.
  var readOnlyFiles: [String] {
    var names = zip(ManifestHeader.names, manifests)
      .filter { $0.1.scan?.isWritable == false }.map(\.0)
    names += segments.filter(\.isReadOnly).map(\.record.fileName)
    return names + unknown.filter { $0.scan?.header.isReadOnly == true }.map(\.file.name)
  }

  /// True when there is a batch, or a vote was ever written; or may be, where nobody can tell. A
  /// start that did not get finished leaves votes of generation 0 and the first segment, and nothing
  /// that only a log makes.
  var isBorn: Bool {
    segments.contains { ($0.scan?.end.ordinal ?? 1) > 0 }
      || unknown.contains {
        $0.content != .empty && $0.content != .unfinished && SegmentName($0.file.name) != nil
      }
      || unknown.contains { !$0.mayBeFirst }
      || files.contains { $0.name == Names.reserve && $0.isRegular }
      || votes.contains { ($0.file?.generation ?? 0) > 0 || $0.failure != nil }
  }
}

/// Told how far a long reading has come: bytes done, bytes in all.
public typealias ProgressHandler = (_ done: Int, _ total: Int) -> Void

extension DirectoryEvidence {
  /// Names that a log gives to its files, apart from segments.
  public enum Names {
    public static let lock = "LOCK"
    public static let quarantine = "quarantine"
    public static let reserve = "reserve"
    public static func spare(_ number: UInt64) -> String { "spare-\(number)" }

    /// What a log leaves behind where it is stopped, by exactly the names that it gives: what only
    /// looks like them may be somebody's work.
    static func isUnfinished(_ name: String) -> Bool {
      name == ManifestHeader.temporaryName || name == VoteFile.temporaryName || isSpare(name)
        || isUnfinishedSegment(name)
    }
    /// The name of a segment that a repair is making.
    static func unfinished(_ segment: String) -> String { segment + temporarySuffix }
    /// True for what the log does without, where something else has its name.
    static func isDispensable(_ name: String) -> Bool {
      name == reserve || isSpare(name) || isUnfinishedSegment(name)
    }
    static func isOurs(_ name: String) -> Bool {
      name == lock || name == reserve || ManifestHeader.names.contains(name)
        || VoteFile.names.contains(name)
    }
    /// True for a directory that may lie beside a log, or where one is begun: the log's own, and the
    /// one that file systems put into their root.
    static func isDirectory(_ name: String) -> Bool { name == quarantine || name == "lost+found" }

    private static let temporarySuffix = ".tmp"

    private static func isUnfinishedSegment(_ name: String) -> Bool {
      name.hasSuffix(temporarySuffix)
        && SegmentName(String(name.dropLast(temporarySuffix.count))) != nil
    }

    public static func isSpare(_ name: String) -> Bool {
      let prefix = "spare-"
      guard name.hasPrefix(prefix), let number = UInt64(name.dropFirst(prefix.count)) else {
        return false
      }
      return spare(number) == name
    }
  }

  /// Reads what the directory says about itself.
  ///
  /// - Parameters:
  ///   - isLive: true when a writer holds the directory, so that a half-written end is no damage.
  public static func gather(
    _ directory: any StorageDirectory, depth: Depth = .opening, isLive: Bool = false,
    progress: ProgressHandler? = nil
  ) throws(StorageError) -> DirectoryEvidence {
    var evidence = DirectoryEvidence(
      path: directory.path,
      files: try directory.list().filter { $0.kind != .directory || !Names.isDirectory($0.name) },
      manifests: [], votes: [],
      isLive: isLive)
    for name in ManifestHeader.names {
      evidence.manifests.append(try ManifestCopy.read(name, in: directory))
    }
    for name in VoteFile.names {
      evidence.votes.append(try VoteCopy.read(name, in: directory))
    }
    if let state = evidence.manifest?.state { evidence.checkVotes(against: state) }
    let sizes = Dictionary(evidence.files.map { ($0.name, $0.size) }, uniquingKeysWith: { $1 })
    let total = sizes.values.reduce(0) { Self.sum($0, $1) }
    var done = 0
    let state = evidence.manifest?.state
    let records = state?.segments ?? []
    for (i, record) in records.enumerated() {
      var segment = try examine(
        record, group: state!.group, in: directory, isActive: i == records.count - 1,
        depth: depth, listedBytes: sizes[record.fileName])
      try segment.count(stop: evidence.stop, group: state!.group, in: directory)
      evidence.segments.append(segment)
      done = Self.sum(done, sizes[record.fileName] ?? 0)
      progress?(done, total)
    }
    try evidence.gatherUnknown(directory, state: state)
    return evidence
  }

  /// Of bytes, for people; files may claim any size.
  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, isOver) = a.addingReportingOverflow(b)
    return isOver ? .max : sum
  }

  /// A vote file of another directory is no copy of this one's.
  private mutating func checkVotes(against state: ManifestState) {
    for (i, copy) in votes.enumerated() {
      guard let file = copy.file,
        file.group != state.group || file.incarnation != state.incarnation
      else { continue }
      votes[i] = .unusable(
        FormatError(.inconsistent, "it belongs to incarnation \(file.incarnation)", at: 48))
    }
  }

  private static func examine(
    _ record: SegmentRecord, group: UID, in directory: any StorageDirectory, isActive: Bool,
    depth: Depth, listedBytes: Int?
  ) throws(StorageError) -> SegmentEvidence {
    var evidence = SegmentEvidence(record: record, isActive: isActive)
    do {
      try evidence.examine(
        try directory.open(record.fileName, .read), header: record.header(group: group),
        depth: depth)
    } catch {
      if error.isNotFound { return evidence }
      guard error.concernsFile else { throw error }
      // There is something of that name, so it is not missing; and the other files still count.
      evidence = SegmentEvidence(record: record, isActive: isActive)
      evidence.fileBytes = listedBytes ?? 0
      evidence.failure = ReadFailure(error)
    }
    return evidence
  }

  /// Looks at every file that the manifest does not name.
  private mutating func gatherUnknown(
    _ directory: any StorageDirectory, state: ManifestState?
  ) throws(StorageError) {
    let known = Set(segments.map(\.record.fileName))
    let dropped = Set((state?.dropped ?? []).map(\.description))
    for file in files where !known.contains(file.name) {
      if !file.isRegular, Names.isDispensable(file.name) || dropped.contains(file.name) {
        strangers.append(file)
        continue
      }
      // Neither removed nor moved: whoever put it there has to say what it is.
      if !file.isRegular, Names.isOurs(file.name) || Names.isUnfinished(file.name) {
        let isCopy = ManifestHeader.names + VoteFile.names
        if !isCopy.contains(file.name) { unknown.append(unopenable(file)) }
        continue
      }
      if Names.isOurs(file.name) { continue }
      if SegmentName(file.name) != nil, !file.isRegular {
        unknown.append(unopenable(file))
      } else if dropped.contains(file.name) || Names.isUnfinished(file.name) {
        let detail = dropped.contains(file.name) ? "dropped from the log" : "unfinished work"
        unknown.append(UnknownEvidence(file: file, content: .unfinished, detail: detail))
      } else if SegmentName(file.name) != nil {
        if let found = try examineUnknown(file, in: directory, state: state) {
          unknown.append(found)
        }
      } else {
        strangers.append(file)
      }
    }
  }

  /// What has the name of one of the log's files, and is no file.
  private func unopenable(_ file: FileInfo) -> UnknownEvidence {
    let isSegment = SegmentName(file.name) != nil
    var error = StorageError(opening: file, in: path)
    if file.name == Names.lock {
      error = StorageError(.lock, path: error.path, errno: error.errno)
    }
    return UnknownEvidence(
      file: file, content: .undelivered,
      detail: isSegment ? "a segment, by its name" : "one of the log's files, by its name",
      failure: ReadFailure(error))
  }

  private func examineUnknown(
    _ info: FileInfo, in directory: any StorageDirectory, state: ManifestState?
  ) throws(StorageError) -> UnknownEvidence? {
    do {
      return try examineUnknown(try directory.open(info.name, .read), info, state: state)
    } catch {
      // A live writer removed it in the meantime.
      if error.isNotFound { return nil }
      guard error.concernsFile else { throw error }
      return UnknownEvidence(
        file: info, content: .undelivered, detail: "a segment, by its name",
        failure: ReadFailure(error))
    }
  }

  private func examineUnknown(
    _ file: any StorageFile, _ info: FileInfo, state: ManifestState?
  ) throws(StorageError) -> UnknownEvidence {
    let front = try file.readTolerantly(Layout.segmentHeader, at: 0)
    var failure: ReadFailure?
    failure.note(front)
    let header: SegmentHeader
    do throws(FormatError) {
      header = try SegmentHeader(decoding: front.bytes.span)
    } catch {
      let newer = error.code == .unsupported
      var content: UnknownFile = newer ? .newer : .unreadable
      if !newer {
        var window = try FileWindow(file)
        // A header that was being written when the machine stopped, and no frame behind it. What was
        // not delivered may be one.
        let isBlank = try window.isZero(from: Layout.segmentHeader)
        failure = ReadFailure.joining(failure, window.failure)
        content = isBlank ? .unfinished : failure == nil ? .unreadable : .undelivered
      }
      return UnknownEvidence(
        file: info, content: content, detail: error.message, failure: failure)
    }
    if let state, header.group != state.group {
      return UnknownEvidence(file: info, content: .otherGroup, detail: "group \(header.group)")
    }
    let scan = try SegmentScan.scan(file, header: header)
    failure = ReadFailure.joining(failure, scan.failure)
    let isEmpty = scan.end.ordinal == 0 && scan.breaks.allSatisfy { $0.shape == .zeros }
    let last = segments.last?.scan
    let content: UnknownFile
    let batches = Words.count(scan.readableBatches.count, "batch", "batches")
    var detail = "a segment of \(batches), not in the manifest"
    if let error = scan.unsupported {
      content = .newer
      detail = error.message
    } else if isEmpty {
      content = .empty
      detail = "an empty segment"
    } else if scan.failure != nil {
      // What was not delivered may be what tells a copy from a part of the log.
      content = .undelivered
    } else if header.purpose != .roll {
      content = isUnfinishedCopy(scan) ? .copy : .stray
    } else if let last, header.previousIndex == last.end.index,
      header.sequence > last.header.sequence
    {
      content = .continues
    } else {
      content = .stray
    }
    return UnknownEvidence(
      file: info, content: content, scan: scan, detail: detail, failure: failure)
  }

  /// True for a copy that never became part of the log, or whose removal loses nothing.
  ///
  /// An opening that was cut short leaves a file with frames that name no edit (`SegmentCopy`), and
  /// all of them, body for body, are still in the segment that they were copied from: that file may
  /// be deleted. What a writer appended names an edit, and is no copy; if the manifests do not have
  /// that edit it is row O. In between lies a copy of entries that the source does not hold: the
  /// source's were in the page cache alone when they were copied, and a power cut took them before
  /// the manifest named the copy; or the manifest that named it was replaced by an older one. Nobody
  /// can tell the two apart, the first is an ordinary crash, and so the log opens and the file is
  /// kept in quarantine/.
  private func isUnfinishedCopy(_ scan: SegmentScan) -> Bool {
    !scan.holdsAppended && scan.isHeld(by: segments.compactMap(\.scan))
  }
}

extension SegmentEvidence {
  /// True when it was read, and holds no entry.
  package var isEmpty: Bool { scan?.readableBatches.isEmpty ?? false }
}

extension SegmentEvidence {
  /// What is to be decided about a break.
  func facts(of found: SegmentBreak, _ stop: BreakFacts.Stop) -> BreakFacts {
    let mark = max(record.durableThrough, scan?.durableOrdinal ?? 0)
    return BreakFacts(
      shape: found.shape, later: found.later, mark: found.ordinal <= mark ? .atOrBelow : .above,
      place: isActive ? .active : .ended, stop: stop,
      hidesLater: scan?.mayHideWitness(of: found) == true)
  }

  /// Finds out which frames count.
  fileprivate mutating func count(
    stop: BreakFacts.Stop, group: UID, in directory: any StorageDirectory
  ) throws(StorageError) {
    counted = scan
    let cut = scan?.breaks.first {
      $0.shape != .zeros && !Verdict.decide(.segmentBreak(facts(of: $0, stop))).refusesOpening
    }
    guard let scan, let cut, isActive else { return }
    do {
      counted = try scan.counted(upTo: cut, of: directory.open(record.fileName, .read))
    } catch {
      // A live writer removed it in the meantime.
      guard error.isNotFound else { throw error }
    }
  }

  /// Looks at header, footer and frames, as far as `depth` goes.
  fileprivate mutating func examine(
    _ file: any StorageFile, header expected: SegmentHeader, depth: DirectoryEvidence.Depth
  ) throws(StorageError) {
    fileBytes = try file.size()
    let front = try file.readTolerantly(Layout.segmentHeader, at: 0)
    failure.note(front)
    examineHeader(front.bytes, expected: expected)
    guard header == .valid || header == .damaged else { return }
    if isActive {
      scan = try SegmentScan.scan(file, header: expected, capacity: record.capacity)
    } else if let seal = record.seal, let end = record.end {
      try examineFooter(file, seal: seal, header: expected, batchIndex: depth != .opening)
      if footer == nil || depth == .everything {
        scan = try SegmentScan.scan(
          file, header: expected, limit: max(end.offset, footer?.offset ?? 0))
        compareDigest()
      }
    } else if let end = record.end, !record.isCut || depth == .everything {
      scan = try SegmentScan.scan(file, header: expected, limit: end.offset)
    }
  }

  fileprivate mutating func examineHeader(_ bytes: Bytes, expected: SegmentHeader) {
    do throws(FormatError) {
      let found = try SegmentHeader(decoding: bytes.span)
      if found.group != expected.group {
        header = .otherGroup
        headerDetail = "group \(found.group), not \(expected.group)"
      } else if found.checksum != expected.checksum {
        header = .otherSegment
        headerDetail = "segment \(found.uid), not \(expected.uid)"
      } else {
        isReadOnly = found.isReadOnly
      }
    } catch {
      header = error.code == .unsupported ? .newer : .damaged
      headerDetail = error.message
    }
  }

  /// Lets go of a footer whose digest the frames contradict, though they are all valid. Padding that
  /// was not delivered is in the digest too: then nobody can tell.
  fileprivate mutating func compareDigest() {
    guard let found = footer, let scan, scan.breaks.isEmpty, scan.end.offset == found.offset,
      scan.failure == nil, scan.digest != found.digest
    else { return }
    footer = nil
    footerDetail = "the digest of the file is not the footer's"
  }

  /// Takes the footer if the file has the size that the manifest says, and the footer agrees.
  fileprivate mutating func examineFooter(
    _ file: any StorageFile, seal: SegmentSeal, header: SegmentHeader, batchIndex: Bool
  ) throws(StorageError) {
    guard fileBytes == seal.size else {
      footerDetail = "\(fileBytes ?? 0) bytes where the manifest says \(seal.size)"
      return
    }
    do throws(FormatError) {
      footer = try SegmentFooter.read(
        file, size: seal.size, header: header, batchIndex: batchIndex, failure: &failure)
      if footer?.digest != seal.digest {
        footer = nil
        footerDetail = "the footer's digest is not the manifest's"
      }
    } catch {
      footerDetail = error.message
    }
  }
}

extension SegmentFooter {
  /// Reads the footer of a sealed file; an unreadable sector shows as a wrong checksum.
  package static func read(
    _ file: any StorageFile, size: Int, header: SegmentHeader, batchIndex: Bool = true
  ) throws(FormatError) -> SegmentFooter {
    var failure: ReadFailure?
    return try read(file, size: size, header: header, batchIndex: batchIndex, failure: &failure)
  }

  /// Reads the footer of a sealed file; an unreadable sector shows as a wrong checksum.
  ///
  /// - Parameters:
  ///   - size: bytes of the file.
  ///   - batchIndex: false leaves `batches` empty, and reads no more than a page unless the terms
  ///     take more.
  ///   - failure: takes in what the device did not deliver.
  static func read(
    _ file: any StorageFile, size: Int, header: SegmentHeader, batchIndex: Bool = true,
    failure: inout ReadFailure?
  ) throws(FormatError) -> SegmentFooter {
    do {
      guard size >= 16 else { throw FormatError(.truncated, "a sealed file of \(size) bytes") }
      let trailer = try file.readTolerantly(16, at: size - 16)
      failure.note(trailer)
      let offset = try SegmentFooter.offset(trailer: trailer.bytes.span)
      guard offset < size else { throw FormatError(.outOfRange, "a footer behind the file's end") }
      // A trailer alone says how far it is to the end of the file: no memory is taken on its word.
      let front = try file.readTolerantly(min(Layout.page, size - offset), at: offset)
      failure.note(front)
      guard try SegmentFooter.size(front: front.bytes.span, at: offset) == size - offset else {
        throw FormatError(.inconsistent, "the footer does not end where the file does")
      }
      if !batchIndex, size - offset > Layout.page {
        do throws(FormatError) {
          return try SegmentFooter(decoding: front.bytes.span, header: header, batchIndex: false)
        } catch {
          // More runs of terms than a page holds.
          guard error.code == .truncated else { throw error }
        }
      }
      guard size - offset > front.bytes.count else {
        return try SegmentFooter(
          decoding: front.bytes.span, header: header, batchIndex: batchIndex)
      }
      let whole = try file.readTolerantly(size - offset, at: offset)
      failure.note(whole)
      return try SegmentFooter(decoding: whole.bytes.span, header: header, batchIndex: batchIndex)
    } catch let error as FormatError {
      throw error
    } catch {
      throw FormatError(.truncated, "\(error)")
    }
  }
}
