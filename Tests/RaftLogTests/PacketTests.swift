// PacketTests: what is sent is what is read, and nothing else is read.

import ByteBuffers
import LogFormat
import Raft
import RaftLog
import TestSupport
import Testing

@Suite struct PacketTests {
  private let group = UID(high: 1, low: 2)

  private func member(_ id: NodeID, _ suffrage: Suffrage = .voter) -> Member {
    Member(
      id: id, incarnation: UID(high: 3, low: id), address: "node-\(id).example:70\(id)",
      suffrage: suffrage)
  }

  private func batch(_ first: LogIndex, _ terms: [Term], configuration: Configuration? = nil)
    -> Batch
  {
    var builder = BatchBuilder(group: group, firstIndex: first)
    for (i, term) in terms.enumerated() {
      if let configuration, i == terms.count - 1 {
        builder.append(configuration.encoded.span, kind: .configuration, term: term)
      } else {
        builder.append(Bytes("entry \(first + LogIndex(i))").span, kind: .data, term: term)
      }
    }
    let framed = builder.finish(.none)
    guard let batch = try? Batch(framed.body) else {
      preconditionFailure("a batch that is none")
    }
    return batch
  }

  private let session = Session(addedAt: 7, boot: Boot(counter: 3, random: .max))
  private let position = LogPosition(term: 4, index: 9)

  /// A message of each kind, with what belongs to it.
  private func packets() throws -> [Packet] {
    let configuration = try Configuration(
      [member(1), member(2, .outgoing), member(3, .incoming), member(4, .learner)],
      joint: .explicit)
    let vote = VoteRequest(
      term: 5, last: position, voter: UID(high: 8, low: 9), isTransfer: true)
    let boot = Boot(counter: 1, random: 2)
    let snapshot = SnapshotInfo(
      position: position,
      configuration: ConfigurationEntry(index: 3, configuration: configuration),
      uid: UID(high: 4, low: 4), bytes: 1 << 40)
    let batches = [batch(8, [4, 4, 4]), batch(11, [4, 5, 5], configuration: configuration)]
    // The first batch begins before the entries.
    let entries = LogSlice(
      10...13, runs: [TermRun(firstIndex: 10, term: 4), TermRun(firstIndex: 12, term: 5)],
      bytes: batches.reduce(0) { $0 + $1.bytes.count },
      configurations: [ConfigurationEntry(index: 13, configuration: configuration)])
    let request = AppendRequest(
      previous: position, entries: entries, commit: 8, session: session, contact: 6,
      acknowledged: LogPosition(term: 2, index: 3), round: 11)
    let heartbeat = AppendRequest(previous: LogPosition(), commit: 0, session: Session())
    let chunk = SnapshotChunk(
      snapshot: snapshot, offset: 99, bytes: 5, session: session, contact: 1)
    let id = RequestID(rawValue: .max)
    let plain: [Message] = [
      .preVote(vote), .vote(vote), .preVoteReply(VoteReply(term: 5, isGranted: false)),
      .voteReply(VoteReply(term: 5, isGranted: true)), .append(heartbeat),
      .appendReply(AppendReply(.matched(12), session: session, round: 4)),
      .appendReply(AppendReply(.rejected(previous: 12, hint: position), session: session)),
      .appendReply(AppendReply(.otherLife, session: Session(boot: boot))),
      .appendReply(AppendReply(.earlierTerm, session: session)),
      .appendReply(AppendReply(.installing, session: session)),
      .snapshotReply(SnapshotReply(uid: snapshot.uid, received: 77, session: session)),
      .timeoutNow, .read(ReadRequest(id: id, boot: boot)),
      .readReply(ReadReply(id: id, boot: boot, index: 5)),
      .readReply(ReadReply(id: id, boot: boot, index: nil)),
    ]
    func envelope(_ message: Message) -> Envelope { Envelope(from: 1, to: 2, term: 5, message) }
    return plain.map { Packet(envelope($0)) } + [
      Packet(envelope(.append(request)), batches: batches),
      Packet(envelope(.snapshot(chunk)), chunk: Bytes("chunk")),
    ]
  }

  @Test func whatIsSentIsWhatIsRead() throws {
    for packet in try packets() {
      let read = try Packet(decoding: packet.encoded, group: group)
      #expect(read.envelope == packet.envelope)
      #expect(
        read.chunk == packet.chunk && read.batches.map(\.bytes) == packet.batches.map(\.bytes))
      #expect(read.encoded == packet.encoded)
    }
  }

  /// Every byte is covered by a checksum.
  @Test func nothingElseIsRead() throws {
    for packet in try packets() {
      let bytes = packet.encoded.array
      for length in 0..<bytes.count { expectRefusal(Array(bytes.prefix(length))) }
      expectRefusal(bytes + [0])
      for i in bytes.indices {
        for bit in 0..<8 as Range<UInt8> {
          var flipped = bytes
          flipped[i] ^= 1 << bit
          expectRefusal(flipped)
        }
      }
    }
  }

  private func expectRefusal(
    _ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let isRead = (try? Packet(decoding: Bytes(bytes), group: group)) != nil
    #expect(!isRead, sourceLocation: sourceLocation)
  }

  /// Checksums are right, and batches are not those of the entries.
  @Test func batchesThatAreNotTheEntriesAreRefused() throws {
    func code(_ batches: [Batch], through last: LogIndex, group: UID? = nil) -> FormatError.Code? {
      let entries = LogSlice(10...last, term: 4, bytes: 0)
      let request = AppendRequest(
        previous: position, entries: entries, commit: 8, session: session)
      let packet = Packet(Envelope(from: 1, to: 2, term: 5, .append(request)), batches: batches)
      do {
        _ = try Packet(decoding: packet.encoded, group: group ?? self.group)
        return nil
      } catch {
        return error.code
      }
    }
    let right = batch(10, [4, 4, 4])
    #expect(code([right], through: 12) == nil)
    #expect(code([right], through: 11) == nil, "a batch may end behind the entries")
    #expect(code([right], through: 13) == .inconsistent)
    #expect(code([], through: 12) == .inconsistent)
    #expect(code([batch(11, [4, 4])], through: 12) == .inconsistent)
    #expect(code([batch(7, [4, 4]), right], through: 12) == .inconsistent)
    #expect(code([right, batch(14, [4])], through: 14) == .inconsistent, "a gap")
    #expect(code([right, right], through: 12) == .inconsistent, "twice the same")
    #expect(code([right, batch(13, [3])], through: 13) == .inconsistent, "terms fall")
    #expect(code([right], through: 12, group: UID(high: 0, low: 0)) == .inconsistent)
    let broken = try Configuration([member(1)]).encoded.array.dropLast()
    var builder = BatchBuilder(group: group, firstIndex: 10)
    builder.append(Bytes(Array(broken)).span, kind: .configuration, term: 4)
    let framed = builder.finish(.none)
    let odd = try Batch(framed.body)
    #expect(code([odd], through: 10) == .truncated, "a configuration that is none")
  }
}

@Suite struct ConfigurationCodingTests {
  private func member(_ id: NodeID, _ suffrage: Suffrage, _ address: String = "") -> Member {
    Member(id: id, incarnation: UID(high: 1, low: id), address: address, suffrage: suffrage)
  }

  @Test func aConfigurationIsReadAsItWasWritten() throws {
    let joint = try Configuration(
      [
        member(1, .voter, "größe:1"), member(2, .incoming), member(9, .demoted),
        member(.max, .learner),
      ],
      joint: .automatic)
    let stable = try Configuration([member(1, .voter), member(2, .learner)])
    for configuration in [joint, stable, Configuration()] {
      let bytes = configuration.encoded
      #expect(try Configuration(decoding: bytes.span) == configuration)
      for length in 0..<bytes.count {
        #expect((try? Configuration(decoding: bytes[0..<length].span)) == nil)
      }
      #expect((try? Configuration(decoding: Bytes(bytes.array + [0]).span)) == nil)
    }
  }

  @Test func whatNoChangeLeadsToIsRefused() throws {
    let bytes = try Configuration([member(1, .voter), member(2, .learner)]).encoded.array
    func code(_ change: (inout [UInt8]) -> Void) -> FormatError.Code? {
      var changed = bytes
      change(&changed)
      do {
        _ = try Configuration(decoding: Bytes(changed).span)
        return nil
      } catch {
        return error.code
      }
    }
    #expect(code { $0[0] = 2 } == .unsupported)
    #expect(code { $0[1] = 3 } == .outOfRange)
    #expect(code { $0[3] = 0xFF } == .outOfRange)
    #expect(code { $0[4] = 2 } == .inconsistent, "two members of one id")
    #expect(code { $0[28] = 0 } == .inconsistent, "no voters")
    #expect(code { $0[28] = 2 } == .inconsistent, "incoming, and not joint")
    #expect(code { $0[28] = 9 } == .unsupported)
    #expect(code { $0[30] = 0xFF } == .outOfRange, "an address without end")
  }
}
