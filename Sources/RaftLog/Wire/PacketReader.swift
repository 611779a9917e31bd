// PacketReader: the fields of a message, read one after the other.
//
// What must always hold: flags are 0 or 1, counters are bounded, so that sums of them never overflow.

import ByteBuffers
import LogFormat
import Raft

struct PacketReader: ~Escapable {
  private var reader: ByteReader

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) { reader = ByteReader(bytes) }

  var remaining: Int { reader.remaining }

  @_lifetime(self: copy self)
  private mutating func flag() throws(FormatError) -> Bool {
    let at = reader.offset
    let value = try reader.u8()
    guard value <= 1 else { throw FormatError(.inconsistent, "a flag of \(value)", at: at) }
    return value == 1
  }

  @_lifetime(self: copy self)
  private mutating func size() throws(FormatError) -> Int { Int(try reader.counter()) }

  @_lifetime(self: copy self)
  private mutating func position() throws(FormatError) -> LogPosition {
    LogPosition(term: try reader.counter(), index: try reader.counter())
  }

  @_lifetime(self: copy self)
  private mutating func boot() throws(FormatError) -> Boot {
    Boot(counter: try reader.counter(), random: try reader.u64())
  }

  @_lifetime(self: copy self)
  private mutating func session() throws(FormatError) -> Session {
    let addedAt = try reader.counter()
    let isKnown = try flag()
    let boot = try boot()
    return Session(addedAt: addedAt, boot: isKnown ? boot : nil)
  }

  @_lifetime(self: copy self)
  mutating func vote() throws(FormatError) -> VoteRequest {
    VoteRequest(
      term: try reader.counter(), last: try position(), voter: try reader.uid(),
      isTransfer: try flag())
  }

  @_lifetime(self: copy self)
  mutating func voteReply() throws(FormatError) -> VoteReply {
    VoteReply(term: try reader.counter(), isGranted: try flag())
  }

  /// The request without its entries, and the last of them; 0 without any.
  @_lifetime(self: copy self)
  mutating func append() throws(FormatError) -> (request: AppendRequest, last: LogIndex) {
    var request = AppendRequest(
      previous: try position(), commit: try reader.counter(), session: try session(),
      contact: try reader.counter())
    let isAcknowledged = try flag()
    let acknowledged = try position()
    request.acknowledged = isAcknowledged ? acknowledged : nil
    request.round = try reader.u64()
    return (request, try reader.counter())
  }

  @_lifetime(self: copy self)
  mutating func appendReply() throws(FormatError) -> AppendReply {
    let raw = try reader.u8()
    guard let kind = AppendResultKind(rawValue: raw) else {
      throw FormatError(.unsupported, "an answer of kind \(raw)")
    }
    let result: AppendReply.Result
    switch kind {
    case .matched: result = .matched(try reader.counter())
    case .rejected: result = .rejected(previous: try reader.counter(), hint: try position())
    case .otherLife: result = .otherLife
    case .earlierTerm: result = .earlierTerm
    case .installing: result = .installing
    }
    return AppendReply(result, session: try session(), round: try reader.u64())
  }

  @_lifetime(self: copy self)
  mutating func chunk(_ bytes: Bytes) throws(FormatError) -> SnapshotChunk {
    let chunk = SnapshotChunk(
      snapshot: try snapshot(), offset: try size(), bytes: bytes.count, session: try session(),
      contact: try reader.counter())
    guard try reader.u32() == CRC32C.checksum(bytes.span) else {
      throw FormatError(.badChecksum, "the chunk's checksum is wrong")
    }
    return chunk
  }

  @_lifetime(self: copy self)
  private mutating func snapshot() throws(FormatError) -> SnapshotInfo {
    let position = try position()
    let index = try reader.counter()
    let length = Int(try reader.u32())
    let configuration = try Configuration(decoding: try reader.span(length))
    return SnapshotInfo(
      position: position,
      configuration: ConfigurationEntry(index: index, configuration: configuration),
      uid: try reader.uid(), bytes: try size())
  }

  @_lifetime(self: copy self)
  mutating func snapshotReply() throws(FormatError) -> SnapshotReply {
    SnapshotReply(uid: try reader.uid(), received: try size(), session: try session())
  }

  @_lifetime(self: copy self)
  mutating func read() throws(FormatError) -> ReadRequest {
    ReadRequest(id: RequestID(rawValue: try reader.u64()), boot: try boot())
  }

  @_lifetime(self: copy self)
  mutating func readReply() throws(FormatError) -> ReadReply {
    let id = RequestID(rawValue: try reader.u64())
    let boot = try boot()
    let isKnown = try flag()
    let index = try reader.counter()
    return ReadReply(id: id, boot: boot, index: isKnown ? index : nil)
  }
}
