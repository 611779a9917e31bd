// Questions about the content of a span that the hot paths ask: equal, all zero, all one value.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

extension RawSpan {
  /// True when both hold the same bytes.
  package func isSame(as other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    guard byteCount > 0 else { return true }
    return unsafe withUnsafeBytes { a in
      unsafe other.withUnsafeBytes { b in
        unsafe memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0
      }
    }
  }

  /// True when every byte is `value`; an empty span is filled with anything.
  package func isFilled(with value: UInt8) -> Bool {
    guard byteCount > 0 else { return true }
    return unsafe withUnsafeBytes { bytes in
      // A run is uniform when it equals itself shifted by one: one vectorized pass of memcmp.
      unsafe bytes[0] == value
        && (memcmp(bytes.baseAddress!, bytes.baseAddress! + 1, bytes.count - 1) == 0)
    }
  }

  package var isZero: Bool { isFilled(with: 0) }

  /// How many of the `unit`-sized pieces, the last one possibly shorter, hold nothing but zeros.
  package func zeroPieces(of unit: Int) -> Int { pieces(of: unit, withAtMostBits: 0) }

  /// How many of the `unit`-sized pieces have at most `bits` bits set, for `bits` of 0 or 1.
  package func pieces(of unit: Int, withAtMostBits bits: Int) -> Int {
    var found = 0
    var offset = 0
    while offset < byteCount {
      let end = min(offset + unit, byteCount)
      if hasAtMost(bits, bitsIn: offset..<end) { found += 1 }
      offset = end
    }
    return found
  }

  private func hasAtMost(_ bits: Int, bitsIn range: Range<Int>) -> Bool {
    var seen = 0
    var i = range.lowerBound
    // Content that is not blank gives itself away in its first words.
    while i < range.upperBound {
      let step = min(8, range.upperBound - i)
      if step == 8 {
        seen += unsafe unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self).nonzeroBitCount
      } else {
        for k in i..<i + step {
          seen += unsafe unsafeLoad(fromByteOffset: k, as: UInt8.self).nonzeroBitCount
        }
      }
      if seen > bits { return false }
      i += step
    }
    return true
  }

  /// The offset of the first byte that is not zero, or nil.
  package var firstNonZero: Int? {
    var offset = 0
    while offset < byteCount {
      let end = min(offset + 4096, byteCount)
      if !extracting(offset..<end).isZero {
        for i in offset..<end where unsafe unsafeLoad(fromByteOffset: i, as: UInt8.self) != 0 {
          return i
        }
      }
      offset = end
    }
    return nil
  }
}
