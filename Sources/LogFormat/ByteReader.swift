// ByteReader: decodes little-endian integers and runs of bytes from a span, never past its end.
//
// What must always hold: each read either advances by exactly what it returned or fails and leaves
// the reader where it was. Nothing is allocated on the word of a length that was read.

/// A cursor over borrowed bytes.
public struct ByteReader: ~Escapable {
  @usableFromInline let bytes: RawSpan
  /// Bytes consumed so far.
  public internal(set) var offset: Int

  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan) {
    self.bytes = bytes
    self.offset = 0
  }

  public var remaining: Int { bytes.byteCount - offset }

  private func truncated() -> FormatError {
    FormatError(.truncated, "the structure ends early", at: offset)
  }

  @_lifetime(self: copy self)
  public mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
    _: T.Type = T.self
  ) throws(FormatError) -> T {
    guard remaining >= MemoryLayout<T>.size else { throw truncated() }
    let value = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self)
    offset += MemoryLayout<T>.size
    return T(littleEndian: value)
  }

  @_lifetime(self: copy self)
  public mutating func u8() throws(FormatError) -> UInt8 { try integer() }
  @_lifetime(self: copy self)
  public mutating func u16() throws(FormatError) -> UInt16 { try integer() }
  @_lifetime(self: copy self)
  public mutating func u32() throws(FormatError) -> UInt32 { try integer() }
  @_lifetime(self: copy self)
  public mutating func u64() throws(FormatError) -> UInt64 { try integer() }

  /// An index, a term, or another number that is counted up: bounded, so that sums never overflow.
  @_lifetime(self: copy self)
  public mutating func counter() throws(FormatError) -> UInt64 {
    let at = offset
    let value = try u64()
    guard value <= Layout.indexMax else {
      throw FormatError(.outOfRange, "\(value) is more than any counter reaches", at: at)
    }
    return value
  }

  /// The next `count` bytes, in place.
  @_lifetime(copy self)
  @_lifetime(self: copy self)
  public mutating func span(_ count: Int) throws(FormatError) -> RawSpan {
    guard count >= 0, remaining >= count else { throw truncated() }
    let result = bytes.extracting(offset..<offset + count)
    offset += count
    return result
  }

  @_lifetime(self: copy self)
  public mutating func skip(_ count: Int) throws(FormatError) { _ = try span(count) }
}
