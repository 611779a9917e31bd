// Wording: numbers and foreign bytes as people read them. Pure.
//
// What must always hold: nothing that came from a disk reaches a terminal as a control character.

package import ByteBuffers
package import LogFormat

package enum Wording {
  /// Digits in groups of three.
  package static func count(_ value: some BinaryInteger) -> String {
    let digits = String(value.magnitude)
    var result = value < 0 ? "-" : ""
    for (i, digit) in digits.enumerated() {
      if i > 0, (digits.count - i) % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return result
  }

  /// A number of things, in words: one batch, 3 batches.
  package static func count(_ value: some BinaryInteger, _ one: String, _ many: String) -> String {
    "\(count(value)) \(value == 1 ? one : many)"
  }

  /// The same without groups, for lines that scripts take numbers from.
  package static func plain(_ value: some BinaryInteger, _ one: String, _ many: String) -> String {
    "\(value) \(value == 1 ? one : many)"
  }

  /// Bytes in the largest binary unit of which there is at least one; with one decimal where that is
  /// not exact. It is rounded down: a file that is not quite full never looks full.
  package static func bytes(_ value: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var unit = 0
    var whole = value.magnitude
    var rest: UInt = 0
    var isExact = true
    while whole >= 1024, unit + 1 < units.count {
      isExact = isExact && rest == 0
      rest = whole % 1024
      whole /= 1024
      unit += 1
    }
    let sign = value < 0 ? "-" : ""
    let tenths = isExact && rest == 0 ? "" : ".\(rest * 10 / 1024)"
    return "\(sign)\(whole)\(tenths) \(units[unit])"
  }

  /// `value` with `places` digits behind the point; `-` for what is no number that can be shown.
  package static func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "-" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((value.magnitude * scale).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return "\(sign)\(scaled)" }
    let fraction = String(scaled % Int(scale))
    let zeros = String(repeating: "0", count: places - fraction.count)
    return "\(sign)\(scaled / Int(scale)).\(zeros)\(fraction)"
  }

  /// The indices of a range that may be empty.
  package static func indices(_ first: LogIndex, _ last: LogIndex) -> String {
    if last < first { return "none" }
    return first == last ? "\(first)" : "\(first)-\(last)"
  }

  /// `text` in lines of at most `width`, broken behind commas, and between words where a piece is
  /// longer than a line; a word that is longer stays whole.
  package static func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    func add(_ piece: String) {
      if let last = lines.last, last.columns + 1 + piece.columns <= width {
        lines[lines.count - 1] += " " + piece
      } else {
        lines.append(piece)
      }
    }
    let parts = text.split(separator: ", ", omittingEmptySubsequences: false)
    for (i, part) in parts.enumerated() {
      let piece = part + (i + 1 < parts.count ? "," : "")
      if piece.columns <= width {
        add(String(piece))
      } else {
        for word in piece.split(separator: " ", omittingEmptySubsequences: false) {
          add(String(word))
        }
      }
    }
    return lines
  }

  /// Bytes as text in which everything that is not printable UTF-8 is escaped.
  package static func escaped(_ bytes: Bytes) -> String { escaped(bytes.array) }

  package static func escaped(_ text: String) -> String { escaped(Array(text.utf8), quotes: false) }

  private static func escaped(_ bytes: [UInt8], quotes: Bool = true) -> String {
    var result = ""
    var at = 0
    while at < bytes.count {
      // Most of what is printed is plain, and goes over at once.
      let plainEnd = bytes[at...].firstIndex { !isPlain($0) } ?? bytes.count
      result += String(decoding: bytes[at..<plainEnd], as: UTF8.self)
      at = plainEnd
      guard at < bytes.count else { break }
      var parser = Unicode.UTF8.ForwardParser()
      var input = bytes[at...].makeIterator()
      switch parser.parseScalar(from: &input) {
      case .valid(let encoded):
        append(Unicode.UTF8.decode(encoded), to: &result, quotes: quotes)
        at += encoded.count
      case .error(let length):
        for byte in bytes[at..<at + length] { result += "\\x" + Hex.string(byte) }
        at += length
      case .emptyInput: break
      }
    }
    return result
  }

  /// True for a byte that is printed as it is, whatever stands around it.
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private static func append(_ scalar: Unicode.Scalar, to result: inout String, quotes: Bool) {
    switch scalar {
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    case "\"" where quotes: result += "\\\""
    case "\\" where quotes: result += "\\\\"
    case " "..."~": result.unicodeScalars.append(scalar)
    case _ where isPrintable(scalar): result.unicodeScalars.append(scalar)
    case _ where scalar.isASCII: result += "\\x" + Hex.string(UInt8(scalar.value))
    default: result += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }

  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator:
      false
    default: true
    }
  }
}

extension StringProtocol {
  /// Columns that it takes on a terminal: marks that stand on another character take none, and wide
  /// characters (Unicode Standard Annex 11, and pictures) two.
  package var columns: Int {
    // Nearly everything is plain.
    if utf8.allSatisfy({ $0 < 0x80 }) { return utf8.count }
    return unicodeScalars.reduce(0) { $0 + $1.columns }
  }
}

extension Unicode.Scalar {
  fileprivate var columns: Int {
    switch properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    switch value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
      0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F,
      0x1F680...0x1F6FF, 0x1F900...0x1FAFF, 0x20000...0x3FFFD:
      return 2
    default: return 1
    }
  }
}

extension String {
  /// Filled with spaces on the right.
  package func padded(_ width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - columns))
  }

  /// Filled with spaces on the left.
  package func leading(_ width: Int) -> String {
    String(repeating: " ", count: max(0, width - columns)) + self
  }

  package var withoutTrailingSpaces: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
