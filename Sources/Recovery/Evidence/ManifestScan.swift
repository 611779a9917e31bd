// ManifestScan: the evidence in one copy of the manifest. It decides nothing.

public import ByteBuffers
public import LogFormat
public import StorageIO

/// What one copy of the manifest holds.
public struct ManifestScan: Sendable {
  /// What lies behind the last valid edit.
  public enum Tail: Hashable, Sendable {
    /// Zeros, or the end of the file.
    case clean
    /// Bytes that are no valid edit.
    case damaged(FormatError)
  }

  /// The number of the last valid edit.
  public var number: UInt64
  /// What the valid edits add up to.
  public var state: ManifestState
  public var tail: Tail
  /// The byte behind the last valid edit.
  public var end: Int
  /// The valid edits, for people.
  public var edits: [ManifestEdit]
  /// Bytes of the file.
  public var fileBytes: Int
  /// False when this program may read, but not write, what this copy describes.
  public var isWritable: Bool
  /// What the device would not deliver of the file.
  public var failure: ReadFailure?
  /// That, as byte ranges of the file.
  public var unreadable: [Range<Int>] { failure?.unreadable ?? [] }

  public var isClean: Bool { tail == .clean }
  /// True when the tail is not clean, and nobody can know what it holds: it was not delivered.
  public var hidesTail: Bool { !isClean && unreadable.contains { $0.upperBound > end } }
}

/// What became of one copy.
public enum ManifestCopy: Sendable {
  case missing
  /// Header or first edit are not valid: this copy says nothing.
  case unusable(FormatError)
  /// Header or first edit were not delivered: nobody knows what this copy says.
  case unreadable(ReadFailure)
  /// Written by a newer program.
  case unsupported(FormatError)
  case usable(ManifestScan)

  /// What was not delivered of this copy.
  public var failure: ReadFailure? {
    switch self {
    case .unreadable(let failure): failure
    case .usable(let scan): scan.failure
    case .missing, .unusable, .unsupported: nil
    }
  }
  public var unreadable: [Range<Int>] { failure?.unreadable ?? [] }

  public var scan: ManifestScan? {
    if case .usable(let scan) = self { return scan }
    return nil
  }
}

extension ManifestCopy {
  /// The largest manifest that is read into memory: one edit of the largest size, and as much again
  /// of small ones behind it.
  private static let bytesMax = 2 * Layout.editBytesMax

  /// Reads a copy.
  public static func read(
    _ name: String, in directory: any StorageDirectory
  ) throws(StorageError) -> ManifestCopy {
    let found: TolerantRead
    do {
      let file = try directory.open(name, .read)
      let size = try file.size()
      guard size <= bytesMax else {
        return .unusable(FormatError(.outOfRange, "a manifest of \(size) bytes"))
      }
      found = try file.readTolerantly(size, at: 0)
    } catch {
      if error.isNotFound { return .missing }
      guard error.concernsFile else { throw error }
      return .unreadable(ReadFailure(error))
    }
    var failure: ReadFailure?
    failure.note(found)
    do throws(FormatError) {
      var scan = try scan(found.bytes)
      scan.failure = failure
      return .usable(scan)
    } catch {
      if error.code == .unsupported { return .unsupported(error) }
      return failure.map { .unreadable($0) } ?? .unusable(error)
    }
  }

  /// Adds up the edits in `bytes`, as far as they are valid.
  public static func scan(_ bytes: Bytes) throws(FormatError) -> ManifestScan {
    let header = try ManifestHeader(decoding: bytes.span)
    var fold = ManifestFold(group: header.group, incarnation: header.incarnation)
    var edits: [ManifestEdit] = []
    var chain = header.checksum
    var offset = Layout.manifestHeader
    var tail = ManifestScan.Tail.clean
    while offset < bytes.count {
      let rest = bytes[offset..<bytes.count]
      if rest[0..<min(Layout.sector, rest.count)].span.isZero, rest.span.isZero { break }
      do throws(FormatError) {
        let next = try ManifestEdit.decode(rest.span)
        guard next.edit.number == header.firstNumber + UInt64(edits.count),
          next.previousChecksum == chain
        else {
          throw FormatError(.inconsistent, "edit \(next.edit.number) is not chained to the last")
        }
        do throws(FormatError) {
          try fold.apply(next.edit)
        } catch {
          // Half of it is in the sum: add up those before it once more, which ends the reading.
          fold = ManifestFold(group: header.group, incarnation: header.incarnation)
          for edit in edits { try fold.apply(edit) }
          throw error
        }
        edits.append(next.edit)
        chain = next.checksum
        offset += min(next.extent, rest.count)
      } catch {
        if error.code == .unsupported { throw error }
        tail = .damaged(
          FormatError(error.code, error.message, at: offset + error.offset))
        break
      }
    }
    guard let last = edits.last else {
      if case .damaged(let error) = tail { throw error }
      throw FormatError(.truncated, "a manifest without an edit", at: Layout.manifestHeader)
    }
    return ManifestScan(
      number: last.number, state: fold.state, tail: tail, end: offset, edits: edits,
      fileBytes: bytes.count,
      isWritable: header.features.access(major: header.major) == .readWrite)
  }
}

/// What became of one copy of the hard state.
public enum VoteCopy: Hashable, Sendable {
  case missing
  case unusable(FormatError)
  /// It was not delivered: nobody knows what this copy says.
  case unreadable(ReadFailure)
  case unsupported(FormatError)
  case usable(VoteFile)

  /// What was not delivered of this copy.
  public var failure: ReadFailure? {
    if case .unreadable(let failure) = self { return failure }
    return nil
  }
  public var unreadable: [Range<Int>] { failure?.unreadable ?? [] }

  public var file: VoteFile? {
    if case .usable(let file) = self { return file }
    return nil
  }

  /// Reads a copy.
  public static func read(
    _ name: String, in directory: any StorageDirectory
  ) throws(StorageError) -> VoteCopy {
    let found: TolerantRead
    do {
      let file = try directory.open(name, .read)
      // One byte more than there should be, so that a longer file is noticed.
      found = try file.readTolerantly(Layout.voteFile + 1, at: 0)
    } catch {
      if error.isNotFound { return .missing }
      guard error.concernsFile else { throw error }
      return .unreadable(ReadFailure(error))
    }
    do throws(FormatError) {
      return .usable(try VoteFile(decoding: found.bytes.span))
    } catch {
      if error.code == .unsupported { return .unsupported(error) }
      let failure = found.error.map { ReadFailure($0, unreadable: found.unreadable) }
      return failure.map { .unreadable($0) } ?? .unusable(error)
    }
  }
}
