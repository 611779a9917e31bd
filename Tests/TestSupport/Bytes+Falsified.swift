// Bytes that somebody changed: by accident, or with the checksum put right again as a hostile writer
// would.

package import ByteBuffers

extension Bytes {
  package var checksum: UInt32 { CRC32C.checksum(span) }
  package var isZero: Bool { span.isZero }

  /// With one bit of the byte at `offset` turned over; which one changes from byte to byte.
  package func flipped(at offset: Int) -> Bytes {
    var array = self.array
    array[offset] ^= 1 << UInt8(offset % 8)
    return Bytes(array)
  }

  /// With the integer at `offset` replaced.
  package func replacing<T: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, with value: T
  ) -> Bytes {
    var writer = ByteWriter(capacity: count)
    writer.bytes(span)
    writer.replace(at: offset, with: value)
    return writer.finish()
  }

  /// With the checksum at `offset` put right for `range`, or for a seed followed by it.
  package func sealed(at offset: Int, covering range: Range<Int>, seed: UInt32 = 0) -> Bytes {
    replacing(at: offset, with: CRC32C.extend(seed, with: span.extracting(range)))
  }
}
