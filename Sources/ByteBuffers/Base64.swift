// Base64: bytes as text, for JSON (RFC 4648 section 4, with padding).

public enum Base64 {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  public static func string(_ bytes: Bytes) -> String {
    var text: [UInt8] = []
    append(bytes.span, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Appends the digits of `bytes`, in ASCII.
  public static func append(_ bytes: RawSpan, to text: inout [UInt8]) {
    let source = unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    text.reserveCapacity(text.count + (source.count + 2) / 3 * 4)
    for start in stride(from: 0, to: source.count, by: 3) {
      let count = min(3, source.count - start)
      var group = UInt32(source[start]) << 16
      if count > 1 { group |= UInt32(source[start + 1]) << 8 }
      if count > 2 { group |= UInt32(source[start + 2]) }
      for i in 0..<4 {
        text.append(
          i <= count ? digits[Int(group >> (18 - 6 * UInt32(i))) & 63] : UInt8(ascii: "="))
      }
    }
  }
}
