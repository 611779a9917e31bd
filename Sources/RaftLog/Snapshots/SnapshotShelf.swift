// SnapshotShelf: the snapshots of a node: the one that it has, the one that it takes, the one that it
// receives. It decides; jobs of the disk come out.
//
// What must always hold: a file has a snapshot's name only once it was synced, read back and found to be
// what it should; an older one goes only when a newer one has its name for good.

import ByteBuffers
import LogFormat
import Raft
import StorageIO

struct SnapshotShelf {
  /// The newest one that is kept.
  private(set) var newest: SnapshotInfo?
  private var older: [SnapshotName]
  private var queue: [Work] = []
  private var current: (job: JobID, work: Work)?
  private var lastJob: UInt64 = 0
  /// What is being read back.
  private var verifying: Verification?

  private struct Work {
    var steps: [DiskStep]
    var then: Then

    var isOfTaken: Bool {
      switch then {
      case .nothing: false
      case .verify(let verification): !verification.isReceived
      case .keep(_, let isReceived): !isReceived
      }
    }
  }

  private enum Then {
    case nothing
    case verify(Verification)
    case keep(SnapshotInfo, isReceived: Bool)
  }

  private struct Verification {
    var file: String
    var info: SnapshotInfo
    var isReceived: Bool
  }

  /// What became of a job.
  enum Outcome {
    case nothing
    case verify(file: String, SnapshotInfo)
    /// The state machine's own state is kept.
    case kept(SnapshotInfo)
    /// What another node has sent is kept.
    case received(SnapshotInfo)
    /// What was being received is not what it should be, or could not be written.
    case lost(UID)
  }

  static let takenName = "snapshot.taken.tmp"
  static let receivedName = "snapshot.received.tmp"
  private static let pieceBytes = 1 << 20

  init(newest: SnapshotInfo?, older: [SnapshotName]) {
    self.newest = newest
    self.older = older
  }

  /// Jobs of this shelf have numbers that no engine reaches.
  static func owns(_ job: JobID) -> Bool { job.rawValue >> 63 == 1 }

  mutating func nextJob() -> DiskJob? {
    guard current == nil, verifying == nil, !queue.isEmpty else { return nil }
    let work = queue.removeFirst()
    lastJob += 1
    let job = DiskJob(id: JobID(1 << 63 | lastJob), steps: work.steps)
    current = (job.id, work)
    return job
  }

  // MARK: Taking one

  /// True while one is on its way to the disk: another one waits until that has its name.
  var isTaking: Bool {
    let works = queue + (current.map { [$0.work] } ?? [])
    return works.contains { $0.isOfTaken } || verifying?.isReceived == false
  }

  mutating func save(_ info: SnapshotInfo, _ header: Bytes, _ state: Bytes) {
    let file = Self.takenName
    var steps: [DiskStep] = [.create(file, zeros: 0), .write(file, header, at: 0)]
    for start in stride(from: 0, to: state.count, by: Self.pieceBytes) {
      let piece = state[start..<min(start + Self.pieceBytes, state.count)]
      steps.append(.write(file, piece, at: header.count + start))
    }
    steps += [.sync(file), .close(file)]
    let verification = Verification(file: file, info: info, isReceived: false)
    queue.append(Work(steps: steps, then: .verify(verification)))
  }

  // MARK: Receiving one

  mutating func store(_ bytes: Bytes, at offset: Int, of info: SnapshotInfo) {
    let file = Self.receivedName
    let begin: [DiskStep] = offset == 0 ? [.create(file, zeros: 0)] : []
    queue.append(Work(steps: begin + [.write(file, bytes, at: offset)], then: .nothing))
  }

  mutating func install(_ info: SnapshotInfo) {
    let file = Self.receivedName
    let verification = Verification(file: file, info: info, isReceived: true)
    queue.append(Work(steps: [.sync(file), .close(file)], then: .verify(verification)))
  }

  // MARK: Outcomes

  mutating func finished(_ job: JobID, _ error: StorageError?) -> Outcome {
    guard let (id, work) = current, id == job else {
      preconditionFailure("a job was reported that is not out")
    }
    current = nil
    if error != nil { return failed(work) }
    switch work.then {
    case .nothing: return .nothing
    case .verify(let verification):
      verifying = verification
      return .verify(file: verification.file, verification.info)
    case .keep(let info, let isReceived):
      if let newest, newest.name > info.name {
        older.append(info.name)
      } else {
        if let newest { older.append(newest.name) }
        newest = info
      }
      if isReceived { return .received(info) }
      removeOlder()
      return .kept(info)
    }
  }

  /// What could not be written is no snapshot. The next one is made from its beginning.
  private func failed(_ work: Work) -> Outcome {
    switch work.then {
    case .nothing: .nothing
    case .verify(let verification):
      verification.isReceived ? .lost(verification.info.uid) : .nothing
    case .keep(let info, let isReceived): isReceived ? .lost(info.uid) : .nothing
    }
  }

  mutating func verified(_ uid: UID, isSound: Bool) -> Outcome {
    guard let verification = verifying, verification.info.uid == uid else { return .nothing }
    verifying = nil
    guard isSound else { return verification.isReceived ? .lost(uid) : .nothing }
    let steps: [DiskStep] = [
      .rename(verification.file, to: verification.info.name.description), .syncDirectory(nil),
    ]
    let then = Then.keep(verification.info, isReceived: verification.isReceived)
    queue.insert(Work(steps: steps, then: then), at: 0)
    return .nothing
  }

  /// Lets go of those that a newer one has replaced.
  mutating func removeOlder() {
    let names = older.filter { $0 != newest?.name }
    older = []
    guard !names.isEmpty else { return }
    queue.append(Work(steps: names.map { .remove($0.description) }, then: .nothing))
  }
}
