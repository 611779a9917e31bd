// HardState: what a node must never forget, in two vote files.
//
//   offset size
//        0    8  magic "RLVOTE\0" 0x01
//        8    4  CRC32C of bytes 12 ..< 512
//       12    4  major, minor version (u16 each)
//       16    8  generation: grows by one with each write, 0 before the first
//       24    8  term
//       32    8  the node voted for in that term
//       40    1  1 if a vote was given, else 0
//       41    7  zero
//       48   16  incarnation of the directory
//       64   16  group
//       80    1  mark: 0 none, 1 nobody can say what was held, 2 the last entry is named
//       81    7  zero
//       88    8  the mark's term
//       96   16  the last entry that may have been held: term, index
//      112       zero up to 512
//
// What must always hold: term and vote are written together, in one sector, to both files, one after
// the other, each synced; the higher generation wins. One bad copy loses nothing.

public import ByteBuffers

/// The name of a node within its group.
public typealias NodeID = UInt64

/// Term and vote (Raft figure 2, "persistent state on all servers").
public struct HardState: Hashable, Sendable {
  public var term: Term
  /// The candidate that got this node's vote in `term`.
  public var vote: NodeID?

  public init(term: Term = 0, vote: NodeID? = nil) {
    self.term = term
    self.vote = vote
  }
}

/// What a member that may have forgotten something holds itself to, until its log is whole again.
public struct Mark: Hashable, Sendable {
  /// No term that it held entries of was above this one.
  public var term: Term
  /// The last entry that it may have held; nil if nobody can say.
  public var mayHaveHeld: LogPosition?

  public init(term: Term, mayHaveHeld: LogPosition?) {
    self.term = term
    self.mayHaveHeld = mayHaveHeld
  }
}

/// One of the two copies of the hard state.
public struct VoteFile: Hashable, Sendable {
  static let magic: UInt64 = 0x0100_4554_4F56_4C52  // "RLVOTE\0\u{1}"

  /// The names of the two copies.
  public static let names = ["vote-0", "vote-1"]
  /// What a copy is called while it is made anew.
  public static let temporaryName = "vote.tmp"

  /// Grows by one with each write; 0 is a directory that has never voted.
  public var generation: UInt64
  public var state: HardState
  public var incarnation: UID
  public var group: UID
  /// Set while the directory may have lost something that it acknowledged.
  public var mark: Mark?

  public init(
    generation: UInt64, state: HardState, incarnation: UID, group: UID, mark: Mark? = nil
  ) {
    self.mark = mark
    self.generation = generation
    self.state = state
    self.incarnation = incarnation
    self.group = group
  }

  public func encoded() -> Bytes {
    var writer = ByteWriter(capacity: Layout.voteFile)
    writer.u64(Self.magic)
    writer.u32(0)
    writer.u16(FormatVersion.major)
    writer.u16(FormatVersion.minor)
    writer.u64(generation)
    writer.u64(state.term)
    writer.u64(state.vote ?? 0)
    writer.u8(state.vote == nil ? 0 : 1)
    writer.fill(0, count: 7)
    writer.uid(incarnation)
    writer.uid(group)
    writer.u8(mark == nil ? 0 : mark!.mayHaveHeld == nil ? 1 : 2)
    writer.fill(0, count: 7)
    writer.u64(mark?.term ?? 0)
    writer.u64(mark?.mayHaveHeld?.term ?? 0)
    writer.u64(mark?.mayHaveHeld?.index ?? 0)
    writer.fill(0, count: Layout.voteFile - writer.count)
    let checksum = writer.crc32c(12..<Layout.voteFile)
    writer.replace(at: 8, with: checksum)
    return writer.finish()
  }

  public init(decoding bytes: RawSpan) throws(FormatError) {
    guard bytes.byteCount == Layout.voteFile else {
      throw FormatError(
        .truncated, "a vote file has \(Layout.voteFile) bytes, this one \(bytes.byteCount)")
    }
    let major: UInt16
    let voted: UInt8
    let vote: NodeID
    var reader = ByteReader(bytes)
    guard try reader.u64() == Self.magic else { throw FormatError(.badMagic, "not a vote file") }
    let checksum = try reader.u32()
    guard CRC32C.checksum(bytes.extracting(12..<Layout.voteFile)) == checksum else {
      throw FormatError(.badChecksum, "the vote file's checksum is wrong", at: 8)
    }
    major = try reader.u16()
    try reader.skip(2)
    generation = try reader.counter()
    state = HardState(term: try reader.counter())
    vote = try reader.u64()
    voted = try reader.u8()
    try reader.skip(7)
    incarnation = try reader.uid()
    group = try reader.uid()
    let marked = try reader.u8()
    try reader.skip(7)
    let markTerm = try reader.counter()
    let held = LogPosition(term: try reader.counter(), index: try reader.counter())
    guard major == FormatVersion.major else {
      throw FormatError(.unsupported, "a vote file of format \(major)", at: 12)
    }
    guard voted <= 1 else { throw FormatError(.inconsistent, "the vote flag is \(voted)", at: 40) }
    guard marked <= 2 else { throw FormatError(.inconsistent, "the mark is \(marked)", at: 80) }
    if voted == 1 { state.vote = vote }
    if marked > 0 { mark = Mark(term: markTerm, mayHaveHeld: marked == 2 ? held : nil) }
  }
}
