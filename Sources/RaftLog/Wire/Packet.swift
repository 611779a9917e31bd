// Packet: a message as it travels, with what its sender attaches.
//
//   offset size
//        0    4  CRC32C of bytes 4 ..< 40 + n
//        4    1  version: 1
//        5    1  kind (see below)
//        6    2  zero
//        8    8  from
//       16    8  to
//       24    8  the sender's term
//       32    4  n: bytes of the fields
//       36    4  bytes of the attachment
//       40    n  fields
//   40 + n       attachment
//
//   kind                 fields                                                     attachment
//    1 pre-vote,
//    3 vote              term, last position, voter's incarnation, u8 transfer
//    2 pre-vote reply,
//    4 vote reply        term, u8 granted
//    5 append            previous position, commit, session, contact, position?     batches, one
//                        acknowledged, round, last index or 0                       behind the other
//    6 append reply      u8 result, its fields, session, round
//    7 snapshot          snapshot, u64 offset, session, contact, u32 CRC32C         the chunk
//    8 snapshot reply    uid, u64 received, session
//    9 timeout now
//   10 read              request, boot
//   11 read reply        request, boot, u8 known, index
//
//   position: term, index · boot: counter, random · session: added at, u8 known, boot ·
//   position?: u8 known, position · snapshot: position, configuration's index, u32 bytes of the
//   configuration, the configuration, uid, u64 bytes. All numbers u64 where nothing else is said,
//   little-endian.
//
// What must always hold: a batch travels as it lies on the sender's disk, and what is said of its entries
// is read from it; each byte is covered by a checksum; a length is bounded before memory is taken.

public import ByteBuffers
public import LogFormat
public import Raft

public struct Packet: Sendable {
  static let version: UInt8 = 1
  static let headerBytes = 40
  /// Bytes of the fields at most: a configuration is the largest of them.
  static let fieldBytesMax = 2 << 20

  public var envelope: Envelope
  /// What holds the entries of an AppendEntries, in order and without a gap. The first may begin before
  /// them, and the last may end behind.
  public var batches: [Batch]
  /// What a message with a part of a snapshot brings.
  public var chunk: Bytes

  public init(_ envelope: Envelope, batches: [Batch] = [], chunk: Bytes = Bytes()) {
    self.envelope = envelope
    self.batches = batches
    self.chunk = chunk
  }
}

/// The numbers of messages on the wire.
enum PacketKind: UInt8 {
  case preVote = 1
  case preVoteReply = 2
  case vote = 3
  case voteReply = 4
  case append = 5
  case appendReply = 6
  case snapshot = 7
  case snapshotReply = 8
  case timeoutNow = 9
  case read = 10
  case readReply = 11
}

/// The numbers of answers to an AppendEntries.
enum AppendResultKind: UInt8 {
  case matched = 1
  case rejected = 2
  case otherLife = 3
  case earlierTerm = 4
  case installing = 5
}
