// ReadProbe: the files of a log, read from beginning to end by nobody but the kernel.
//
// What must always hold: a cold read finds nothing in the page cache, a warm one finds everything;
// which it was is checked, not hoped for.

import CProbe
import LogFormat
import Recovery
import StorageIO

struct ReadProbe {
  private struct Piece {
    let path: String
    let bytes: Int
  }

  private let pieces: [Piece]
  /// Bytes of all pieces.
  let bytes: Int

  /// Large enough for the device, small enough for the processor's cache.
  private static let coldReadBytes = 2 << 20
  private static let warmReadBytes = 256 << 10

  private init(_ pieces: [Piece]) {
    self.pieces = pieces
    bytes = pieces.reduce(0) { $0 + $1.bytes }
  }

  /// Every file in a directory, whole.
  init(files directory: String) throws(StorageError) {
    let files = try POSIXDirectory(path: directory).list().filter(\.isRegular)
    self.init(files.map { Piece(path: "\(directory)/\($0.name)", bytes: $0.size) })
  }

  /// The segments of the log in a directory, as far as they are written: what a replay has to read,
  /// without the zeros at the end of the last one.
  init(log directory: String) throws(StorageError) {
    let evidence = try DirectoryEvidence.gather(POSIXDirectory(path: directory))
    self.init(
      evidence.segments.map { segment in
        let written = segment.record.seal?.size ?? segment.scan?.end.offset
        return Piece(
          path: "\(directory)/\(segment.record.fileName)",
          bytes: written ?? segment.fileBytes ?? 0)
      })
  }

  /// Reads all pieces around the page cache, or through it where that is not possible.
  func readCold() throws(ProbeError) -> UInt64 {
    do {
      return try read(Self.coldReadBytes, direct: true)
    } catch  where error.isUnsupported {
      return try read(Self.coldReadBytes, direct: false)
    }
  }

  /// Reads all pieces through the page cache.
  @discardableResult
  func readWarm() throws(ProbeError) -> UInt64 { try read(Self.warmReadBytes, direct: false) }

  /// Nanoseconds that reading all pieces takes.
  private func read(_ size: Int, direct: Bool) throws(ProbeError) -> UInt64 {
    var nanoseconds: UInt64 = 0
    for piece in pieces {
      var result = cprobe_result()
      let status = unsafe cprobe_read(
        piece.path, UInt64(piece.bytes), size, direct ? 1 : 0, &result)
      try ProbeError.check(piece.path, status)
      nanoseconds += result.nanoseconds
    }
    return nanoseconds
  }

  /// Drops all files from the page cache.
  func forget() throws(ProbeError) {
    for piece in pieces { try ProbeError.check(piece.path, unsafe cprobe_forget(piece.path)) }
  }

  /// The share of the bytes that is in the page cache.
  func cachedShare() throws(ProbeError) -> Double {
    var cached: Int64 = 0
    for piece in pieces {
      let more = unsafe cprobe_cached_bytes(piece.path)
      try ProbeError.check(piece.path, more)
      cached += min(more, Int64(piece.bytes))
    }
    return Double(cached) / Double(max(bytes, 1))
  }
}
