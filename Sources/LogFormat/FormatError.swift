// FormatError: why a run of bytes is not the structure that it was read as.

/// What a decoder found wrong, and where in the bytes it was given.
public struct FormatError: Error, Hashable, Sendable {
  /// The kinds of wrong; more may come, so a switch over them needs a default.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// The bytes end before the structure does.
    public static let truncated = Code(description: "truncated")
    /// The magic number is not this structure's.
    public static let badMagic = Code(description: "badMagic")
    /// A checksum disagrees with the bytes it covers.
    public static let badChecksum = Code(description: "badChecksum")
    /// A length, count or offset is outside what the format allows.
    public static let outOfRange = Code(description: "outOfRange")
    /// The checksums agree, but the fields contradict each other.
    public static let inconsistent = Code(description: "inconsistent")
    /// Written by a format that this program does not know.
    public static let unsupported = Code(description: "unsupported")
  }

  public let code: Code
  /// What was wrong, in words.
  public let message: String
  /// Byte offset from the start of the structure.
  public let offset: Int

  public init(_ code: Code, _ message: String, at offset: Int = 0) {
    self.code = code
    self.message = message
    self.offset = offset
  }
}

extension FormatError: CustomStringConvertible {
  public var description: String { "\(message) (byte \(offset) of the structure)" }
}
