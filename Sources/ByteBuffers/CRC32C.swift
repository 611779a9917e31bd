// CRC32C: the one checksum of the format (Castagnoli polynomial, RFC 3720 appendix B.4).

private import CCRC32C

/// The checksum of a run of bytes; extendable, and combinable without the bytes.
public enum CRC32C {
  /// The checksum of what `crc` covers, followed by `bytes`; begin with 0.
  public static func extend(_ crc: UInt32, with bytes: RawSpan) -> UInt32 {
    guard !bytes.isEmpty else { return crc }
    return unsafe bytes.withUnsafeBytes {
      unsafe raftlog_crc32c_extend(crc, $0.baseAddress, $0.count)
    }
  }

  public static func checksum(_ bytes: RawSpan) -> UInt32 { extend(0, with: bytes) }

  /// The checksum of A followed by B, from the checksums of both and the length of B in bytes.
  public static func combine(_ a: UInt32, _ b: UInt32, countOfB: Int) -> UInt32 {
    raftlog_crc32c_combine(a, b, UInt64(countOfB))
  }
}
