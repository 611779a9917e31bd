// Bars: pictures of bytes. Stretches go in, cells come out, and characters only at the very end.
//
// What must always hold: damage is never too small to be seen; a bar has as many cells as it was
// asked for; every use has a character of its own, so that colour adds nothing but comfort.

import ProgramSupport

/// What a stretch of a file is used for.
enum Use: Int, CaseIterable, Sendable {
  /// Entries of the log, and what it takes to store them.
  case live
  /// Entries below the log's first index.
  case compacted
  /// What an unclean stop left behind the log's end: kept as evidence, or to be cut.
  case cut
  /// Prepared zeros.
  case free
  /// Bytes that are not what was written.
  case damaged
  /// Bytes of a file that is not there.
  case missing

  /// What outweighs everything else in its cell, however small it is.
  fileprivate var isAlarm: Bool { self == .damaged || self == .missing }

  var name: String {
    switch self {
    case .live: "live"
    case .compacted: "compacted"
    case .cut: "cut"
    case .free: "free"
    case .damaged: "damaged"
    case .missing: "missing"
    }
  }

  func glyph(hasUnicode: Bool) -> Character {
    switch self {
    case .live: hasUnicode ? "█" : "#"
    case .compacted: hasUnicode ? "░" : "-"
    case .cut: hasUnicode ? "▒" : "~"
    case .free: hasUnicode ? "·" : "."
    case .damaged: "X"
    case .missing: "?"
    }
  }

  var tone: Tone {
    switch self {
    case .live: .good
    case .compacted, .free: .faint
    case .cut: .warning
    case .damaged, .missing: .bad
    }
  }
}

/// Neighbouring bytes of one use.
struct Stretch: Hashable, Sendable {
  var use: Use
  var bytes: Int
}

/// Stretches one behind the other; neighbours of the same use are one.
struct Strip: Hashable, Sendable {
  private(set) var stretches: [Stretch] = []
  private(set) var bytes = 0

  init() {}

  mutating func append(_ use: Use, _ bytes: Int) {
    guard bytes > 0 else { return }
    self.bytes += bytes
    if stretches.last?.use == use {
      stretches[stretches.count - 1].bytes += bytes
    } else {
      stretches.append(Stretch(use: use, bytes: bytes))
    }
  }

  mutating func append(_ other: Strip) {
    for stretch in other.stretches { append(stretch.use, stretch.bytes) }
  }

  func bytes(of use: Use) -> Int {
    stretches.reduce(0) { $0 + ($1.use == use ? $1.bytes : 0) }
  }

  /// The strip as `width` cells. A cell shows damage if it holds any, and otherwise what it holds
  /// most of.
  func cells(_ width: Int) -> [Use] {
    guard width > 0, bytes > 0 else { return [] }
    var cells: [Use] = []
    cells.reserveCapacity(width)
    // Positions are counted in bytes times cells, so that no cell is off by a rounding.
    var next = 0
    var left = stretches[0].bytes * width
    for _ in 0..<width {
      var room = bytes
      var held = [Int](repeating: 0, count: Use.allCases.count)
      while room > 0, next < stretches.count {
        let taken = min(room, left)
        held[stretches[next].use.rawValue] += taken
        room -= taken
        left -= taken
        if left == 0 {
          next += 1
          if next < stretches.count { left = stretches[next].bytes * width }
        }
      }
      cells.append(Self.dominant(held))
    }
    return cells
  }

  private static func dominant(_ held: [Int]) -> Use {
    if let alarm = Use.allCases.first(where: { $0.isAlarm && held[$0.rawValue] > 0 }) {
      return alarm
    }
    return Use.allCases.max { held[$0.rawValue] < held[$1.rawValue] } ?? .free
  }
}

extension Terminal {
  /// The cells as text; runs of one use are coloured at once.
  func picture(_ cells: [Use]) -> String {
    var text = ""
    var at = 0
    while at < cells.count {
      let use = cells[at]
      let end = cells[at...].firstIndex { $0 != use } ?? cells.count
      let glyph = use.glyph(hasUnicode: hasUnicode)
      text += paint(String(repeating: glyph, count: end - at), use.tone)
      at = end
    }
    return text
  }

  /// What the characters of the pictures mean, for the uses that occur in them.
  func legend(_ uses: some Sequence<Use>) -> String {
    let shown = Set(uses)
    return Use.allCases.filter(shown.contains)
      .map { picture([$0]) + " " + $0.name }
      .joined(separator: "   ")
  }
}
