// JSONWriter: one JSON object (RFC 8259) on one line. Pure: values in, bytes out.
//
// What must always hold: the line is valid JSON whatever the values are; numbers are numbers,
// checksums eight lower-case hexadecimal digits, payloads base64.

import ByteBuffers
import LogFormat

struct JSONWriter {
  private var bytes: [UInt8] = [UInt8(ascii: "{")]
  private var isEmpty = true

  /// Begins an object of the given format, `walinspect.<command>/<version>`.
  init(format: String) { field("format", format) }

  private init() {}

  mutating func field(_ name: String, _ value: String?) {
    key(name)
    if let value { string(value) } else { raw("null") }
  }

  mutating func field(_ name: String, _ value: (some BinaryInteger)?) {
    key(name)
    raw(value.map { String($0) } ?? "null")
  }

  mutating func field(_ name: String, _ value: Bool) {
    key(name)
    raw(value ? "true" : "false")
  }

  mutating func checksum(_ name: String, _ value: UInt32?) {
    field(name, value.map { Hex.string($0) })
  }

  mutating func base64(_ name: String, _ payload: Bytes) {
    key(name)
    bytes.append(UInt8(ascii: "\""))
    Base64.encode(payload.array, into: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    nested(body)
  }

  mutating func strings(_ name: String, _ values: [String]) {
    list(name, values) { writer, value in writer.string(value) }
  }

  mutating func objects<T>(
    _ name: String, _ values: [T], _ body: (inout JSONWriter, T) -> Void
  ) {
    list(name, values) { writer, value in writer.nested { body(&$0, value) } }
  }

  /// The object, without the line's end.
  consuming func finish() -> [UInt8] {
    bytes.append(UInt8(ascii: "}"))
    return bytes
  }

  private mutating func list<T>(
    _ name: String, _ values: [T], _ element: (inout JSONWriter, T) -> Void
  ) {
    key(name)
    raw("[")
    for (i, value) in values.enumerated() {
      if i > 0 { raw(",") }
      element(&self, value)
    }
    raw("]")
  }

  private mutating func nested(_ body: (inout JSONWriter) -> Void) {
    var inner = JSONWriter()
    body(&inner)
    bytes += inner.finish()
  }

  private mutating func key(_ name: String) {
    if !isEmpty { raw(",") }
    isEmpty = false
    string(name)
    raw(":")
  }

  private mutating func raw(_ text: String) { bytes += text.utf8 }

  private mutating func string(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0..<0x20, 0x7F: raw("\\u00" + Hex.string(byte))
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}

/// Base64 with padding (RFC 4648 section 4).
enum Base64 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encode(_ source: [UInt8], into target: inout [UInt8]) {
    target.reserveCapacity(target.count + (source.count + 2) / 3 * 4)
    var at = 0
    while at < source.count {
      let count = min(3, source.count - at)
      var group: UInt32 = 0
      for i in 0..<3 { group = group << 8 | (i < count ? UInt32(source[at + i]) : 0) }
      for i in 0..<4 {
        let digit = alphabet[Int(group >> UInt32(18 - 6 * i)) & 63]
        target.append(i <= count ? digit : UInt8(ascii: "="))
      }
      at += count
    }
  }
}
