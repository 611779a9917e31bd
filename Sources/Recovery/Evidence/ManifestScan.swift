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

  public var isClean: Bool { tail == .clean }
}

/// What became of one copy.
public enum ManifestCopy: Sendable {
  case missing
  /// Header or first edit are not valid: this copy says nothing.
  case unusable(FormatError)
  /// Written by a newer program.
  case unsupported(FormatError)
  case usable(ManifestScan)

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
    let file: any StorageFile
    do {
      file = try directory.open(name, .read)
    } catch  where error.isNotFound {
      return .missing
    }
    let size = try file.size()
    guard size <= bytesMax else {
      return .unusable(FormatError(.outOfRange, "a manifest of \(size) bytes"))
    }
    let bytes = try file.readTolerantly(size, at: 0).bytes
    do throws(FormatError) {
      return .usable(try scan(bytes))
    } catch {
      return error.code == .unsupported ? .unsupported(error) : .unusable(error)
    }
  }

  /// Adds up the edits in `bytes`, as far as they are valid.
  public static func scan(_ bytes: Bytes) throws(FormatError) -> ManifestScan {
    let header = try ManifestHeader(decoding: bytes.span)
    var state = ManifestState(group: header.group, incarnation: header.incarnation)
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
        var after = state
        for change in next.edit.changes { try after.apply(change) }
        try after.validate()
        state = after
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
      number: last.number, state: state, tail: tail, end: offset, edits: edits,
      fileBytes: bytes.count,
      isWritable: header.features.access(major: header.major) == .readWrite)
  }
}

/// What became of one copy of the hard state.
public enum VoteCopy: Hashable, Sendable {
  case missing
  case unusable(FormatError)
  case unsupported(FormatError)
  case usable(VoteFile)

  public var file: VoteFile? {
    if case .usable(let file) = self { return file }
    return nil
  }

  /// Reads a copy.
  public static func read(
    _ name: String, in directory: any StorageDirectory
  ) throws(StorageError) -> VoteCopy {
    let bytes: Bytes
    do {
      let file = try directory.open(name, .read)
      // One byte more than there should be, so that a longer file is noticed.
      bytes = try file.readTolerantly(Layout.voteFile + 1, at: 0).bytes
    } catch  where error.isNotFound {
      return .missing
    }
    do throws(FormatError) {
      return .usable(try VoteFile(decoding: bytes.span))
    } catch {
      return error.code == .unsupported ? .unsupported(error) : .unusable(error)
    }
  }
}
