// The disk's answers, and what follows from them.

import LogFormat
import LogStorage
import Raft
import StorageIO

extension Node {
  mutating func finished(_ job: JobID, _ error: StorageError?) {
    guard SnapshotShelf.owns(job) else {
      engine.completed(job, error, now: now)
      return
    }
    // One descriptor stands for the directory, and the kernel tells it of a failure once: nothing that
    // another lane syncs there is believed after it.
    if let error, error.isOfSync {
      refused = refused ?? LogError(error)
    }
    switch snapshots.finished(job, error) {
    case .nothing: break
    case .verify(let file, let info): effects.append(.verify(file: file, info))
    case .kept(let info): step(.tookSnapshot(info))
    case .received(let info): beginBehind(info)
    case .lost(let uid): step(.installFailed(uid))
    }
  }

  mutating func verified(_ uid: UID, isSound: Bool) {
    if case .lost(let uid) = snapshots.verified(uid, isSound: isSound) { step(.installFailed(uid)) }
  }

  /// The snapshot is on the disk: the log begins behind it, and then the state machine has it.
  private mutating func beginBehind(_ info: SnapshotInfo) {
    let position = info.position
    let ticket = request { (engine) throws(LogError) in
      try engine.restart(after: position.index, of: position.term)
    }
    installing = (info, ticket)
  }

  mutating func restored(_ uid: UID) {
    guard let info = installing?.info, info.uid == uid else { return }
    installing = nil
    applied = info.position.index
    step(.installed(uid))
    snapshots.removeOlder()
  }

  /// Tells the core what has become durable, or has failed.
  ///
  /// - Returns: true if there was anything.
  mutating func lookAtDisk() -> Bool {
    let failure = engine.takeFailures().first?.error ?? refused
    refused = nil
    if let failure {
      writes.giveUp()
      installing = nil
      step(.storageFailed(failure.message))
      return true
    }
    var isNew = false
    if let write = writes.finish(through: engine.durableTicket) {
      effects += writes.release()
      step(.durable(write))
      isNew = true
    }
    if let info = installing?.info, let ticket = installing?.ticket,
      ticket <= engine.durableTicket
    {
      installing = (info, nil)
      // What follows an entry that the log had stays.
      if engine.lastIndex == info.position.index {
        tail.restart(after: info.position.index)
      } else {
        tail.trim(before: info.position.index + 1)
      }
      effects.append(.restore(info.name, info.uid))
      isNew = true
    }
    return isNew
  }
}
