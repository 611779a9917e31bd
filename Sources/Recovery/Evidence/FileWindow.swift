// FileWindow: reads a file front to back through one bounded buffer, past sectors that fail.
//
// What must always hold: at most one window is in memory, whatever the file claims; a failed sector
// is known as such and never looks like zeros.

import ByteBuffers
import StorageIO

struct FileWindow {
  let file: any StorageFile
  /// Bytes of the file when the window was opened; a live file may have grown since.
  let size: Int
  /// What the device would not deliver so far.
  private(set) var failure: ReadFailure?

  private var start = 0
  private var buffer = Bytes()
  private let windowBytes: Int

  init(_ file: any StorageFile, windowBytes: Int = 1 << 20) throws(StorageError) {
    self.file = file
    self.windowBytes = windowBytes
    size = try file.size()
  }

  /// The bytes of `range`, fewer at the end of the file.
  mutating func bytes(_ range: Range<Int>) throws(StorageError) -> Bytes {
    let end = min(range.upperBound, size)
    guard range.lowerBound < end else { return Bytes() }
    if range.lowerBound < start || end > start + buffer.count {
      let count = max(end - range.lowerBound, min(windowBytes, size - range.lowerBound))
      let read = try file.readTolerantly(count, at: range.lowerBound)
      failure.note(read)
      start = range.lowerBound
      buffer = read.bytes
    }
    let upper = min(end, start + buffer.count)
    guard range.lowerBound < upper else { return Bytes() }
    return buffer[range.lowerBound - start..<upper - start]
  }

  /// Lets go of what was read: the next bytes are read from the file, as it is then.
  mutating func forget() {
    start = 0
    buffer = Bytes()
  }

  /// True when a sector of `range` could not be read.
  func isUnreadable(_ range: Range<Int>) -> Bool { failure?.within(range) != nil }

  /// True when nothing but zeros lies between `offset` and the end of the file.
  ///
  /// - Parameter passing: true passes over what was not delivered; else that is no zeros.
  mutating func isZero(
    from offset: Int, passingUndelivered passing: Bool = false
  ) throws(StorageError) -> Bool {
    var at = offset
    while at < size {
      let piece = try bytes(at..<min(at + windowBytes, size))
      if piece.isEmpty { return true }
      var start = at
      let hidden = passing ? failure?.within(at..<at + piece.count)?.unreadable ?? [] : []
      for passed in hidden {
        if !piece[start - at..<passed.lowerBound - at].span.isZero { return false }
        start = passed.upperBound
      }
      if !piece[start - at..<piece.count].span.isZero { return false }
      at += piece.count
    }
    return true
  }
}
