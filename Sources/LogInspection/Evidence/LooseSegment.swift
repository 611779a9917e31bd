// LooseSegment: a segment file that no manifest speaks for, as it describes itself.
//
// What must always hold: where the log leaves the file is taken from its footer, or from its frames,
// and from nothing else; numbers in the file are bounded before anything is reckoned with them.

import ByteBuffers
import LogFormat
import ProgramSupport
import Recovery
import StorageIO

struct LooseSegment {
  /// The name that the file has now; it may have been renamed since it was written.
  let fileName: String
  let header: SegmentHeader
  let fileBytes: Int
  /// Where the file's part of the log ends; nil when the file may still be written.
  private(set) var end: SegmentEnd?
  /// Set for a file that was sealed.
  private(set) var seal: SegmentSeal?
  /// The frames, if they had to be looked at.
  private var scan: SegmentScan?
  /// Bytes that the file was made with, at the least: more than it has if it was cut off.
  private var capacity: Int

  /// Reads the header and the footer and, without a good footer, the frames.
  init(_ fileName: String, in directory: any StorageDirectory) throws {
    let path = "\(directory.path)/\(fileName)"
    let file = try Self.open(fileName, in: directory)
    fileBytes = try file.size()
    capacity = fileBytes
    self.fileName = fileName
    header = try Self.header(of: file, bytes: fileBytes, path: path)
    try readEnd(file)
  }

  private static func open(
    _ name: String, in directory: any StorageDirectory
  ) throws -> any StorageFile {
    do {
      return try directory.open(name, .read)
    } catch {
      guard error.isNotFound else { throw error }
      throw Failure(
        .noLog, "no log at \(directory.path)/\(name): there is no such file or directory")
    }
  }

  private static func header(
    of file: any StorageFile, bytes: Int, path: String
  ) throws -> SegmentHeader {
    let front = try file.readTolerantly(Layout.segmentHeader, at: 0)
    do throws(FormatError) {
      let header = try SegmentHeader(decoding: front.bytes.span)
      guard header.firstIndex <= Layout.indexMax, bytes <= Layout.segmentBytesMax * 2 else {
        throw FormatError(.outOfRange, "the header or the file's size is out of range")
      }
      return header
    } catch {
      if let failure = front.error { throw failure }
      switch error.code {
      case .badMagic, .truncated:
        throw Failure(
          .noLog,
          "no log at \(path): \(error.message); name the directory of a log, or one segment file")
      case .unsupported:
        throw Failure(.refused, "\(path): \(error.message); use the program that wrote it")
      default:
        throw Failure(
          .damaged,
          "\(path) at byte \(error.offset): \(error.message); a segment can be read by itself only "
            + "with its header: look at the directory that it belongs to")
      }
    }
  }

  private mutating func readEnd(_ file: any StorageFile) throws {
    let trailer = try file.readTolerantly(16, at: max(fileBytes - 16, 0)).bytes
    let footerOffset = try? SegmentFooter.offset(trailer: trailer.span)
    if let footerOffset, footerOffset < fileBytes,
      let footer = try footer(in: file, at: footerOffset).get()
    {
      end = SegmentEnd(
        ordinal: footer.lastOrdinal, offset: footer.offset, index: footer.lastIndex,
        term: footer.lastTerm, checksum: footer.lastChecksum, termRuns: footer.termRuns)
      seal = SegmentSeal(size: fileBytes, digest: footer.digest)
      return
    }
    let scan = try SegmentScan.scan(file, header: header, limit: footerOffset)
    self.scan = scan
    let isSealed =
      try scan.end.offset == footerOffset || footer(in: file, at: scan.end.offset).isOne
    if isSealed {
      // The footer is damaged, and everything in front of it is not.
      end = scan.end(at: scan.end.ordinal)
      seal = SegmentSeal(size: fileBytes, digest: scan.digest)
    } else if try scan.isCutOff(file) {
      capacity = fileBytes + 1
    }
  }

  /// What lies where a footer may be.
  private enum FooterPlace {
    case whole(SegmentFooter)
    /// A footer, by its magic number, and not a valid one.
    case damaged
    case none

    var isOne: Bool { if case .none = self { false } else { true } }

    func get() -> SegmentFooter? {
      if case .whole(let footer) = self { footer } else { nil }
    }
  }

  private func footer(in file: any StorageFile, at offset: Int) throws -> FooterPlace {
    let bytes = try file.readTolerantly(
      min(max(fileBytes - offset, 0), Layout.segmentBytesMax / 16), at: offset
    ).bytes
    do {
      let footer = try SegmentFooter(decoding: bytes.span, header: header, batchIndex: false)
      let isSane =
        footer.offset == offset && footer.lastIndex >= header.previousIndex
        && footer.lastIndex <= Layout.indexMax
      return isSane ? .whole(footer) : .damaged
    } catch {
      return error.code == .badMagic || error.code == .truncated ? .none : .damaged
    }
  }
}

extension LooseSegment {
  /// The end of everything that can be found in the file.
  private var wholeEnd: SegmentEnd {
    if let end { return end }
    guard let scan else { preconditionFailure("a segment without an end that was not scanned") }
    var end = scan.end(at: scan.end.ordinal)
    if let last = scan.batchesBehindBreak.last {
      // Behind the damage there is more, and it is to be read too.
      end.ordinal = max(end.ordinal, last.ordinal)
      end.offset = fileBytes
      end.index = max(end.index, last.lastIndex)
    }
    return end
  }

  /// True when there is nothing in the file but its header.
  private var isEmpty: Bool { wholeEnd.ordinal == 0 }

  /// The manifest's record of this segment in a log that goes on elsewhere at `next`.
  private func record(leavingAt next: LogIndex?) -> SegmentRecord {
    var record = SegmentRecord(header: header, capacity: capacity)
    record.seal = seal
    record.end = end
    guard let next else { return record }
    // What it does not hold up to there is missing.
    var end = wholeEnd
    end.index = next - 1
    end.termRuns.removeAll { $0.firstIndex >= next }
    // A manifest knows the term of every entry. Of those that damage hides nobody does: no other
    // term than the one before them is certain not to be too high.
    if end.index > header.previousIndex, end.termRuns.first?.firstIndex != header.firstIndex {
      end.termRuns.insert(
        TermRun(firstIndex: header.firstIndex, term: header.previousTerm), at: 0)
    }
    end.term = end.termRuns.last?.term ?? header.previousTerm
    record.end = end
    return record
  }

  /// A directory in which a manifest, made up from the segments' own headers, puts them in order.
  ///
  /// A segment that was made later takes the log over where it begins: that is what it was made for.
  static func directory(
    of segments: [LooseSegment], over base: any StorageDirectory, path: String
  ) throws -> any StorageDirectory {
    let log = inOrder(segments)
    guard let first = log.first, let last = log.last else {
      throw Failure(
        .lost, "\(path) holds no segment with a readable header: there is nothing to read")
    }
    var state = ManifestState(group: first.header.group, incarnation: first.header.uid)
    state.firstIndex = first.header.firstIndex
    state.previousTerm = first.header.previousTerm
    for (i, segment) in log.enumerated() {
      let next = i + 1 < log.count ? log[i + 1].header.firstIndex : nil
      state.segments.append(segment.record(leavingAt: next))
    }
    var contents: [String: Bytes] = [:]
    if let end = last.end {
      let empty = emptySegment(behind: last.header, end)
      state.segments.append(SegmentRecord(header: empty, capacity: emptySegmentBytes))
      var writer = ByteWriter(capacity: emptySegmentBytes)
      let header = empty.encoded()
      writer.bytes(header.span)
      writer.fill(0, count: emptySegmentBytes - writer.count)
      contents[empty.fileName] = writer.finish()
    }
    // No frame names a higher edit than this: the made-up manifest never looks behind the times.
    let manifest = ManifestImage(state: state, number: Layout.indexMax, room: 0).bytes
    for name in ManifestHeader.names { contents[name] = manifest }
    let vote = VoteFile(
      generation: 0, state: HardState(), incarnation: state.incarnation, group: state.group)
    for name in VoteFile.names { contents[name] = vote.encoded() }
    let names = log.map { ($0.header.fileName, $0.fileName) }
    return OverlayDirectory(
      path: path, base: base, contents: contents,
      names: Dictionary(names, uniquingKeysWith: { $1 }))
  }

  private static let emptySegmentBytes = Layout.segmentHeader + Layout.page

  /// A log needs a segment that is being written; behind a sealed one it is an empty one.
  private static func emptySegment(behind header: SegmentHeader, _ end: SegmentEnd) -> SegmentHeader
  {
    SegmentHeader(
      purpose: .roll, group: header.group, uid: inventedUID, salt: 0,
      sequence: header.sequence &+ 1, firstIndex: end.index + 1, previousTerm: end.term)
  }

  /// The name of the segment that is not on the disk.
  static let inventedUID = UID(high: 0, low: 0)

  private static func inOrder(_ segments: [LooseSegment]) -> [LooseSegment] {
    let ordered = segments.sorted { $0.header.sequence < $1.header.sequence }
    var log: [LooseSegment] = []
    for segment in ordered where segment.header.group == ordered[0].header.group {
      if segment.isEmpty, !log.isEmpty { continue }
      while let last = log.last, last.header.firstIndex >= segment.header.firstIndex {
        log.removeLast()
      }
      log.append(segment)
    }
    return log
  }
}
