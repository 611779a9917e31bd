// Transfer: leadership handed to another voter (dissertation 3.10).
//
// What must always hold: nothing is proposed while it is under way; it ends within an election timeout,
// and with the leadership.

import LogFormat

struct Transfer {
  let id: RequestID
  let target: NodeID
  let deadline: Duration
  var isAsked = false
}

extension Leader {
  mutating func transfer(_ id: RequestID, to target: NodeID, _ server: inout ServerState) {
    if let transfer {
      server.resolve(id, .refused(.transferring(to: transfer.target)))
      return
    }
    guard target != server.id, configuration.configuration[target]?.suffrage.isIncoming ?? false
    else {
      server.resolve(id, .refused(.noSuchVoter(target)))
      return
    }
    transfer = Transfer(
      id: id, target: target, deadline: server.now + server.options.electionTimeout)
    continueTransfer(&server)
  }

  /// Asks the target to campaign as soon as it has everything.
  mutating func continueTransfer(_ server: inout ServerState) {
    guard let transfer, !transfer.isAsked, let progress = progress(of: transfer.target),
      progress.match == server.log.last.index
    else { return }
    self.transfer?.isAsked = true
    server.send(.timeoutNow, to: transfer.target)
  }

  /// The target did not take over in time: this node goes on.
  mutating func abandonTransfer(_ server: inout ServerState, _ refusal: Refusal = .timedOut) {
    guard let transfer = transfer.take() else { return }
    server.resolve(transfer.id, .refused(refusal))
  }
}
