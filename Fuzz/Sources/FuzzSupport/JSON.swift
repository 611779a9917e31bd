// JSON: a line as one JSON object (RFC 8259), held to the letter.
//
// What must always hold: whatever is read here is JSON to any other reader too: the grammar, UTF-8,
// and no name twice in an object. Numbers stay text: not every index fits into a double.

package import ByteBuffers

package enum JSON: Hashable, Sendable {
  case object([String: JSON])
  case array([JSON])
  case string(String)
  case number(String)
  case bool(Bool)
  case null

  /// Reads one line, without its end, that must be one object.
  package init(line: some Collection<UInt8>) throws(JSONError) {
    var parser = JSONParser(bytes: Array(line))
    self = try parser.line()
  }

  // MARK: Fields of an object; nil for what is not there, or is something else.

  package subscript(_ name: String) -> JSON? {
    if case .object(let fields) = self { fields[name] } else { nil }
  }

  package func string(_ name: String) -> String? {
    if case .string(let text) = self[name] { text } else { nil }
  }

  package func integer(_ name: String) -> UInt64? {
    if case .number(let text) = self[name] { UInt64(text) } else { nil }
  }

  /// The bytes that a string is the base64 of (RFC 4648 section 4, with padding).
  package func base64(_ name: String) -> Bytes? {
    guard let text = string(name), text.utf8.count % 4 == 0 else { return nil }
    let digits = Array(text.utf8)
    let padding = digits.suffix(2).count { $0 == UInt8(ascii: "=") }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 4 * 3)
    for start in stride(from: 0, to: digits.count, by: 4) {
      var group: UInt32 = 0
      for digit in digits[start..<start + 4] { group = group << 6 | Self.value(digit) }
      bytes += [UInt8(group >> 16 & 0xFF), UInt8(group >> 8 & 0xFF), UInt8(group & 0xFF)]
    }
    bytes.removeLast(padding)
    let result = Bytes(bytes)
    // There is one way to write them, and the rest of the checks is that it is this one.
    return Base64.string(result) == text ? result : nil
  }

  private static func value(_ digit: UInt8) -> UInt32 {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: 0
    }
  }
}

/// Where a line is no JSON object, and why.
package struct JSONError: Error, CustomStringConvertible {
  package let message: String
  /// Byte in the line.
  package let offset: Int

  package var description: String { "\(message) at byte \(offset)" }
}

private struct JSONParser {
  private let bytes: [UInt8]
  private var at = 0
  private var depth = 0

  /// Deeper than anything that is printed, and no danger to the stack.
  private static let depthMax = 32

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func line() throws(JSONError) -> JSON {
    skipSpaces()
    guard peek() == UInt8(ascii: "{") else { throw error("no object") }
    let value = try value()
    guard peek() == nil else { throw error("more than one object") }
    return value
  }

  private func error(_ message: String) -> JSONError { JSONError(message: message, offset: at) }

  private func peek() -> UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func take() -> UInt8? {
    guard let next = peek() else { return nil }
    at += 1
    return next
  }

  private mutating func skipSpaces() {
    while takes(" ") || takes("\t") || takes("\n") || takes("\r") {}
  }

  /// True when this is next, and then moves behind it.
  private mutating func takes(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func takes(word: String) -> Bool {
    guard bytes[at...].starts(with: word.utf8) else { return false }
    at += word.utf8.count
    return true
  }

  /// A value, with the spaces behind it.
  private mutating func value() throws(JSONError) -> JSON {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthMax else { throw error("values within values without end") }
    let value: JSON
    switch peek() {
    case UInt8(ascii: "{"): value = try object()
    case UInt8(ascii: "["): value = try array()
    case UInt8(ascii: "\""): value = .string(try string())
    case _ where takes(word: "true"): value = .bool(true)
    case _ where takes(word: "false"): value = .bool(false)
    case _ where takes(word: "null"): value = .null
    default: value = .number(try number())
    }
    skipSpaces()
    return value
  }

  private mutating func object() throws(JSONError) -> JSON {
    at += 1
    var fields: [String: JSON] = [:]
    skipSpaces()
    if takes("}") { return .object(fields) }
    while true {
      skipSpaces()
      let name = try string()
      guard fields[name] == nil else { throw error("the name \(name) twice") }
      skipSpaces()
      guard takes(":") else { throw error("a name without a value") }
      skipSpaces()
      fields[name] = try value()
      if takes("}") { return .object(fields) }
      guard takes(",") else { throw error("an object without an end") }
    }
  }

  private mutating func array() throws(JSONError) -> JSON {
    at += 1
    var values: [JSON] = []
    skipSpaces()
    if takes("]") { return .array(values) }
    while true {
      skipSpaces()
      values.append(try value())
      if takes("]") { return .array(values) }
      guard takes(",") else { throw error("an array without an end") }
    }
  }

  private mutating func string() throws(JSONError) -> String {
    guard takes("\"") else { throw error("no string") }
    var text: [UInt8] = []
    while let byte = take() {
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw error("a string that is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): text += try escaped()
      case 0..<0x20: throw error("a control character in a string")
      default: text.append(byte)
      }
    }
    throw error("a string without an end")
  }

  /// What follows a backslash, in UTF-8.
  private mutating func escaped() throws(JSONError) -> [UInt8] {
    switch take() {
    case UInt8(ascii: "\""): return [0x22]
    case UInt8(ascii: "\\"): return [0x5C]
    case UInt8(ascii: "/"): return [0x2F]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"):
      var units = [try codeUnit()]
      // The first half of a pair; what is not followed by its second half is no character.
      if UTF16.isLeadSurrogate(units[0]), takes(word: "\\u") { units.append(try codeUnit()) }
      guard let text = String(validating: units, as: UTF16.self) else {
        throw error("half of a character")
      }
      return Array(text.utf8)
    default: throw error("an escape that there is not")
    }
  }

  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    guard at + 4 <= bytes.count else { throw error("an escape that is cut off") }
    let digits = String(decoding: bytes[at..<at + 4], as: UTF8.self)
    // An integer's own grammar allows a sign.
    guard let unit = UInt16(digits, radix: 16), digits.first != "+" else {
      throw error("no hexadecimal digits")
    }
    at += 4
    return unit
  }

  private mutating func number() throws(JSONError) -> String {
    let start = at
    _ = takes("-")
    if !takes("0") { try digits() }
    if takes(".") { try digits() }
    if takes("e") || takes("E") {
      if !takes("+") { _ = takes("-") }
      try digits()
    }
    return String(decoding: bytes[start..<at], as: UTF8.self)
  }

  /// At least one digit.
  private mutating func digits() throws(JSONError) {
    let start = at
    while let next = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { at += 1 }
    if at == start { throw error("no value") }
  }
}
