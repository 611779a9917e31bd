// Helpers: what the tests of this target share. The checksum spelled out bit by bit, for the fast
// ones to be held against.

import ByteBuffers

/// CRC32C as the RFC defines it, a bit at a time.
enum ReferenceCRC {
  /// The checksum of each prefix of `bytes`, the empty one first.
  static func ofPrefixes(_ bytes: [UInt8]) -> [UInt32] {
    var register = UInt32.max
    var checksums = [~register]
    for byte in bytes {
      register ^= UInt32(byte)
      for _ in 0..<8 { register = (register >> 1) ^ (register & 1 == 1 ? 0x82F6_3B78 : 0) }
      checksums.append(~register)
    }
    return checksums
  }

  static func checksum(_ bytes: [UInt8]) -> UInt32 { ofPrefixes(bytes).last! }
}

extension Bytes {
  /// Where the first byte lies in memory; 0 without one.
  var address: UInt {
    unsafe span.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
  }

  // Questions to the span, asked here because `#expect` cannot hold one.
  func holdsSame(as other: Bytes) -> Bool { span.isSame(as: other.span) }
  func isFilled(with value: UInt8) -> Bool { span.isFilled(with: value) }

  /// The same bytes, `misalignment` bytes behind the start of their storage.
  static func misaligned(_ bytes: [UInt8], by misalignment: Int) -> Bytes {
    Bytes([UInt8](repeating: 0xEE, count: misalignment) + bytes)[
      misalignment..<misalignment + bytes.count]
  }
}
