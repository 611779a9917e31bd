// What the tests of the protocol share: ways to bring a group where a test begins.

import LogFormat
import Raft
import Simulation
import Testing

extension CoreGroup {
  /// A group whose nodes have scripted logs, one list of terms each.
  convenience init(
    logs: [[Term]], terms: [Term]? = nil, learners: Int = 0, options: RaftOptions = RaftOptions()
  ) {
    self.init(voters: logs.count - learners, learners: learners, options: options)
    for (i, log) in logs.enumerated() {
      let id = NodeID(i) + 1
      crash(id)
      node(id).rewrite(
        terms: log, hardState: HardState(term: max(terms?[i] ?? 0, log.last ?? 0)))
      start(id)
    }
  }

  /// Lets a node's time come, and everything be delivered: it has to win.
  func elect(_ id: NodeID, sourceLocation: SourceLocation = #_sourceLocation) throws {
    expire(id)
    deliver()
    try #require(self[id].role == .leader, "not elected", sourceLocation: sourceLocation)
    try #require(finding == nil, sourceLocation: sourceLocation)
  }

  /// Something says this to a node.
  func say(
    _ message: Message, from: NodeID, to: NodeID, term: Term
  ) {
    deliver(CoreParcel(scripted: Envelope(from: from, to: to, term: term, message)))
  }

  /// What a node is about to say to another one.
  func said(from: NodeID, to: NodeID? = nil) -> [Envelope] {
    inFlight.map(\.envelope).filter { $0.from == from && (to ?? $0.to) == $0.to }
  }

  /// An AppendEntries to this life of a node, of entries of the terms that are given.
  func append(
    to id: NodeID, after previous: LogPosition = LogPosition(), terms: [Term] = [],
    commit: LogIndex = 0
  ) -> Message {
    var entries: LogSlice?
    if !terms.isEmpty {
      var runs: [TermRun] = []
      for (i, term) in terms.enumerated() where runs.last?.term != term {
        runs.append(TermRun(firstIndex: previous.index + 1 + LogIndex(i), term: term))
      }
      let indices = (previous.index + 1)...(previous.index + LogIndex(terms.count))
      entries = LogSlice(indices, runs: runs, bytes: 100 * terms.count)
    }
    return .append(
      AppendRequest(
        previous: previous, entries: entries, commit: commit,
        session: Session(boot: node(id).boot)))
  }

  /// A vote request that names the node as the group knows it.
  func vote(
    of id: NodeID, term: Term, last: LogPosition, isTransfer: Bool = false
  ) -> VoteRequest {
    VoteRequest(
      term: term, last: last, voter: Self.member(id).incarnation, isTransfer: isTransfer)
  }
}

extension Envelope {
  var vote: VoteRequest? { if case .vote(let request) = message { request } else { nil } }
  var preVote: VoteRequest? { if case .preVote(let request) = message { request } else { nil } }
  var voteReply: VoteReply? { if case .voteReply(let reply) = message { reply } else { nil } }
  var preVoteReply: VoteReply? { if case .preVoteReply(let reply) = message { reply } else { nil } }
  var append: AppendRequest? { if case .append(let request) = message { request } else { nil } }
  var appendReply: AppendReply? { if case .appendReply(let reply) = message { reply } else { nil } }
  var isTimeoutNow: Bool { message == .timeoutNow }

  var matched: LogIndex? {
    if case .matched(let index)? = appendReply?.result { index } else { nil }
  }
  var rejectedPrevious: LogIndex? {
    if case .rejected(let previous, _)? = appendReply?.result { previous } else { nil }
  }
}
