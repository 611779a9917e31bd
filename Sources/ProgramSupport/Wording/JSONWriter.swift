// JSONWriter: one JSON object (RFC 8259) on one line. Pure: values in, bytes out.
//
// What must always hold: the line is valid JSON whatever the values are; numbers are numbers,
// checksums eight lower-case hexadecimal digits, payloads base64.

package import ByteBuffers
package import LogFormat

package struct JSONWriter {
  private var bytes: [UInt8] = [UInt8(ascii: "{")]
  private var isEmpty = true

  /// Begins an object of the given format, `<program>.<command>/<version>`.
  package init(format: String) { field("format", format) }

  private init() {}

  package mutating func field(_ name: String, _ value: String?) {
    key(name)
    if let value { string(value) } else { raw("null") }
  }

  package mutating func field(_ name: String, _ value: (some BinaryInteger)?) {
    key(name)
    raw(value.map { String($0) } ?? "null")
  }

  package mutating func field(_ name: String, _ value: Bool) {
    key(name)
    raw(value ? "true" : "false")
  }

  /// A number with `places` digits behind the point; null for one that JSON has no form for.
  package mutating func field(_ name: String, _ value: Double?, places: Int) {
    key(name)
    number(value, places)
  }

  package mutating func field(_ name: String, _ values: [Double], places: Int) {
    list(name, values) { writer, value in writer.number(value, places) }
  }

  package mutating func checksum(_ name: String, _ value: UInt32?) {
    field(name, value.map { Hex.string($0) })
  }

  package mutating func base64(_ name: String, _ payload: Bytes) {
    key(name)
    bytes.append(UInt8(ascii: "\""))
    Base64.append(payload.span, to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  package mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    nested(body)
  }

  package mutating func strings(_ name: String, _ values: [String]) {
    list(name, values) { writer, value in writer.string(value) }
  }

  package mutating func objects<T>(
    _ name: String, _ values: [T], _ body: (inout JSONWriter, T) -> Void
  ) {
    list(name, values) { writer, value in writer.nested { body(&$0, value) } }
  }

  /// The object, without the line's end.
  package consuming func finish() -> [UInt8] {
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

  private mutating func number(_ value: Double?, _ places: Int) {
    let text = value.map { Wording.decimal($0, places) } ?? "-"
    raw(text == "-" ? "null" : text)
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

extension JSONWriter {
  /// An entry of a log, with its payload.
  package init(format: String, entry: Entry) {
    self.init(format: format)
    field("index", entry.index)
    field("term", entry.term)
    field("kind", entry.kind.description)
    checksum("crc", entry.checksum)
    base64("payload", entry.payload)
  }
}
