// Cluster: a group of real nodes on simulated disks, clocks and links, under the control of a seed.
//
// What must always hold: one thread, no clock but its own, no randomness but the seed's; of two things
// that happen at the same time the one comes first that was said first.

import ByteBuffers
import LogFormat
import LogStorage
import Raft
import RaftLog
import StorageIO

final class Cluster {
  enum Happening {
    case deliver(Packet, from: UID)
    case wake(NodeID, Int)
    case stepDisk(NodeID, Int, NodeLane)
    case apply(NodeID, Int)
    case tell(NodeID, Int, NodeEvent)
    case start(NodeID, Int)
  }

  let plan: ClusterPlan
  let group: UID
  private(set) var members: [SimulatedMember] = []
  private(set) var time: UInt64 = 0
  private var queue = EventQueue<Happening>()
  var network = SimulatedNetwork()
  var oracle = ClusterOracle()
  var report = ClusterReport()
  var random: SplitMix64
  /// False once faults come to an end.
  var isHostile = true
  private(set) var steps = 0
  private(set) var traceHash: UInt64 = 0
  private var effects: [NodeEffect] = []
  private var proposals: [ProposalKey: UInt32] = [:]

  struct ProposalKey: Hashable {
    var node: NodeID
    var life: Int
    var request: RequestID
  }

  init(_ plan: ClusterPlan, seed: UInt64) {
    self.plan = plan
    random = SplitMix64(seed: seed)
    group = UID(using: &random)
    for i in 0..<plan.nodes + plan.spares {
      members.append(SimulatedMember(NodeID(i + 1), rate: plan.clockRates[i]))
    }
    found()
    for member in members { start(member) }
  }

  var nextTime: UInt64? { queue.nextTime }
  func member(_ id: NodeID) -> SimulatedMember { members[Int(id) - 1] }

  /// The node that leads the latest term that anybody leads.
  var leader: SimulatedMember? {
    members.filter { $0.isUp && $0.node.node.roleKind == .leader }
      .max { $0.node.node.term < $1.node.node.term }
  }

  // MARK: Beginning

  /// The first `plan.nodes` nodes know each other; spares know nobody.
  private func found() {
    var founders: [Member] = []
    for member in members {
      reopen(member)
      if member.id <= NodeID(plan.nodes) {
        founders.append(Member(id: member.id, incarnation: member.incarnation))
      }
    }
    guard let configuration = try? Configuration(founders) else {
      preconditionFailure("a group that cannot be")
    }
    for member in members.prefix(plan.nodes) {
      do {
        try NodeOpener.found(
          configuration, group: group, uid: UID(using: &random), in: member.disk)
      } catch { preconditionFailure("a group could not be formed: \(error)") }
    }
  }

  /// Opens the directory once, so that it has an incarnation.
  private func reopen(_ member: SimulatedMember) {
    do {
      member.incarnation = try NodeOpener.open(
        member.id, member.disk, group: group, options: plan.options, seed: random.next()
      ).incarnation
    } catch {
      oracle.find("node \(member.id) does not open: \(error)")
    }
  }

  func start(_ member: SimulatedMember) {
    guard !member.isUp, !member.isAway else { return }
    do {
      let opened = try NodeOpener.open(
        member.id, member.disk, group: group, options: plan.options, seed: random.next())
      member.incarnation = opened.incarnation
      member.machine = SimulatedMachine()
      if opened.snapshotIndex > 0, let state = opened.snapshot?.state {
        member.machine = try SimulatedMachine(state)
        oracle.restored(member.machine, by: member.id)
      }
      let node = opened.start(
        applied: member.machine.applied, seed: random.next(), at: member.local(time))
      member.begin(node)
      if member.node.node.mark != nil { report.reach(.marked) }
      if let loss = member.lastDurable.loss(in: member.durable) {
        oracle.find("node \(member.id): \(loss)")
      }
      report.starts += 1
      settle(member)
    } catch {
      oracle.find("node \(member.id) does not open: \(error)")
    }
  }

  func start(_ member: SimulatedMember, after delay: UInt64) {
    queue.add(.start(member.id, member.life), at: time + delay)
  }

  // MARK: Time

  /// Has the next thing happen.
  func advance() {
    guard let (at, happening) = queue.removeFirst() else { return }
    time = max(time, at)
    switch happening {
    case .deliver(let packet, let incarnation): deliver(packet, from: incarnation)
    case .start(let id, let life): if member(id).life == life { start(member(id)) }
    case .wake(let id, let number):
      let member = member(id)
      guard member.isUp, member.wakeNumber == number, !postpone(happening, for: member) else {
        return
      }
      member.wakeAt = nil
      step(member, .deadline)
    case .stepDisk(let id, let life, let lane):
      if let member = alive(id, life), !postpone(happening, for: member) { stepDisk(member, lane) }
    case .apply(let id, let life):
      if let member = alive(id, life), !postpone(happening, for: member) { apply(member) }
    case .tell(let id, let life, let event):
      if let member = alive(id, life), !postpone(happening, for: member) { step(member, event) }
    }
  }

  /// Nothing happens until `time`.
  func pass(to time: UInt64) { self.time = max(self.time, time) }

  private func alive(_ id: NodeID, _ life: Int) -> SimulatedMember? {
    let member = member(id)
    return member.isUp && member.life == life ? member : nil
  }

  /// What happens to a node that is paused happens later.
  private func postpone(_ happening: Happening, for member: SimulatedMember) -> Bool {
    guard member.pausedUntil > time else { return false }
    report.count(.pause)
    queue.add(happening, at: member.pausedUntil)
    return true
  }

  // MARK: Nodes

  func step(_ member: SimulatedMember, _ event: NodeEvent) {
    guard member.isUp else { return }
    steps += 1
    member.node.node.step(event, at: member.local(time), into: &effects)
    settle(member)
  }

  private func settle(_ member: SimulatedMember) {
    // Effects first: what they lead to at once is an event of its own, later.
    var done: [NodeEffect] = []
    swap(&done, &effects)
    oracle.look(at: member, in: self)
    lookForMarks(member)
    for effect in done { carryOut(effect, of: member) }
    mix(member, done.count)
    done.removeAll(keepingCapacity: true)
    swap(&done, &effects)
    scheduleWake(member)
  }

  private func scheduleWake(_ member: SimulatedMember) {
    guard let deadline = member.node.node.deadline else { return }
    let at = max(time + 1, member.world(deadline))
    guard at != member.wakeAt else { return }
    if member.rate != 1000 { report.count(.clockRate) }
    member.wakeAt = at
    member.wakeNumber += 1
    queue.add(.wake(member.id, member.wakeNumber), at: at)
  }

  private func mix(_ member: SimulatedMember, _ count: Int) {
    let last = member.node.node.lastPosition
    for number in [
      time, member.id, member.node.node.term, member.node.node.commitIndex, last.index, last.term,
      UInt64(count),
    ] {
      var mixed = SplitMix64(seed: traceHash ^ number)
      traceHash = mixed.next()
    }
  }

  private func later(_ member: SimulatedMember, _ event: NodeEvent, after delay: UInt64) {
    queue.add(.tell(member.id, member.life, event), at: time + delay)
  }

  private func carryOut(_ effect: NodeEffect, of member: SimulatedMember) {
    switch effect {
    case .send(let packet):
      oracle.look(leaving: packet.envelope, of: member)
      send(packet)
    case .sendChunk(let envelope, let name): sendChunk(envelope, name, member)
    case .carryOut(let lane, let job):
      member.beginJob(lane, job)
      schedule(lane, of: member)
    case .fetch(let fetch, let source, let bytesMax):
      let result: Result<[StoredBatch], LogError>
      do throws(LogError) {
        result = .success(try source.read(bytesMax: bytesMax, in: member.disk))
      } catch { result = .failure(error) }
      if !source.isInMemory { report.reach(.readForFollower) }
      later(member, .fetched(fetch, result), after: 20_000 + random.next() % 2_000_000)
    case .resolve(let id, let outcome): resolve(id, outcome, member)
    case .readReady(let id, let index):
      member.openRequests.remove(id.rawValue)
      report.reach(member.node.node.roleKind == .leader ? .readOnLeader : .readOnFollower)
      oracle.isReady(.init(node: member.id, life: member.life, read: id), at: index)
    case .readFailed(let id, _):
      member.openRequests.remove(id.rawValue)
      oracle.failed(.init(node: member.id, life: member.life, read: id))
    case .apply(let index):
      member.applyTarget = max(member.applyTarget, index)
      beginApplying(member)
    case .verify(let file, let info):
      let found = try? SnapshotFile(file, group: group, in: member.disk)
      later(member, .verified(info.uid, isSound: found?.info == info), after: 50_000)
    case .restore(let name, let uid): restore(name, uid, member)
    case .role(let role, let term, _): play(role, term, member)
    case .stranger: report.reach(.stranger)
    case .misbehaved(let peer, let what):
      oracle.find("node \(member.id) says that node \(peer) misbehaved: \(what)")
    case .halt(let reason): halted(reason, member)
    }
  }

  /// Rare things that a step may have brought about.
  private func lookForMarks(_ member: SimulatedMember) {
    if member.mayHaveForgotten, member.node.node.mark == nil { member.mayHaveForgotten = false }
    let last = member.node.node.lastPosition
    if last.index < member.lastSeen { report.reach(.truncatedSuffix) }
    member.lastSeen = last.index
    guard member.node.node.configurationIndex != member.configurationSeen else { return }
    member.configurationSeen = member.node.node.configurationIndex
    let configuration = member.node.node.status.configuration.configuration
    if configuration.joint != nil { report.reach(.jointConfiguration) }
    for other in configuration.members {
      if other.suffrage == .learner { report.reach(.learner) }
      guard configuration.isVoter(other.id), other.incarnation == self.member(other.id).incarnation
      else { continue }
      if other.id > NodeID(plan.nodes) { report.reach(.spareJoined) }
      if self.member(other.id).wiped != nil { report.reach(.wipedJoined) }
    }
    if member.node.node.roleKind == .leader, !configuration.isVoter(member.id) {
      report.reach(.leaderRemoved)
    }
  }

  private func play(_ role: RoleKind, _ term: Term, _ member: SimulatedMember) {
    switch role {
    case .leader:
      report.elections += 1
      oracle.began(term, leader: member.id, member.node.node.terms)
    case .halted: member.isHalted = true
    default: break
    }
  }

  private func halted(_ reason: HaltReason, _ member: SimulatedMember) {
    guard case .storage(let fault) = reason else {
      return oracle.find("node \(member.id) halted: \(reason)")
    }
    guard !member.disk.faults.isEmpty else {
      return oracle.find("node \(member.id) halted, and its disk is well: \(fault)")
    }
    report.count(
      member.disk.faults.contains { if case .syncLies = $0 { true } else { false } }
        ? .failedSync : .failedWrite)
  }

  // MARK: Disk

  private func schedule(_ lane: NodeLane, of member: SimulatedMember) {
    var delay: UInt64
    switch member.lanes.next(lane) {
    case .sync?, .syncDirectory?: delay = 100_000 + random.next() % 1_500_000
    default: delay = 5000 + random.next() % 30_000
    }
    if isHostile, member.slowUntil > time {
      delay *= 100
      report.count(.slowDisk)
    }
    queue.add(.stepDisk(member.id, member.life, lane), at: time + delay)
  }

  private func stepDisk(_ member: SimulatedMember, _ lane: NodeLane) {
    if let (job, error) = member.stepDisk(lane) {
      step(member, .finished(job, error))
    } else if member.lanes.isBusy(lane) {
      schedule(lane, of: member)
    }
  }

  // MARK: State machine

  private func beginApplying(_ member: SimulatedMember) {
    guard !member.isApplying, member.applyTarget > member.machine.applied else { return }
    member.isApplying = true
    queue.add(.apply(member.id, member.life), at: time + 10_000 + random.next() % 1_000_000)
  }

  private func apply(_ member: SimulatedMember) {
    member.isApplying = false
    let first = member.machine.applied + 1
    guard first <= member.applyTarget else { return }
    // Without a source a snapshot is taking their place.
    guard
      let source = member.node.node.entries(
        from: first, through: member.applyTarget, bytesMax: 64 << 10)
    else { return }
    if !source.isInMemory { report.reach(.appliedFromDisk) }
    do {
      try apply(try source.read(bytesMax: 64 << 10, in: member.disk), to: member)
    } catch {
      return oracle.find("node \(member.id) cannot read entry \(first) to apply it: \(error)")
    }
    step(member, .applied(member.machine.applied))
    beginApplying(member)
  }

  private func apply(_ batches: [StoredBatch], to member: SimulatedMember) throws {
    for stored in batches {
      let indices = stored.indices
      for entry in try stored.batch.entries(in: indices)
      where entry.index == member.machine.applied + 1 && entry.index <= member.applyTarget {
        member.machine.apply(entry)
        oracle.applied(entry, member.machine, by: member.id)
      }
    }
  }

  private func restore(_ name: SnapshotName, _ uid: UID, _ member: SimulatedMember) {
    do {
      let file = try SnapshotFile(name.description, group: group, in: member.disk)
      member.machine = try SimulatedMachine(file.state)
      member.applyTarget = max(member.applyTarget, member.machine.applied)
      oracle.restored(member.machine, by: member.id)
      report.reach(.snapshotInstalled)
      later(member, .restored(uid), after: 100_000)
    } catch {
      oracle.find("node \(member.id) cannot restore \(name): \(error)")
    }
  }

  private func sendChunk(_ envelope: Envelope, _ name: SnapshotName, _ member: SimulatedMember) {
    guard case .snapshot(let chunk) = envelope.message else { return }
    oracle.look(leaving: envelope, of: member)
    do {
      let file = try member.disk.open(name.description, .read)
      let bytes = try file.read(chunk.bytes, at: chunk.offset)
      if bytes.count == chunk.bytes { return send(Packet(envelope, chunk: bytes)) }
    } catch {
      // Told below.
    }
    report.reach(.snapshotGone)
    later(member, .snapshotGone(chunk.snapshot.uid), after: 1000)
  }

  // MARK: Network

  private func send(_ packet: Packet) {
    let (from, to) = (packet.envelope.from, packet.envelope.to)
    guard to >= 1, to <= NodeID(members.count) else { return }
    if isHostile {
      if random.next() % 1000 < plan.losses { return report.count(.loss) }
      if random.next() % 1000 < plan.corruptions { return corrupt(packet) }
    }
    let copies = isHostile && random.next() % 1000 < plan.duplicates ? 2 : 1
    if copies == 2 { report.count(.duplication) }
    for _ in 0..<copies {
      var at = time + 50_000 + random.next() % (plan.delayMax * 1000)
      if let until = network.clogged(from, to), until > at {
        at = until
        report.count(.clog)
      }
      if network.sent(from, to, arriving: at) { report.count(.reordering) }
      queue.add(.deliver(packet, from: member(from).incarnation), at: at)
    }
  }

  /// A damaged message is refused by whoever decodes it, and is lost.
  private func corrupt(_ packet: Packet) {
    var bytes = packet.encoded.array
    bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 << (random.next() % 8))
    if (try? Packet(decoding: Bytes(bytes), group: group)) != nil {
      oracle.find("a message with a flipped bit was taken for whole: \(packet.envelope)")
    }
    report.count(.corruption)
  }

  private func deliver(_ packet: Packet, from incarnation: UID) {
    let member = member(packet.envelope.to)
    if network.isCut(packet.envelope.from, packet.envelope.to) { return report.count(.partition) }
    guard member.isUp, !postpone(.deliver(packet, from: incarnation), for: member) else { return }
    // What arrives is bytes.
    guard steps % 4 == 0 else { return step(member, .received(packet, from: incarnation)) }
    do throws(FormatError) {
      let decoded = try Packet(decoding: packet.encoded, group: group)
      step(member, .received(decoded, from: incarnation))
    } catch {
      oracle.find("a message does not decode: \(error.message); \(packet.envelope)")
    }
  }

  // MARK: Requests

  private func resolve(_ id: RequestID, _ outcome: Outcome, _ member: SimulatedMember) {
    guard member.openRequests.remove(id.rawValue) != nil else {
      return oracle.find("request \(id.rawValue) of node \(member.id) was answered twice")
    }
    let key = ProposalKey(node: member.id, life: member.life, request: id)
    let payload = proposals.removeValue(forKey: key)
    switch outcome {
    case .done(let position):
      if let payload { oracle.acknowledged(payload, at: position.index) }
      if payload == nil { report.changes += 1 }
    case .unknown: report.reach(.unknownOutcome)
    case .refused(.overloaded): report.reach(.overloaded)
    case .refused: break
    }
  }

  func propose(to member: SimulatedMember, bytes: Int) {
    guard member.isUp, !member.isHalted else { return }
    var writer = ByteWriter(capacity: bytes)
    for _ in 0..<(bytes + 7) / 8 { writer.u64(random.next()) }
    let payload = writer.finish()
    let id = member.newRequest()
    let key = ProposalKey(node: member.id, life: member.life, request: id)
    proposals[key] = CRC32C.checksum(payload.span)
    step(member, .propose(id, [payload], fence: nil))
  }

  func read(from member: SimulatedMember) {
    guard member.isUp, !member.isHalted else { return }
    let id = member.newRequest()
    oracle.began(.init(node: member.id, life: member.life, read: id))
    step(member, .read(id))
  }

  func change(_ change: MembershipChange, by member: SimulatedMember) {
    guard member.isUp, !member.isHalted else { return }
    step(member, .changeMembers(member.newRequest(), change))
  }

  func transfer(to id: NodeID, from member: SimulatedMember) {
    guard member.isUp, !member.isHalted else { return }
    step(member, .transfer(member.newRequest(), to: id))
  }

  func takeSnapshot(of member: SimulatedMember, padding: Int) {
    guard member.isUp, !member.isHalted, member.machine.applied > 0 else { return }
    if latest?.configuration.joint != nil { report.reach(.snapshotDuringJoint) }
    let state = member.machine.state(padding: padding)
    step(member, .captured(member.machine.applied, state))
  }

  // MARK: Crashes

  /// The process is killed; what it wrote stays in the cache.
  func kill(_ member: SimulatedMember) {
    guard member.isUp else { return }
    if member.lanes.isWriting { report.count(.crash) }
    oracle.stopped(member.id)
    member.stop()
    member.disk.faults = []
  }

  /// The power fails: what was not synced is there or not.
  /// Of one node at a time sectors may hold what nobody wrote: it may have forgotten something.
  func cutPower(_ member: SimulatedMember, weakDirectory: Bool, withGarbage: Bool) {
    oracle.stopped(member.id)
    if member.isUp { member.stop() }
    let images = CrashImages(
      state: member.disk.state, directory: weakDirectory ? .weak : .ordered,
      garbage: withGarbage && members.allSatisfy { !$0.mayHaveForgotten }, exhaustiveMax: 3)
    let image = images.draw(using: &random)
    report.count(.powerCut, sectorsLost(member.disk.state, image))
    if image.hasGarbage {
      report.count(.garbage)
      member.mayHaveForgotten = true
    }
    member.disk = SimulatedDisk(image.state)
  }

  /// Sectors that read differently now.
  private func sectorsLost(_ state: DiskState, _ image: DiskImage) -> Int {
    var lost = 0
    for file in image.files {
      guard let inode = state.entries[file.name] else { continue }
      for sector in state.inodes[inode].dirty {
        let (old, new) = (state.inodes[inode].content, file.content)
        let (a, b) = (DiskState.range(sector, old.count), DiskState.range(sector, new.count))
        if old[a] != new[b] { lost += 1 }
      }
    }
    return lost
  }

  func wipe(_ member: SimulatedMember) {
    report.count(.wipe, Int(member.durable.durable))
    oracle.stopped(member.id)
    member.wipe()
  }
}
