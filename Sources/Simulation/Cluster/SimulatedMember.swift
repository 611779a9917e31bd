// SimulatedMember: a node of a simulated group: the real node on a simulated disk, with a clock of its own.
//
// What must always hold: what a crash takes is the process, or the process and what was not synced, and
// nothing else; a life of the process has a number, and nothing of an earlier one reaches it.

import ByteBuffers
import LogFormat
import LogStorage
import Raft
import RaftLog
import StorageIO

final class SimulatedMember {
  let id: NodeID
  var incarnation = UID(high: 0, low: 0)
  var disk = SimulatedDisk()
  var machine = SimulatedMachine()
  private(set) var lanes = MemberLanes()
  private var box: NodeBox?
  /// Counts the lives of the process.
  private(set) var life = 0
  /// What it had on its disk when it was last seen.
  private(set) var lastDurable = DurableLog()
  /// What was on a disk that was wiped: it counted when it was counted.
  private(set) var wiped: DurableLog?
  var isHalted = false
  /// True from a crash that left garbage until its node knows that it lacks nothing.
  var mayHaveForgotten = false
  /// True once it never comes back.
  var isAway = false
  var pausedUntil: UInt64 = 0
  var slowUntil: UInt64 = 0
  /// The time that its next wake-up is set to.
  var wakeAt: UInt64?
  var wakeNumber = 0
  var applyTarget: LogIndex = 0
  var isApplying = false
  /// Its last entry, and the entry of its configuration, when it was last looked at.
  var lastSeen: LogIndex = 0
  var configurationSeen: LogIndex = 0
  private var lastRequest: UInt64 = 0
  var openRequests: Set<UInt64> = []
  // Its clock.
  let rate: UInt64
  private var offset: UInt64 = 0

  struct DurableLog {
    var terms = TermTable(firstIndex: 1, previousTerm: 0)
    var durable: LogIndex = 0
    var hardState = HardState()

    /// What is wrong with `other`, which a crash left of this; nil if nothing is.
    func loss(in other: DurableLog) -> String? {
      let (before, after) = (hardState, other.hardState)
      if after.term < before.term
        || (after.term == before.term && before.vote != nil && after != before)
      {
        return "\(before) was durable, and it comes back with \(after)"
      }
      // A snapshot that had arrived may take the place of a log that contradicts it.
      let start = other.terms.firstIndex - 1
      if let term = terms.term(at: start), term != other.terms.previousTerm { return nil }
      if other.durable < durable {
        return "entry \(durable) was durable, and it comes back with \(other.durable)"
      }
      if durable > start, let term = terms.term(at: durable), other.terms.term(at: durable) != term
      {
        return "entry \(durable) was durable in term \(term), and it comes back with another"
      }
      return nil
    }

    func holds(_ index: LogIndex, of term: Term) -> Bool {
      index < terms.firstIndex || (index <= durable && terms.term(at: index) == term)
    }
  }

  init(_ id: NodeID, rate: UInt64) {
    self.id = id
    self.rate = rate
  }

  var isUp: Bool { box != nil }
  /// The node; there must be one.
  var node: NodeBox { box! }

  var status: Status { node.node.status }

  // MARK: Time

  func local(_ time: UInt64) -> Duration { .nanoseconds(Int64(offset + time * rate / 1000)) }

  /// The time of the world at which its clock shows `deadline`.
  func world(_ deadline: Duration) -> UInt64 {
    let (seconds, attoseconds) = deadline.components
    let local = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds) / 1_000_000_000
    return local <= offset ? 0 : ((local - offset) * 1000 + rate - 1) / rate + 1
  }

  func jump(_ time: UInt64) { offset += time }

  // MARK: Life

  func newRequest() -> RequestID {
    lastRequest += 1
    openRequests.insert(lastRequest)
    return RequestID(rawValue: lastRequest)
  }

  /// What it has on its disk now.
  var durable: DurableLog {
    guard let box else { return lastDurable }
    return DurableLog(
      terms: box.node.terms, durable: box.node.durableIndex, hardState: box.node.durableState)
  }

  func begin(_ node: consuming Node) {
    box = NodeBox(node)
    isHalted = false
  }

  /// The process is gone.
  func stop() {
    lastDurable = durable
    box = nil
    life += 1
    wakeAt = nil
    openRequests = []
    isApplying = false
    applyTarget = 0
    pausedUntil = 0
    lanes = MemberLanes()
  }

  /// The disk is a new one.
  func wipe() {
    stop()
    wiped = lastDurable
    lastDurable = DurableLog()
    disk = SimulatedDisk()
    machine = SimulatedMachine()
  }

  func beginJob(_ lane: NodeLane, _ job: DiskJob) { lanes.begin(lane, job, disk) }

  /// Carries out one step of a lane's job.
  ///
  /// - Returns: the job and its error once it is over; nil while it is not.
  func stepDisk(_ lane: NodeLane) -> (JobID, StorageError?)? { lanes.step(lane) }
}

/// Holds a node, which is not copyable, so that it can be there or not.
final class NodeBox {
  var node: Node
  init(_ node: consuming Node) { self.node = node }
}

/// The jobs of a node that are out, and how far they are.
struct MemberLanes {
  private final class Lane {
    var job: DiskJob?
    var next = 0
    var executor: DiskExecutor

    init(_ disk: SimulatedDisk) { executor = DiskExecutor(directory: disk) }

    func step() -> (JobID, StorageError?)? {
      guard let job else { return nil }
      if next < job.steps.count {
        do throws(StorageError) {
          try executor.run(job.steps[next])
          next += 1
        } catch {
          self.job = nil
          return (job.id, error)
        }
      }
      guard next >= job.steps.count else { return nil }
      self.job = nil
      return (job.id, nil)
    }
  }

  private var lanes: [Lane?] = [nil, nil, nil]

  private static func index(_ lane: NodeLane) -> Int {
    switch lane {
    case .writer: 0
    case .background: 1
    case .snapshots: 2
    }
  }

  /// True while a batch, an edit or a vote is being written.
  var isWriting: Bool { lanes[0]?.job != nil }

  mutating func begin(_ lane: NodeLane, _ job: DiskJob, _ disk: SimulatedDisk) {
    let i = Self.index(lane)
    let state = lanes[i] ?? Lane(disk)
    precondition(state.job == nil, "two jobs of a lane at once")
    state.job = job
    state.next = 0
    lanes[i] = state
  }

  func isBusy(_ lane: NodeLane) -> Bool { lanes[Self.index(lane)]?.job != nil }

  func step(_ lane: NodeLane) -> (JobID, StorageError?)? { lanes[Self.index(lane)]?.step() }

  /// What the next step of a lane does; nil if there is none.
  func next(_ lane: NodeLane) -> DiskStep? {
    guard let state = lanes[Self.index(lane)], let job = state.job, state.next < job.steps.count
    else { return nil }
    return job.steps[state.next]
  }
}
