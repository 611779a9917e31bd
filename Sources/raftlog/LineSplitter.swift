// LineSplitter: cuts a stream of bytes into lines at LF; every other byte is data.
//
// What must always hold: a line is a slice of what was read unless it spans two reads; what is kept
// of an unfinished line never grows past the limit.

import ByteBuffers

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A line that is longer than an entry may be.
struct LineTooLong: Error {
  /// Its number, from 1.
  let line: UInt64
  let limit: Int
}

struct LineSplitter {
  private let limit: Int
  private var rest: [UInt8] = []
  private var hasRest = false
  /// Lines that were passed on.
  private(set) var count: UInt64 = 0

  init(limit: Int) { self.limit = limit }

  /// The lines that `chunk` completes, up to one that is over the limit.
  mutating func lines(in chunk: Bytes) -> (lines: [Bytes], error: LineTooLong?) {
    var lines: [Bytes] = []
    var start = 0
    while let end = Self.firstLF(in: chunk, from: start) {
      let piece = chunk[start..<end]
      guard rest.count + piece.count <= limit else { return (lines, tooLong()) }
      lines.append(hasRest ? Bytes(rest + piece.array) : piece)
      rest = []
      hasRest = false
      count += 1
      start = end + 1
    }
    if start < chunk.count {
      let piece = chunk[start..<chunk.count]
      guard rest.count + piece.count <= limit else { return (lines, tooLong()) }
      rest += piece.array
      hasRest = true
    }
    return (lines, nil)
  }

  /// The last line, if the input did not end with LF.
  mutating func last() -> Bytes? {
    guard hasRest else { return nil }
    hasRest = false
    count += 1
    return Bytes(rest)
  }

  private func tooLong() -> LineTooLong { LineTooLong(line: count + 1, limit: limit) }

  private static func firstLF(in chunk: Bytes, from start: Int) -> Int? {
    unsafe chunk.span.withUnsafeBytes { bytes -> Int? in
      guard start < bytes.count, let base = bytes.baseAddress,
        let found = unsafe memchr(base + start, 10, bytes.count - start)
      else { return nil }
      return unsafe base.distance(to: UnsafeRawPointer(found))
    }
  }
}
