// LZ4: the block codec of liblz4, bounded on both sides.

import ByteBuffers
private import CLZ4

enum LZ4 {
  /// Appends `bytes`, compressed, to `writer` if that takes at most `limit` bytes.
  static func compress(_ bytes: RawSpan, into writer: inout ByteWriter, limit: Int) -> Bool {
    let before = writer.count
    unsafe writer.appendUninitialized(limit: limit) { room in
      let written = unsafe bytes.withUnsafeBytes { source in
        unsafe LZ4_compress_default(
          source.baseAddress, room.baseAddress, CInt(source.count), CInt(limit))
      }
      return Int(max(written, 0))
    }
    return writer.count > before
  }

  /// The `rawBytes` bytes that `bytes` stand for.
  static func decompress(_ bytes: RawSpan, rawBytes: Int) throws(FormatError) -> Bytes {
    guard rawBytes <= Layout.entryBytesMax else {
      throw FormatError(.outOfRange, "\(rawBytes) bytes to decompress")
    }
    var writer = ByteWriter(capacity: rawBytes)
    try unsafe writer.appendUninitialized(limit: rawBytes) {
      (room: UnsafeMutableRawBufferPointer) throws(FormatError) -> Int in
      let written = unsafe bytes.withUnsafeBytes { source in
        unsafe LZ4_decompress_safe(
          source.baseAddress, room.baseAddress, CInt(source.count), CInt(rawBytes))
      }
      guard Int(written) == rawBytes else {
        throw FormatError(.inconsistent, "the compressed payload does not decompress")
      }
      return rawBytes
    }
    return writer.finish()
  }
}
