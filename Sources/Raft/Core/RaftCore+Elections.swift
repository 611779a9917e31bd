// Elections: who leads (Raft section 5.2 and 5.4.1; pre-vote, dissertation 9.6).
//
// What must always hold: a pre-vote changes neither term nor vote of anybody; no vote is counted, and
// none is given, before it is durable; a candidate that lacks what this node has gets no vote.

import LogFormat

extension RaftCore {
  // MARK: Campaigning

  /// Time has come: asks for votes, if this node may.
  mutating func campaignIfPossible() {
    guard server.mayCampaign, !server.isInstalling else {
      becomeFollower(server.term)
      restartTimer()
      return
    }
    if server.options.preVote { preCampaign() } else { campaign(isTransfer: false) }
  }

  private mutating func preCampaign() {
    var campaign = Campaign(term: server.term + 1)
    campaign.deadline = server.now + server.electionTimeout()
    begin(.preCandidate(campaign))
    Campaign.ask(term: server.term + 1, &server) { .preVote($0) }
    count(server.id, isGranted: true)
  }

  mutating func campaign(isTransfer: Bool) {
    server.advance(to: server.term + 1)
    server.vote(for: server.id)
    begin(.candidate(Campaign(term: server.term, ownVote: server.hardStateWrite())))
    Campaign.ask(term: server.term, isTransfer: isTransfer, &server) { .vote($0) }
  }

  /// The candidate's own vote counts once it is durable, and only then does the election take time: a
  /// slow disk is no reason to begin the next one.
  mutating func countOwnVote(_ write: WriteID) {
    var isDurable = false
    _ = role.campaign { campaign in
      guard let own = campaign.ownVote, own <= write else { return nil }
      campaign.ownVote = nil
      campaign.deadline = server.now + server.electionTimeout()
      isDurable = true
      return nil
    }
    if isDurable { count(server.id, isGranted: true) }
  }

  /// Counts an answer, and goes on as the votes say.
  private mutating func count(_ voter: NodeID, isGranted: Bool) {
    let quorum = server.configuration.quorum
    let result = role.campaign { campaign in
      campaign.count(voter, isGranted: isGranted)
      return campaign.result(quorum)
    }
    switch result {
    case .won: if isReal { win() } else { campaign(isTransfer: false) }
    case .lost: lose()
    case .pending, nil: break
    }
  }

  /// True if votes are asked for in earnest.
  private var isReal: Bool { role.kind == .candidate }

  private mutating func lose() {
    if isReal { server.failedElections += 1 }
    becomeFollower(server.term)
  }

  private mutating func win() {
    server.failedElections = 0
    server.effects.append(.role(.leader, server.term, leader: server.id))
    role = .leader(Leader(&server))
  }

  /// Nobody was elected in time: asks again.
  mutating func passCampaignTime() {
    guard let deadline = role.deadline, server.now >= deadline else { return }
    if isReal { server.failedElections += 1 }
    campaignIfPossible()
  }

  /// The leader wants this node to take over (dissertation 3.10). Only the one that it follows can.
  mutating func timeoutNow(from leader: NodeID) {
    guard role.leader == leader, server.mayCampaign,
      !server.isInstalling
    else { return }
    campaign(isTransfer: true)
  }

  // MARK: Voting

  /// True while a leader is there, whom no election shall disturb (dissertation 4.2.3).
  var holdsToLeader: Bool {
    switch role {
    case .follower(let follower): follower.holdsToLeader(server)
    case .leader: server.options.checkQuorum
    default: false
    }
  }

  /// True if a candidate has all that this node has, or may have had, and means this directory.
  ///
  /// A node that is no voter by its own log votes too: the log may not have got that far (section 6).
  private func isWorthy(_ request: VoteRequest) -> Bool {
    guard request.voter == server.incarnation, request.last >= server.log.last else { return false }
    guard let mark = server.mark else { return true }
    return mark.mayHaveHeld.map { request.last >= $0 } ?? false
  }

  mutating func answer(preVote request: VoteRequest, from candidate: NodeID) {
    let isGranted =
      request.term > server.term && !holdsToLeader && isWorthy(request)
    server.send(
      .preVoteReply(VoteReply(term: request.term, isGranted: isGranted)), to: candidate)
  }

  /// The request's term is this node's, or an earlier one.
  mutating func answer(vote request: VoteRequest, from candidate: NodeID) {
    let isGranted = grants(request, to: candidate)
    if isGranted {
      if role.kind == .preCandidate { becomeFollower(server.term) }
      server.vote(for: candidate)
      // Whoever got a vote gets the time to win; whoever did not changes nothing (section 5.2).
      restartTimer()
    }
    server.send(.voteReply(VoteReply(term: request.term, isGranted: isGranted)), to: candidate)
  }

  private mutating func restartTimer() {
    follow { follower, server in
      follower.restartTimer(&server)
      return nil
    }
  }

  private func grants(_ request: VoteRequest, to candidate: NodeID) -> Bool {
    guard request.term == server.term, role.kind == .follower || role.kind == .preCandidate else {
      return false
    }
    guard role.leader == nil || role.leader == candidate else { return false }
    guard server.hardState.vote == nil || server.hardState.vote == candidate else { return false }
    return isWorthy(request)
  }

  mutating func count(_ reply: VoteReply, from voter: NodeID, isReal: Bool) {
    guard isReal == self.isReal, role.campaignTerm == reply.term else { return }
    count(voter, isGranted: reply.isGranted)
  }
}
