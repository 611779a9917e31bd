// Layout: the sizes and bounds of the format, in one place. Format.md draws them.

/// Sizes and bounds that every reader and writer of the format agrees on, in bytes.
public enum Layout {
  /// Frames begin at multiples of this, so that an append never rewrites a block that holds an
  /// acknowledged one, and a search for lost frames knows where to look.
  public static let page = 4096
  /// What a disk is assumed to write as a whole or not at all.
  public static let sector = 512
  /// Fills a frame up to the page; never 0, so that padding does not look like unwritten space.
  public static let padding: UInt8 = 0xA5
  /// The header at the front of each segment.
  public static let segmentHeader = 4096
  /// A frame's own bytes, in front of the body.
  public static let frame = 64
  /// A body's own bytes, in front of the payload.
  public static let bodyHeader = 64
  /// One entry in a body's table.
  public static let tableRow = 12
  /// A vote file, whole.
  public static let voteFile = 512
  /// The header of a manifest; edits follow.
  public static let manifestHeader = 512

  /// No index, term, sequence, generation or edit number is higher; decoders refuse it, so that sums
  /// never overflow.
  public static let indexMax: UInt64 = 1 << 62
  /// The highest number that a segment may have. A file that claims a higher one is no segment: a name
  /// alone must not use the numbers up.
  public static let sequenceMax: UInt64 = 1 << 48
  /// The largest payload of one entry that any configuration may allow.
  public static let entryBytesMax = 64 << 20
  /// The most entries in one batch.
  public static let batchEntriesMax = 1 << 20
  /// The largest body: one largest entry, or many smaller ones, with their table.
  public static let bodyBytesMax = entryBytesMax + batchEntriesMax * tableRow + bodyHeader
  /// The largest segment.
  public static let segmentBytesMax = 4 << 30
  /// The largest manifest edit, which may be the whole state. Nothing is allocated on its word: the
  /// bytes must be there.
  public static let editBytesMax = 256 << 20

  /// `count` rounded up to whole pages.
  public static func pages(_ count: Int) -> Int { (count + page - 1) / page * page }
}

/// Major and minor version of the format that this program writes.
public enum FormatVersion {
  public static let major: UInt16 = 1
  public static let minor: UInt16 = 0
}

/// What a file may contain that older programs do not know, by what that means for them.
///
/// An unknown `compatible` bit may be ignored; an unknown `readOnlyCompatible` bit allows reading
/// but not writing; an unknown `incompatible` bit means hands off.
public struct FeatureBits: Hashable, Sendable {
  public var compatible: UInt32
  public var readOnlyCompatible: UInt32
  public var incompatible: UInt32

  public init(compatible: UInt32 = 0, readOnlyCompatible: UInt32 = 0, incompatible: UInt32 = 0) {
    self.compatible = compatible
    self.readOnlyCompatible = readOnlyCompatible
    self.incompatible = incompatible
  }

  /// The bits that this program knows: none yet.
  public static let known = FeatureBits()

  /// How this program may treat a file with these bits and this version.
  public func access(major: UInt16) -> FormatAccess {
    if major != FormatVersion.major || incompatible & ~Self.known.incompatible != 0 {
      return .refuse
    }
    return readOnlyCompatible & ~Self.known.readOnlyCompatible != 0 ? .readOnly : .readWrite
  }
}

/// What a program may do with a file of some version.
public enum FormatAccess: Sendable {
  case readWrite, readOnly, refuse
}
