// Bytes to packets. Nothing that a peer sends is believed before it was checked.

public import ByteBuffers
public import LogFormat
import Raft

extension Packet {
  /// Decodes all of `bytes`.
  ///
  /// - Parameter group: batches of another group are refused.
  public init(decoding bytes: Bytes, group: UID) throws(FormatError) {
    guard bytes.count >= Self.headerBytes else {
      throw FormatError(.truncated, "a message of \(bytes.count) bytes")
    }
    let header = try PacketHeader(bytes.span)
    let end = Self.headerBytes + header.fieldBytes
    guard bytes.count == end + header.attachedBytes else {
      throw FormatError(
        .truncated, "a message of \(end + header.attachedBytes) bytes, \(bytes.count) present",
        at: 32)
    }
    guard CRC32C.checksum(bytes[4..<end].span) == header.checksum else {
      throw FormatError(.badChecksum, "the message's checksum is wrong")
    }
    let attachment = bytes[end..<bytes.count]
    var reader = PacketReader(bytes[Self.headerBytes..<end].span)
    var packet = Packet(Envelope(from: header.from, to: header.to, term: header.term, .timeoutNow))
    switch header.kind {
    case .append:
      let (request, last) = try reader.append()
      packet.batches = try Self.batches(attachment, group)
      packet.envelope.message = .append(try request.with(packet.batches, through: last))
    case .snapshot:
      packet.chunk = attachment
      packet.envelope.message = .snapshot(try reader.chunk(attachment))
    case .preVote: packet.envelope.message = .preVote(try reader.vote())
    case .preVoteReply: packet.envelope.message = .preVoteReply(try reader.voteReply())
    case .vote: packet.envelope.message = .vote(try reader.vote())
    case .voteReply: packet.envelope.message = .voteReply(try reader.voteReply())
    case .appendReply: packet.envelope.message = .appendReply(try reader.appendReply())
    case .snapshotReply: packet.envelope.message = .snapshotReply(try reader.snapshotReply())
    case .timeoutNow: break
    case .read: packet.envelope.message = .read(try reader.read())
    case .readReply: packet.envelope.message = .readReply(try reader.readReply())
    }
    guard reader.remaining == 0 else {
      throw FormatError(.inconsistent, "bytes behind the fields of a message", at: end)
    }
    if !attachment.isEmpty, header.kind != .append, header.kind != .snapshot {
      throw FormatError(.inconsistent, "a message with an attachment that it cannot have", at: 36)
    }
    self = packet
  }

  private static func batches(
    _ attachment: Bytes, _ group: UID
  ) throws(FormatError) -> [Batch] {
    var batches: [Batch] = []
    var rest = attachment
    while !rest.isEmpty {
      let batch = try Batch(rest)
      guard batch.header.group == group else {
        throw FormatError(.inconsistent, "a batch of group \(batch.header.group)")
      }
      // Down to the payloads: what is wrong in here would be found where nobody can refuse it any more.
      try batch.verify()
      batches.append(batch)
      rest = rest[batch.bytes.count..<rest.count]
    }
    return batches
  }
}

extension AppendRequest {
  /// The request with the entries up to `last` that `batches` hold.
  fileprivate func with(
    _ batches: [Batch], through last: LogIndex
  ) throws(FormatError) -> AppendRequest {
    guard last > 0 else {
      guard batches.isEmpty else {
        throw FormatError(.inconsistent, "a heartbeat with batches")
      }
      return self
    }
    let first = previous.index + 1
    guard last >= first, let front = batches.first, front.header.firstIndex <= first,
      front.header.lastIndex >= first, batches.last!.header.lastIndex >= last,
      batches.last!.header.firstIndex <= last
    else {
      throw FormatError(.inconsistent, "entries \(first) to \(last), and batches of others")
    }
    var request = self
    request.entries = try Self.slice(of: batches, first...last)
    return request
  }

  private static func slice(
    of batches: [Batch], _ indices: ClosedRange<LogIndex>
  ) throws(FormatError) -> LogSlice {
    var runs: [TermRun] = []
    var configurations: [ConfigurationEntry] = []
    var bytes = 0
    var next = batches[0].header.firstIndex
    for batch in batches {
      guard batch.header.firstIndex == next else {
        throw FormatError(.inconsistent, "batches with a gap before entry \(next)")
      }
      next = batch.header.lastIndex + 1
      bytes += batch.bytes.count
      for (i, row) in try batch.rows().enumerated() {
        let index = batch.header.firstIndex + LogIndex(i)
        guard indices.contains(index) else { continue }
        if runs.last?.term != row.term { runs.append(TermRun(firstIndex: index, term: row.term)) }
        guard row.kind == .configuration else { continue }
        let entry = try batch.entries(in: index...index)[0]
        configurations.append(
          ConfigurationEntry(
            index: index, configuration: try Configuration(decoding: entry.payload.span)))
      }
    }
    guard
      let slice = LogSlice(indices, runs: runs, bytes: bytes, configurations: configurations)
    else { throw FormatError(.inconsistent, "entries that no log has: their terms fall") }
    return slice
  }
}

private struct PacketHeader {
  let checksum: UInt32
  let kind: PacketKind
  let from: NodeID
  let to: NodeID
  let term: Term
  let fieldBytes: Int
  let attachedBytes: Int

  init(_ bytes: RawSpan) throws(FormatError) {
    var reader = ByteReader(bytes)
    checksum = try reader.u32()
    let version = try reader.u8()
    let raw = try reader.u8()
    let reserved = try reader.u16()
    from = try reader.u64()
    to = try reader.u64()
    term = try reader.counter()
    fieldBytes = Int(try reader.u32())
    attachedBytes = Int(try reader.u32())
    guard version == Packet.version, let kind = PacketKind(rawValue: raw), reserved == 0 else {
      throw FormatError(.unsupported, "a message of version \(version), kind \(raw)", at: 4)
    }
    guard fieldBytes <= Packet.fieldBytesMax else {
      throw FormatError(.outOfRange, "\(fieldBytes) bytes of fields", at: 32)
    }
    self.kind = kind
  }
}
