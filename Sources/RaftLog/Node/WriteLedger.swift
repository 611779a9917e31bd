// WriteLedger: which request of the engine each write of the core became, and what waits for it.
//
// What must always hold: writes end in the order in which they began; nothing leaves before the write
// that it waits for.

import LogStorage
import Raft

struct WriteLedger {
  private var writes: [(id: WriteID, ticket: Ticket)] = []
  private var head = 0
  private var held: [(after: WriteID, effect: NodeEffect)] = []
  /// Every write up to here is durable.
  private var durable = WriteID(rawValue: 0)

  mutating func begin(_ id: WriteID, _ ticket: Ticket) { writes.append((id, ticket)) }

  /// Keeps an effect back until `write` is durable; false if it is.
  mutating func hold(_ effect: NodeEffect, after write: WriteID) -> Bool {
    guard write > durable else { return false }
    held.append((write, effect))
    return true
  }

  /// Ends the writes up to a ticket.
  ///
  /// - Returns: the last write that ended; nil if none did.
  mutating func finish(through ticket: Ticket) -> WriteID? {
    var last: WriteID?
    while head < writes.count, writes[head].ticket <= ticket {
      last = writes[head].id
      head += 1
    }
    if head == writes.count {
      writes.removeAll(keepingCapacity: true)
      head = 0
    }
    if let last { durable = last }
    return last
  }

  /// What waited for writes that are durable now, in order.
  mutating func release() -> [NodeEffect] {
    var released: [NodeEffect] = []
    held.removeAll { after, effect in
      guard after <= durable else { return false }
      released.append(effect)
      return true
    }
    return released
  }

  /// What waits will wait for ever.
  mutating func giveUp() { held = [] }
}
