// SnapshotReception: a snapshot that arrives in chunks (Raft section 7).
//
// What must always hold: `received` bytes are there without a gap; while it is being installed the log
// takes nothing.

import LogFormat

struct SnapshotReception {
  let snapshot: SnapshotInfo
  private(set) var received = 0
  private(set) var isInstalling = false

  init(_ snapshot: SnapshotInfo) { self.snapshot = snapshot }

  /// - Returns: true if the chunk is the one that follows.
  mutating func take(_ chunk: SnapshotChunk) -> Bool {
    guard chunk.offset == received, !isInstalling else { return false }
    received += chunk.bytes
    return true
  }

  var isComplete: Bool { received == snapshot.bytes }

  mutating func install() {
    precondition(isComplete && !isInstalling)
    isInstalling = true
  }
}
