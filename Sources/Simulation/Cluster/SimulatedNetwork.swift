// SimulatedNetwork: which links are cut or clogged, in each direction by itself.

import LogFormat

struct SimulatedNetwork {
  struct Link: Hashable {
    var from: NodeID
    var to: NodeID
  }

  private var cut: Set<Link> = []
  private var clogs: [Link: UInt64] = [:]
  /// When the last message of a link arrives.
  private var arrivals: [Link: UInt64] = [:]

  func isCut(_ from: NodeID, _ to: NodeID) -> Bool {
    !cut.isEmpty && cut.contains(Link(from: from, to: to))
  }

  mutating func cut(_ from: NodeID, _ to: NodeID) { cut.insert(Link(from: from, to: to)) }

  /// Until when nothing arrives on a link.
  func clogged(_ from: NodeID, _ to: NodeID) -> UInt64? {
    clogs.isEmpty ? nil : clogs[Link(from: from, to: to)]
  }

  mutating func clog(_ from: NodeID, _ to: NodeID, until time: UInt64) {
    clogs[Link(from: from, to: to)] = time
  }

  mutating func heal() {
    cut = []
    clogs = [:]
  }

  /// Notes a message that is on its way.
  ///
  /// - Returns: true if it overtakes another one.
  mutating func sent(_ from: NodeID, _ to: NodeID, arriving time: UInt64) -> Bool {
    let link = Link(from: from, to: to)
    let last = arrivals[link] ?? 0
    arrivals[link] = max(last, time)
    return time < last
  }
}
