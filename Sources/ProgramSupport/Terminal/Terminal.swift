// Terminal: what the thing that shows our output can do. Asked once, at the start.
//
// What must always hold: colour and movement go to a terminal only; a file, a pipe or memory gets
// text.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The abilities of the terminal, or of what stands in its place.
package struct Terminal: Sendable {
  package var isTerminal: Bool
  /// Columns.
  package var width: Int
  package var hasColour: Bool
  /// True when characters outside ASCII are shown as what they are.
  package var hasUnicode: Bool

  /// Where nobody says how wide the output is, and in a pipe or a file.
  private static let widthUnknown = 80
  private static let widthMin = 40
  /// Whatever the environment says, a line is no longer.
  private static let widthMax = 1000

  package static var output: Terminal { Surroundings.current == nil ? ofOutput : .none }
  package static var error: Terminal { Surroundings.current == nil ? ofError : .none }

  private static let ofOutput = Terminal(descriptor: STDOUT_FILENO)
  private static let ofError = Terminal(descriptor: STDERR_FILENO)

  /// What is printed into memory: the environment has no say in it.
  private static let none = Terminal(
    isTerminal: false, width: widthUnknown, hasColour: false, hasUnicode: true)

  package init(isTerminal: Bool, width: Int, hasColour: Bool, hasUnicode: Bool) {
    self.isTerminal = isTerminal
    self.width = width
    self.hasColour = hasColour
    self.hasUnicode = hasUnicode
  }

  private init(descriptor: Int32) {
    let isTerminal = isatty(descriptor) == 1
    let columns = isTerminal ? Self.columns(descriptor) : nil
    let width =
      columns ?? Environment.value("COLUMNS").flatMap { Int($0) } ?? Self.widthUnknown
    self.init(
      isTerminal: isTerminal, width: min(max(width, Self.widthMin), Self.widthMax),
      hasColour: isTerminal && Environment.value("NO_COLOR") == nil
        && Environment.value("TERM") != "dumb",
      hasUnicode: Environment.isUnicode)
  }

  /// ioctl(2) with TIOCGWINSZ.
  private static func columns(_ descriptor: Int32) -> Int? {
    var size = winsize()
    guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return nil
    }
    return Int(size.ws_col)
  }
}

/// The variables that the program goes by.
private enum Environment {
  /// The value of a variable that is set and not empty.
  static func value(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// Whether the locale's characters are encoded in UTF-8; the first variable that is set decides.
  static var isUnicode: Bool {
    let locale = value("LC_ALL") ?? value("LC_CTYPE") ?? value("LANG") ?? "C.UTF-8"
    let name = locale.lowercased()
    return name.contains("utf-8") || name.contains("utf8")
  }
}

/// What a piece of text means; how that is coloured is decided here only.
package enum Tone: Sendable {
  case plain, heading, good, warning, bad, faint

  /// The parameter of the SGR control sequence (ECMA-48), or nil for plain text.
  fileprivate var parameter: String? {
    switch self {
    case .plain: nil
    case .heading: "1"
    case .good: "32"
    case .warning: "33"
    case .bad: "1;31"
    case .faint: "90"
    }
  }
}

extension Terminal {
  /// `text` in the colour of `tone`, where there are colours.
  package func paint(_ text: String, _ tone: Tone) -> String {
    guard hasColour, !text.isEmpty, let parameter = tone.parameter else { return text }
    return "\u{1B}[\(parameter)m\(text)\u{1B}[0m"
  }

  /// A bar of `width` cells of which the first `full` are full.
  func bar(_ full: Int, of width: Int) -> String {
    paint(String(repeating: hasUnicode ? "█" : "#", count: full), .good)
      + paint(String(repeating: hasUnicode ? "·" : ".", count: width - full), .faint)
  }
}
