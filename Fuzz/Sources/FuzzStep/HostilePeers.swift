// HostilePeers: one core whose peers say anything, in any order.
//
//   a record: byte 0, what; byte 1, from whom; byte 2, in which term; the rest are its fields: small
//   numbers, so that they meet what the core has

import FuzzSupport
import LogFormat
import Raft
import Simulation

final class HostilePeers {
  private let group: CoreGroup
  private let id: NodeID = 1

  init(seed: UInt64) {
    var options = RaftOptions()
    options.preVote = seed & 1 == 0
    options.checkQuorum = seed & 2 == 0
    options.entriesKept = seed & 4 == 0 ? 0 : 10_000
    options.tailBytesMax = seed & 8 == 0 ? 1 : 1 << 20
    group = CoreGroup(voters: seed & 16 == 0 ? 3 : 1, spares: 4, options: options, seed: seed)
    group.isPrompt = false
  }

  func run(_ records: [ArraySlice<UInt8>]) {
    for record in records {
      perform(Array(record))
      // What the core says goes nowhere.
      group.drop()
      check()
    }
  }

  private func check() {
    for finding in group.node(id).findings {
      switch finding {
      case .misbehaved: continue
      case .halted(.invariant(let rule)): found("a broken rule: \(rule)")
      case .halted: continue
      case .broken(let what): found(what)
      }
    }
  }

  private func perform(_ b: [UInt8]) {
    switch b[0] % 32 {
    case 0..<18: hear(b)
    case 18, 19: group.completeWrites(id, 1 + Int(b[3] % 4))
    case 20: group.apply(id, 1 + Int(b[3] % 8))
    case 21: group.expire(id)
    case 22: _ = group.propose(id, count: 1 + Int(b[3] % 3), bytes: Int(b[4]))
    case 23: _ = group.read(id)
    case 24: _ = group.change(id, change(b))
    case 25: _ = group.transfer(id, to: peer(b[3]))
    case 26: group.takeSnapshot(id)
    case 27: group.completeInstall(id)
    case 28: group.completeFetch(id, 1 + Int(b[3] % 8))
    case 29:
      if group.node(id).isUp { group.crash(id) } else { group.start(id) }
    case 30 where b[3] == 77: group.step(id, .storageFailed("no more"))
    case 30:
      group.step(id, b[3] & 1 == 0 ? .unreachable(peer(b[4])) : .snapshotGone(uid(b[4])))
    default: group.failInstall(id)
    }
  }

  // MARK: What peers say

  private func hear(_ b: [UInt8]) {
    let from: NodeID = b[1] == 255 ? 0 : 1 + NodeID(b[1] % 6)
    let term: Term = b[2] == 255 ? .max : Term(b[2] % 8)
    let envelope = Envelope(from: from, to: id, term: term, message(b, term))
    var parcel = CoreParcel(scripted: envelope)
    if case .snapshot(let chunk) = envelope.message {
      // Two snapshots of one position hold the same.
      let position = chunk.snapshot.position
      parcel.state = CoreState(applied: position.index, chain: position.term)
    }
    group.deliver(parcel)
  }

  private func message(_ b: [UInt8], _ term: Term) -> Message {
    switch b[0] % 32 {
    case 0: .preVote(vote(b, term &+ (b[9] == 9 ? 2 : 1)))
    case 1: .vote(vote(b, b[9] == 9 ? term &+ 1 : term))
    case 2: .preVoteReply(VoteReply(term: Term(b[3] % 8), isGranted: b[4] & 1 == 0))
    case 3: .voteReply(VoteReply(term: Term(b[3] % 8), isGranted: b[4] & 1 == 0))
    case 4...8: .append(append(b))
    case 9, 10: .appendReply(AppendReply(result(b), session: session(b), round: UInt64(b[8] % 6)))
    case 11, 12:
      .snapshot(
        SnapshotChunk(
          snapshot: snapshot(b), offset: number(b[8]), bytes: number(b[9]), session: session(b),
          contact: LogIndex(b[7] % 16)))
    case 13:
      .snapshotReply(SnapshotReply(uid: uid(b[3]), received: number(b[8]), session: session(b)))
    case 14: .timeoutNow
    case 15: .read(ReadRequest(id: RequestID(rawValue: UInt64(b[3])), boot: boot(b[10])))
    default:
      .readReply(
        ReadReply(
          id: RequestID(rawValue: UInt64(b[3] % 8)), boot: boot(b[10]),
          index: b[4] == 0 ? nil : LogIndex(b[4])))
    }
  }

  private func number(_ byte: UInt8) -> Int {
    switch byte {
    case 255: .max
    case 254: -1
    default: Int(byte % 4)
    }
  }

  private func position(_ term: UInt8, _ index: UInt8) -> LogPosition {
    LogPosition(term: Term(term % 8), index: index == 255 ? .max : LogIndex(index % 16))
  }

  private func boot(_ byte: UInt8) -> Boot {
    byte < 200 ? group.node(id).boot : Boot(counter: UInt64(byte % 4), random: UInt64(byte % 3))
  }

  private func session(_ b: [UInt8]) -> Session {
    Session(
      addedAt: b[11] < 200 ? 0 : LogIndex(b[11] % 8), boot: b[10] == 255 ? nil : boot(b[10]))
  }

  private func vote(_ b: [UInt8], _ term: Term) -> VoteRequest {
    VoteRequest(
      term: term, last: position(b[3], b[4]),
      voter: CoreGroup.member(b[5] < 250 ? id : 2).incarnation, isTransfer: b[6] & 1 == 0)
  }

  private func append(_ b: [UInt8]) -> AppendRequest {
    let previous = position(b[3], b[4])
    return AppendRequest(
      previous: previous, entries: entries(behind: previous, b), commit: LogIndex(b[7] % 20),
      session: session(b), contact: LogIndex(b[9] % 16),
      acknowledged: b[9] < 240 ? nil : position(b[9], b[8]), round: UInt64(b[8]))
  }

  private func entries(behind previous: LogPosition, _ b: [UInt8]) -> LogSlice? {
    let count = LogIndex(b[5] % 5)
    guard count > 0, previous.index < .max - 8 else { return nil }
    var runs = [TermRun(firstIndex: previous.index + 1, term: Term(b[6] % 8))]
    for i in 1..<max(count, 2) where i < count && b[6] >> i & 1 == 1 {
      runs.append(TermRun(firstIndex: previous.index + 1 + i, term: runs.last!.term + 1))
    }
    let first = previous.index + (b[5] == 255 ? 2 : 1)
    let last = previous.index + count
    guard first <= last else { return nil }
    var configurations: [ConfigurationEntry] = []
    if b[7] >= 200, let configuration = configuration(b[8]) {
      configurations = [ConfigurationEntry(index: last, configuration: configuration)]
    }
    return LogSlice(first...last, runs: runs, bytes: Int(b[9]), configurations: configurations)
  }

  private func result(_ b: [UInt8]) -> AppendReply.Result {
    switch b[3] % 4 {
    case 0, 1: .matched(b[4] == 255 ? .max : LogIndex(b[4] % 20))
    case 2: .rejected(previous: LogIndex(b[4] % 20), hint: position(b[5], b[6]))
    default: [.otherLife, .earlierTerm, .installing][Int(b[4] % 3)]
    }
  }

  // MARK: Snapshots and members

  private func uid(_ byte: UInt8) -> UID { UID(high: 9, low: UInt64(byte % 4)) }

  /// Some of members 1 to 4.
  private func configuration(_ byte: UInt8) -> Configuration? {
    let ids = (1...4 as ClosedRange<NodeID>).filter { byte >> ($0 - 1) & 1 == 1 }
    return try? Configuration(ids.map { CoreGroup.member($0) })
  }

  private func snapshot(_ b: [UInt8]) -> SnapshotInfo {
    let position = position(b[4], b[5])
    let configuration =
      (try? Configuration([CoreGroup.member(1), CoreGroup.member(2)])) ?? Configuration()
    return SnapshotInfo(
      position: position,
      configuration: ConfigurationEntry(
        index: LogIndex(b[6] % 8), configuration: configuration),
      uid: uid(b[3]), bytes: 1 + Int(b[6] % 4))
  }

  private func peer(_ byte: UInt8) -> NodeID { 1 + NodeID(byte % 6) }

  private func change(_ b: [UInt8]) -> MembershipChange {
    func one(_ what: UInt8, _ who: UInt8) -> MemberChange {
      switch what % 4 {
      case 0: .remove(peer(who))
      case 1: .learner(CoreGroup.member(peer(who)))
      default: .voter(CoreGroup.member(peer(who)))
      }
    }
    return switch b[3] % 5 {
    case 0: .leaveJoint
    case 1: .joint([one(b[4], b[5]), one(b[6], b[7])], .explicit)
    default: .change([one(b[4], b[5])])
    }
  }
}
