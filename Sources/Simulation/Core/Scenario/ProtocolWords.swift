// ProtocolWords: events and effects in a line each, for transcripts.
//
// What must always hold: equal things have equal words, on every machine; nothing that a seed does not
// say is in them.

import LogFormat
import Raft

extension Event {
  var words: String {
    switch self {
    case .received(let envelope): "\(envelope.from) says \(envelope.words)"
    case .deadline: "time"
    case .propose(let proposal): "propose \(proposal.count) of \(proposal.bytes) bytes"
    case .durable(let write): "durable \(write)"
    case .storageFailed(let fault): "storage failed: \(fault)"
    case .applied(let index): "applied \(index)"
    case .fetched(_, let last, _): "fetched through \(last)"
    case .read: "read"
    case .changeMembers(_, let change): "change \(change.words)"
    case .transfer(_, let target): "transfer to \(target)"
    case .tookSnapshot(let info): "took a snapshot at \(info.position)"
    case .installed: "installed"
    case .installFailed: "install failed"
    case .snapshotGone: "snapshot gone"
    case .unreachable(let peer): "\(peer) unreachable"
    }
  }
}

extension Effect {
  var words: String {
    switch self {
    case .append(let write, let append):
      "\(write) append \(append.entries.words)\(append.truncates ? " instead" : "")\(append.origin.words)"
    case .save(let write, let state):
      "\(write) save term \(state.term)\(state.vote.map { " vote \($0)" } ?? "")"
    case .send(let envelope, let write):
      "to \(envelope.to): \(envelope.words)\(write.map { " (after \($0))" } ?? "")"
    case .fetch(_, let peer, let after, _): "fetch for \(peer) behind \(after)"
    case .apply(let index): "apply through \(index)"
    case .resolve(let id, let outcome): "request \(id.rawValue) \(outcome.words)"
    case .readReady(let id, let index): "request \(id.rawValue) reads at \(index)"
    case .readFailed(let id, let refusal): "request \(id.rawValue) refused: \(refusal.words)"
    case .store(let chunk): "store bytes \(chunk.offset)..<\(chunk.offset + chunk.bytes)"
    case .install(let info): "install \(info.position)"
    case .compact(let index): "compact through \(index)"
    case .role(let role, let term, let leader):
      "\(role.rawValue) in term \(term)\(leader.map { " of \($0)" } ?? "")"
    case .mark(let mark): mark == nil ? "mark lifted" : "marked"
    case .misbehaved(let peer, let what): "\(peer) misbehaved: \(what)"
    case .halt(let reason): "halt: \(reason)"
    }
  }
}

extension Append.Origin {
  fileprivate var words: String {
    switch self {
    case .proposal(let id): " request \(id.rawValue)"
    case .noop: " noop"
    case .configuration(let configuration): " members \(configuration.words)"
    case .received: ""
    }
  }
}

extension LogSlice {
  fileprivate var words: String {
    let parts = runs.enumerated().map { i, run in
      let last = i + 1 < runs.count ? runs[i + 1].firstIndex - 1 : self.last
      return run.firstIndex == last
        ? "\(last)@\(run.term)" : "\(run.firstIndex)-\(last)@\(run.term)"
    }
    return parts.joined(separator: " ")
  }
}

extension Configuration {
  /// Members as `1 2 3+ 4- 5~ 6.`: + comes, - goes, ~ becomes a learner, . is one.
  var words: String {
    let parts = members.map { member in
      switch member.suffrage {
      case .voter: "\(member.id)"
      case .incoming: "\(member.id)+"
      case .outgoing: "\(member.id)-"
      case .demoted: "\(member.id)~"
      case .learner: "\(member.id)."
      }
    }
    return parts.joined(separator: " ")
  }
}

extension MembershipChange {
  fileprivate var words: String {
    func list(_ changes: [MemberChange]) -> String {
      changes.map { change in
        switch change {
        case .voter(let member): "+\(member.id)"
        case .learner(let member): ".\(member.id)"
        case .remove(let id): "-\(id)"
        case .address(let id, _): "@\(id)"
        }
      }.joined(separator: " ")
    }
    return switch self {
    case .change(let changes): list(changes)
    case .joint(let changes, let leaving): "\(list(changes)) joint \(leaving)"
    case .leaveJoint: "leave"
    }
  }
}

extension Outcome {
  var words: String {
    switch self {
    case .done(let position): "done \(position)"
    case .refused(let refusal): "refused: \(refusal.words)"
    case .unknown: "unknown"
    }
  }
}

extension Refusal {
  var words: String {
    switch self {
    case .notLeader(let hint): "not leader\(hint.map { ", \($0) is" } ?? "")"
    case .overloaded(let waiting, let limit): "overloaded \(waiting) of \(limit)"
    case .fenced(let current): "fenced in term \(current)"
    case .transferring(let target): "transferring to \(target)"
    case .notYetEstablished: "not yet established"
    case .changePending(let index): "change pending at \(index)"
    case .invalidChange(let error): "invalid: \(error)"
    case .noSuchVoter(let id): "\(id) cannot lead"
    case .timedOut: "timed out"
    case .halted: "halted"
    case .tooLarge(let bytes, let limit): "too large, \(bytes) of \(limit)"
    case .malformed: "malformed"
    }
  }
}

extension Envelope {
  var words: String { "\(message.words) in term \(term)" }
}

extension Message {
  fileprivate var words: String {
    switch self {
    case .preVote(let request): "pre-vote for \(request.term) with \(request.last)?"
    case .preVoteReply(let reply): "pre-vote for \(reply.term) \(reply.isGranted ? "yes" : "no")"
    case .vote(let request):
      "vote for \(request.term) with \(request.last)\(request.isTransfer ? ", transfer" : "")?"
    case .voteReply(let reply): "vote for \(reply.term) \(reply.isGranted ? "yes" : "no")"
    case .append(let request):
      (request.entries.map { "entries \($0.words)" } ?? "heartbeat")
        + " behind \(request.previous) commit \(request.commit)"
        + (request.round > 0 ? " round \(request.round)" : "")
        + (request.session.boot == nil ? " to whatever life" : "")
    case .appendReply(let reply):
      reply.result.words + (reply.round > 0 ? " round \(reply.round)" : "")
    case .snapshot(let chunk):
      "snapshot \(chunk.snapshot.position) bytes \(chunk.offset)..<\(chunk.offset + chunk.bytes)"
    case .snapshotReply(let reply): "received \(reply.received)"
    case .timeoutNow: "timeout now"
    case .read: "read?"
    case .readReply(let reply): "read \(reply.index.map { "at \($0)" } ?? "not")"
    }
  }
}

extension AppendReply.Result {
  fileprivate var words: String {
    switch self {
    case .matched(let index): "matched \(index)"
    case .rejected(let previous, let hint): "rejected \(previous), try \(hint)"
    case .otherLife: "this is my life"
    case .earlierTerm: "that term is over"
    case .installing: "installing"
    }
  }
}
