// Packets to bytes.

public import ByteBuffers
import LogFormat
import Raft

extension Packet {
  /// The packet as one run of bytes.
  public var encoded: Bytes {
    let attached = batches.reduce(chunk.count) { $0 + $1.bytes.count }
    var writer = ByteWriter(capacity: Self.headerBytes + 256 + attached)
    writer.fill(0, count: Self.headerBytes)
    let kind = writer.message(envelope.message, chunk)
    let fields = writer.count - Self.headerBytes
    precondition(fields <= Self.fieldBytesMax, "a message with \(fields) bytes of fields")
    writer.replace(at: 4, with: Self.version)
    writer.replace(at: 5, with: kind.rawValue)
    writer.replace(at: 8, with: envelope.from)
    writer.replace(at: 16, with: envelope.to)
    writer.replace(at: 24, with: envelope.term)
    writer.replace(at: 32, with: UInt32(fields))
    writer.replace(at: 36, with: UInt32(attached))
    let checksum = writer.crc32c(4..<writer.count)
    writer.replace(at: 0, with: checksum)
    for batch in batches { writer.bytes(batch.bytes.span) }
    writer.bytes(chunk.span)
    return writer.finish()
  }
}

extension ByteWriter {
  fileprivate mutating func message(_ message: Message, _ chunk: Bytes) -> PacketKind {
    switch message {
    case .preVote(let request):
      vote(request)
      return .preVote
    case .preVoteReply(let reply):
      voteReply(reply)
      return .preVoteReply
    case .vote(let request):
      vote(request)
      return .vote
    case .voteReply(let reply):
      voteReply(reply)
      return .voteReply
    case .append(let request):
      append(request)
      return .append
    case .appendReply(let reply):
      appendReply(reply)
      return .appendReply
    case .snapshot(let part):
      precondition(part.bytes == chunk.count, "a chunk of \(chunk.count) bytes, not \(part.bytes)")
      snapshot(part.snapshot)
      u64(UInt64(part.offset))
      session(part.session)
      u64(part.contact)
      u32(CRC32C.checksum(chunk.span))
      return .snapshot
    case .snapshotReply(let reply):
      uid(reply.uid)
      u64(UInt64(reply.received))
      session(reply.session)
      return .snapshotReply
    case .timeoutNow: return .timeoutNow
    case .read(let request):
      u64(request.id.rawValue)
      boot(request.boot)
      return .read
    case .readReply(let reply):
      u64(reply.id.rawValue)
      boot(reply.boot)
      u8(reply.index == nil ? 0 : 1)
      u64(reply.index ?? 0)
      return .readReply
    }
  }

  private mutating func position(_ position: LogPosition) {
    u64(position.term)
    u64(position.index)
  }

  private mutating func boot(_ boot: Boot) {
    u64(boot.counter)
    u64(boot.random)
  }

  private mutating func session(_ session: Session) {
    u64(session.addedAt)
    u8(session.boot == nil ? 0 : 1)
    boot(session.boot ?? Boot(counter: 0, random: 0))
  }

  private mutating func vote(_ request: VoteRequest) {
    u64(request.term)
    position(request.last)
    uid(request.voter)
    u8(request.isTransfer ? 1 : 0)
  }

  private mutating func voteReply(_ reply: VoteReply) {
    u64(reply.term)
    u8(reply.isGranted ? 1 : 0)
  }

  private mutating func append(_ request: AppendRequest) {
    position(request.previous)
    u64(request.commit)
    session(request.session)
    u64(request.contact)
    u8(request.acknowledged == nil ? 0 : 1)
    position(request.acknowledged ?? LogPosition())
    u64(request.round)
    u64(request.entries?.last ?? 0)
  }

  private mutating func appendReply(_ reply: AppendReply) {
    switch reply.result {
    case .matched(let index):
      u8(AppendResultKind.matched.rawValue)
      u64(index)
    case .rejected(let previous, let hint):
      u8(AppendResultKind.rejected.rawValue)
      u64(previous)
      position(hint)
    case .otherLife: u8(AppendResultKind.otherLife.rawValue)
    case .earlierTerm: u8(AppendResultKind.earlierTerm.rawValue)
    case .installing: u8(AppendResultKind.installing.rawValue)
    }
    session(reply.session)
    u64(reply.round)
  }

  private mutating func snapshot(_ info: SnapshotInfo) {
    position(info.position)
    u64(info.configuration.index)
    let configuration = info.configuration.configuration.encoded
    u32(UInt32(configuration.count))
    bytes(configuration.span)
    uid(info.uid)
    u64(UInt64(info.bytes))
  }
}
