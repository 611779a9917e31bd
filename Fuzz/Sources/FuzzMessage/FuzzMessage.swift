// FuzzMessage: an input as a message from a peer, or as the configuration in an entry.
//
//   offset size
//        0    1  0: a message; anything else: a configuration
//        1       its bytes
//
// What must always hold: what is taken for a message says again what it said when it is encoded anew, its
// entries are those of its batches, and its bytes are of the group that was named; a configuration that
// decodes is one that changes lead to, and encodes to the same bytes.

import ByteBuffers
import FuzzSupport
import LogFormat
import Raft
import RaftLog

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(MessageSamples.seeds)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { bytes in
    guard let kind = bytes.first else { return }
    let rest = Bytes(Array(bytes.dropFirst()))
    if kind == 0 { checkMessage(rest) } else { checkConfiguration(rest) }
  }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    mutation.mutateAll()
    guard mutation.bytes.first == 0, mutation.below(8) != 0 else { return }
    MessagePatch.repair(&mutation.bytes)
  }
}

/// The checksum over header and fields, made right again.
private enum MessagePatch {
  private static let header = 1 + 40

  static func repair(_ bytes: inout [UInt8]) {
    guard bytes.count >= header else { return }
    let fields = (0..<4).reduce(0) { $0 | Int(bytes[1 + 32 + $1]) << (8 * $1) }
    guard fields <= bytes.count - header else { return }
    bytes.set(bytes.crc32c(5..<header + fields), at: 1)
  }
}

private func checkMessage(_ bytes: Bytes) {
  guard let packet = try? Packet(decoding: bytes, group: MessageSamples.group) else { return }
  guard let again = try? Packet(decoding: packet.encoded, group: MessageSamples.group) else {
    found("what was decoded does not decode once it is encoded: \(packet.envelope)")
  }
  expect(again.envelope == packet.envelope, "a message says something else: \(packet.envelope)")
  expect(again.chunk == packet.chunk, "a message brings another part of a snapshot")
  expect(
    again.batches.map(\.bytes) == packet.batches.map(\.bytes), "a message brings other batches")
  guard case .append(let request) = packet.envelope.message, let entries = request.entries else {
    return
  }
  expect(entries.first == request.previous.index + 1, "entries that do not follow the one before")
  for index in entries.indices {
    expect(
      packet.batches.contains { $0.header.indices.contains(index) },
      "entry \(index) is in none of the batches")
  }
}

private func checkConfiguration(_ bytes: Bytes) {
  guard let configuration = try? Configuration(decoding: bytes.span) else { return }
  expect(configuration.encoded == bytes, "a configuration has two encodings")
  expect(
    (try? Configuration(configuration.members, joint: configuration.joint)) == configuration
      || configuration == Configuration(), "a configuration that no change leads to")
}

private enum MessageSamples {
  static let group = UID(high: 1, low: 2)

  static func seeds() -> [SeedCorpus.Seed] {
    let configuration = configuration()
    return messages(configuration).enumerated().map { i, packet in
      ("message-\(i)", [0] + packet.encoded.array)
    } + [("configuration", [1] + configuration.encoded.array)]
  }

  private static func configuration() -> Configuration {
    func member(_ id: NodeID, _ suffrage: Suffrage) -> Member {
      Member(
        id: id, incarnation: UID(high: 3, low: id), address: "node-\(id):70", suffrage: suffrage)
    }
    guard
      let configuration = try? Configuration(
        [member(1, .voter), member(2, .outgoing), member(3, .incoming), member(4, .learner)],
        joint: .explicit)
    else { found("a sample that is no configuration") }
    return configuration
  }

  private static func batch(_ first: LogIndex, _ configuration: Configuration) -> Batch {
    var builder = BatchBuilder(group: group, firstIndex: first)
    let payload = Bytes("an entry")
    builder.append(payload.span, kind: .data, term: 4)
    let members = configuration.encoded
    builder.append(members.span, kind: .configuration, term: 5)
    let framed = builder.finish(.none)
    guard let batch = try? Batch(framed.body) else { found("a sample that is no batch") }
    return batch
  }

  private static func messages(_ configuration: Configuration) -> [Packet] {
    let position = LogPosition(term: 4, index: 9)
    let session = Session(addedAt: 7, boot: Boot(counter: 3, random: .max))
    let batch = batch(10, configuration)
    let slice = LogSlice(
      10...11, runs: [TermRun(firstIndex: 10, term: 4), TermRun(firstIndex: 11, term: 5)],
      bytes: batch.bytes.count,
      configurations: [ConfigurationEntry(index: 11, configuration: configuration)])
    let request = AppendRequest(
      previous: position, entries: slice, commit: 8, session: session, contact: 6, round: 3)
    let info = SnapshotInfo(
      position: position,
      configuration: ConfigurationEntry(index: 3, configuration: configuration),
      uid: UID(high: 4, low: 4), bytes: 100)
    let chunk = SnapshotChunk(snapshot: info, offset: 0, bytes: 5, session: session, contact: 6)
    let vote = VoteRequest(term: 5, last: position, voter: UID(high: 8, low: 9))
    func packet(_ message: Message) -> Packet {
      Packet(Envelope(from: 1, to: 2, term: 6, message))
    }
    var append = packet(.append(request))
    append.batches = [batch]
    var snapshot = packet(.snapshot(chunk))
    snapshot.chunk = Bytes("chunk")
    return [
      append, snapshot, packet(.vote(vote)), packet(.preVote(vote)),
      packet(.voteReply(VoteReply(term: 5, isGranted: true))),
      packet(.appendReply(AppendReply(.rejected(previous: 9, hint: position), session: session))),
      packet(.appendReply(AppendReply(.matched(9), session: session, round: 2))),
      packet(.snapshotReply(SnapshotReply(uid: info.uid, received: 5, session: session))),
      packet(.read(ReadRequest(id: RequestID(rawValue: 1), boot: Boot(counter: 1, random: 2)))),
      packet(.timeoutNow),
    ]
  }
}
