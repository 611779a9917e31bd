// JSONLine: one JSON object (RFC 8259) on one line.
//
// What must always hold: the line is valid JSON whatever the values are; what is not known is null.

struct JSONLine {
  private var body = ""

  init(format: String) { field("format", format) }

  /// The object, without the line's end.
  var text: String { "{\(body)}" }

  mutating func field(_ name: String, _ value: String) { add(name, Self.quoted(value)) }

  mutating func field(_ name: String, _ value: some BinaryInteger) { add(name, "\(value)") }

  mutating func field(_ name: String, _ value: Double?, places: Int) {
    add(name, value.map { Self.number($0, places) } ?? "null")
  }

  mutating func field(_ name: String, _ values: [Double], places: Int) {
    add(name, "[\(values.map { Self.number($0, places) }.joined(separator: ","))]")
  }

  /// What others used of the machine.
  mutating func field(_ machine: MachineUse) {
    field("others_cores", machine.othersCores, places: 3)
    field("stolen_cores", machine.stolenCores, places: 3)
    field("others_written_bytes_per_second", machine.othersWrittenBytesPerSecond, places: 0)
  }

  private mutating func add(_ name: String, _ value: String) {
    if !body.isEmpty { body += "," }
    body += "\(Self.quoted(name)):\(value)"
  }

  private static func number(_ value: Double, _ places: Int) -> String {
    let text = Text.decimal(value, places)
    return text == "-" ? "null" : text
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for character in text.unicodeScalars {
      switch character {
      case "\"", "\\": quoted += "\\\(character)"
      case "\u{0}"..<" ":
        let hex = String(character.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: quoted.unicodeScalars.append(character)
      }
    }
    return quoted + "\""
  }
}
