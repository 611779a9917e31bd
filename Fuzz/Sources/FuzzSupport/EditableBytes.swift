// EditableBytes: integers and checksums in an array of bytes, for what forges structures.
//
// What must always hold: nothing reads or writes past the end. An integer that would reach there
// reads as 0 and is not written: forged lengths are wrong more often than not.

import ByteBuffers

extension [UInt8] {
  /// The little-endian integer at `offset`.
  package func integer<T: FixedWidthInteger & UnsignedInteger>(
    at offset: Int, as _: T.Type = T.self
  ) -> T {
    guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return 0 }
    var value: T = 0
    for i in (0..<MemoryLayout<T>.size).reversed() { value = value << 8 | T(self[offset + i]) }
    return value
  }

  package func u16(at offset: Int) -> UInt16 { integer(at: offset) }
  package func u32(at offset: Int) -> UInt32 { integer(at: offset) }
  package func u64(at offset: Int) -> UInt64 { integer(at: offset) }

  /// Writes a little-endian integer.
  package mutating func set<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
    guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return }
    for i in 0..<MemoryLayout<T>.size {
      self[offset + i] = UInt8(truncatingIfNeeded: value >> T(i * 8))
    }
  }

  /// The checksum of a range, or of what `crc` covers followed by it.
  package func crc32c(_ range: Range<Int>, extending crc: UInt32 = 0) -> UInt32 {
    unsafe CRC32C.extend(crc, with: span.bytes.extracting(range))
  }
}
