// CoreGroup: several cores and what is on its way between them, under the control of a script or of a
// seed.
//
// What must always hold: nothing happens by itself, and after each step the promises of Raft figure 3
// hold for the group as a whole (`CoreOracle`).

public import LogFormat
public import Raft

public final class CoreGroup {
  public private(set) var nodes: [CoreNode] = []
  public var now = Duration.zero
  /// Messages on their way, oldest first.
  public var inFlight: [CoreParcel] = []
  /// Writes, fetches, installs and applies are done at once.
  public var isPrompt = true
  public let options: RaftOptions
  private let seed: UInt64
  private(set) var oracle = CoreOracle()
  /// A number of everything that happened: the same for the same seed, on every machine.
  public private(set) var traceHash: UInt64 = 0

  /// A group of members 1 to `voters`, and of `spares` more that belong to nobody yet.
  public init(
    voters: Int, spares: Int = 0, learners: Int = 0, options: RaftOptions = RaftOptions(),
    seed: UInt64 = 1
  ) {
    self.options = options
    self.seed = seed
    var members: [Member] = []
    for id in 1...NodeID(voters) { members.append(Self.member(id)) }
    for id in NodeID(voters) + 1..<NodeID(voters + learners) + 1 {
      var member = Self.member(id)
      member.suffrage = .learner
      members.append(member)
    }
    let count = members.count
    guard let configuration = try? Configuration(members) else {
      preconditionFailure("a group that cannot be")
    }
    let base = ConfigurationEntry(index: 0, configuration: configuration)
    for member in members { add(member, base) }
    for id in NodeID(count) + 1..<NodeID(count + spares) + 1 {
      add(
        Self.member(id), ConfigurationEntry(index: 0, configuration: Configuration()))
    }
  }

  private func add(_ member: Member, _ base: ConfigurationEntry) {
    nodes.append(
      CoreNode(
        member, base: base, options: options, seed: seed &* 31 &+ member.id, at: now))
  }

  /// How a node is named in configurations.
  public static func member(_ id: NodeID) -> Member {
    Member(id: id, incarnation: UID(high: 7, low: id), address: "node-\(id)")
  }

  public func node(_ id: NodeID) -> CoreNode { nodes[Int(id) - 1] }
  public subscript(id: NodeID) -> Status { node(id).status }

  /// The node that leads the latest term that anybody leads.
  public var leader: NodeID? {
    nodes.filter { $0.isUp && $0.status.role == .leader }
      .max { $0.status.hardState.term < $1.status.hardState.term }?.id
  }

  /// What is wrong with the group; nil while nothing is.
  public var finding: String? {
    for node in nodes {
      if let finding = node.findings.first { return "node \(node.id): \(finding)" }
    }
    return oracle.finding
  }

  // MARK: Steps

  /// Something happens to a node.
  public func step(_ id: NodeID, _ event: Event) {
    send(node(id).step(event, at: now))
    settle(id)
  }

  /// The oldest message that `isMeant` is delivered.
  ///
  /// - Returns: false if there is none.
  @discardableResult
  public func deliverOne(where isMeant: (Envelope) -> Bool = { _ in true }) -> Bool {
    guard let i = inFlight.firstIndex(where: { isMeant($0.envelope) }) else { return false }
    deliver(inFlight.remove(at: i))
    return true
  }

  public func deliver(_ parcel: CoreParcel) {
    let id = parcel.envelope.to
    guard id >= 1, id <= NodeID(nodes.count) else { return }
    send(node(id).step(.received(parcel.envelope), with: parcel, at: now))
    settle(id)
  }

  /// Delivers until nothing is left of what `isMeant`; the rest stays on its way.
  public func deliver(where isMeant: (Envelope) -> Bool = { _ in true }) {
    while deliverOne(where: isMeant) {}
  }

  public func drop(where isMeant: (Envelope) -> Bool = { _ in true }) {
    inFlight.removeAll { isMeant($0.envelope) }
  }

  /// The time comes for which a node waits, for it alone.
  public func expire(_ id: NodeID) {
    guard let deadline = node(id).deadline else { return }
    now = max(now, deadline)
    step(id, .deadline)
  }

  /// Time passes, and each deadline on the way with it, in order; messages that `isMeant` arrive at once.
  public func pass(_ time: Duration, where isMeant: (Envelope) -> Bool = { _ in true }) {
    let end = now + time
    deliver(where: isMeant)
    while let next = nextDeadline, next.time <= end {
      now = max(now, next.time)
      step(next.id, .deadline)
      deliver(where: isMeant)
    }
    now = end
  }

  /// Whose deadline comes first.
  public var nextDeadline: (time: Duration, id: NodeID)? {
    var first: (time: Duration, id: NodeID)?
    for node in nodes {
      guard let deadline = node.deadline else { continue }
      if first.map({ deadline < $0.time }) ?? true { first = (deadline, node.id) }
    }
    return first
  }

  /// Sends what leaves, and looks whether all is well.
  func send(_ parcels: [CoreParcel]) { inFlight += parcels }

  /// Does what a prompt node has to do, until there is no more of it.
  private func settle(_ id: NodeID) {
    let node = node(id)
    oracle.look(at: node, in: self)
    trace(node)
    guard isPrompt else { return }
    while node.hasWrites || node.hasFetch || node.hasInstall || node.hasUnapplied {
      completeWrites(id)
      completeFetch(id)
      completeInstall(id)
      apply(id)
    }
  }

  private func trace(_ node: CoreNode) {
    let status = node.status
    let numbers = [
      UInt64(now.components.attoseconds), UInt64(now.components.seconds), node.id,
      status.hardState.term, status.hardState.vote ?? 0, status.commit, status.last.index,
      status.last.term, UInt64(inFlight.count), UInt64(node.effects.count),
    ]
    for number in numbers {
      var mixed = SplitMix64(seed: traceHash ^ number)
      traceHash = mixed.next()
    }
  }

  public func completeWrites(_ id: NodeID, _ count: Int = .max) {
    send(node(id).completeWrites(count, at: now))
    oracle.look(at: node(id), in: self)
  }

  public func completeFetch(_ id: NodeID, _ count: Int = 16) {
    send(node(id).completeFetch(count, at: now))
  }

  public func completeInstall(_ id: NodeID) {
    send(node(id).completeInstall(at: now))
    oracle.look(at: node(id), in: self)
  }

  public func failInstall(_ id: NodeID) { send(node(id).failInstall(at: now)) }

  public func apply(_ id: NodeID, _ count: Int = .max) {
    send(node(id).apply(count, at: now) { oracle.passed($0, by: id) })
  }

  public func crash(_ id: NodeID) { node(id).crash() }

  public func start(_ id: NodeID) {
    node(id).start(at: now)
    settle(id)
  }

  /// - Parameter bytes: what it takes in messages; nil for some number.
  public func takeSnapshot(_ id: NodeID, bytes: Int? = nil) {
    var random = SplitMix64(seed: UInt64(now.components.attoseconds) ^ id << 32 ^ seed)
    let bytes = bytes ?? 1 + Int(random.next() % 2000)
    send(node(id).takeSnapshot(bytes: bytes, at: now, using: &random))
    settle(id)
  }

  // MARK: Requests

  public func propose(
    _ id: NodeID, count: Int = 1, bytes: Int = 100, fence: Term? = nil
  ) -> RequestID {
    let request = node(id).newRequest()
    step(id, .propose(Proposal(id: request, count: count, bytes: bytes, fence: fence)))
    return request
  }

  public func read(_ id: NodeID) -> RequestID {
    let request = node(id).newRequest()
    oracle.began(request, at: id)
    step(id, .read(request))
    return request
  }

  public func change(_ id: NodeID, _ change: MembershipChange) -> RequestID {
    let request = node(id).newRequest()
    step(id, .changeMembers(request, change))
    return request
  }

  public func transfer(_ id: NodeID, to target: NodeID) -> RequestID {
    let request = node(id).newRequest()
    step(id, .transfer(request, to: target))
    return request
  }

  public func outcome(_ id: NodeID, _ request: RequestID) -> Outcome? {
    node(id).outcomes[request]
  }

  public func readOutcome(_ id: NodeID, _ request: RequestID) -> CoreNode.ReadOutcome? {
    node(id).reads[request]
  }
}
