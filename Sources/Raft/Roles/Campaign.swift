// Campaign: an election as its candidate sees it (Raft section 5.2), asked about or in earnest.
//
// What must always hold: an answer counts once, for the term that was asked about, and the candidate's
// own vote counts when it is durable.

import LogFormat

struct Campaign: ~Copyable {
  /// The term that is asked about.
  let term: Term
  /// When it has failed. While the candidate's own vote is on its way to the disk, never.
  var deadline: Duration?
  /// The write with the candidate's own vote; nil once it is durable, or if there is none.
  var ownVote: WriteID?
  private var answers: [(voter: NodeID, isGranted: Bool)] = []

  init(term: Term, ownVote: WriteID? = nil) {
    self.term = term
    self.ownVote = ownVote
  }

  mutating func count(_ voter: NodeID, isGranted: Bool) {
    guard !answers.contains(where: { $0.voter == voter }) else { return }
    answers.append((voter, isGranted))
  }

  func result(_ quorum: Quorum) -> VoteResult {
    quorum.result { id in answers.first { $0.voter == id }?.isGranted }
  }

  /// Asks everybody who votes, all at once.
  static func ask(
    term: Term, isTransfer: Bool = false, _ server: inout ServerState,
    _ message: (VoteRequest) -> Message
  ) {
    let configuration = server.configuration
    let quorum = configuration.quorum
    for member in configuration.members where member.id != server.id && quorum.contains(member.id) {
      let request = VoteRequest(
        term: term, last: server.log.last, voter: member.incarnation, isTransfer: isTransfer)
      server.send(message(request), to: member.id)
    }
  }
}
