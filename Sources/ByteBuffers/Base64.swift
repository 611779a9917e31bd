// Base64: bytes as text, for JSON (RFC 4648, with padding).

public enum Base64 {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  public static func string(_ bytes: Bytes) -> String {
    let source = bytes.array
    var text: [UInt8] = []
    text.reserveCapacity((source.count + 2) / 3 * 4)
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
    return String(decoding: text, as: UTF8.self)
  }
}
