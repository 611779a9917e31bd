// The names everything else is counted in: index, term, UID.

package import ByteBuffers

/// The place of an entry in the log; the first entry has index 1, and 0 is "before the first".
public typealias LogIndex = UInt64

/// A Raft term. A log that is not replicated stays in term 0.
public typealias Term = UInt64

/// A random 128-bit name: of a group, of a segment file, of a directory's incarnation.
public struct UID: Hashable, Sendable, Comparable {
  public var high: UInt64
  public var low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A name drawn from `generator`; production passes the system's, the simulator its own.
  public init(using generator: inout some RandomNumberGenerator) {
    self.init(high: generator.next(), low: generator.next())
  }

  /// The first name that `generator` gives and that is not taken.
  package init(using generator: inout some RandomNumberGenerator, unless isTaken: (UID) -> Bool) {
    repeat { self.init(using: &generator) } while isTaken(self)
  }

  public static func < (a: UID, b: UID) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

extension UID: CustomStringConvertible {
  /// 32 lower-case hexadecimal digits in the groups of a UUID: 8-4-4-4-12.
  public var description: String {
    let digits = Hex.string(high) + Hex.string(low)
    var result = ""
    for (i, digit) in digits.enumerated() {
      if i == 8 || i == 12 || i == 16 || i == 20 { result.append("-") }
      result.append(digit)
    }
    return result
  }

  /// The name that `text` spells, with or without hyphens.
  public init?(_ text: String) {
    let digits = text.filter { $0 != "-" }
    // Digits alone: a number may have a sign, a name may not.
    guard digits.count == 32, digits.allSatisfy(\.isHexDigit),
      let high = UInt64(digits.prefix(16), radix: 16),
      let low = UInt64(digits.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }
}

extension ByteWriter {
  package mutating func uid(_ uid: UID) {
    u64(uid.high)
    u64(uid.low)
  }
}

extension ByteReader {
  @_lifetime(self: copy self)
  package mutating func uid() throws(FormatError) -> UID { UID(high: try u64(), low: try u64()) }
}

/// Fixed-width lower-case hexadecimal, as names and checksums are shown.
public enum Hex {
  public static func string(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: value.bitWidth / 4 - digits.count) + digits
  }
}
