// LogFollower: reads a log beside its writer, and goes on as it grows.
//
// What must always hold: an entry is passed on once, in order; work grows with what is new, not with
// the log. A truncation that takes back what was passed on is reported, never hidden.

public import LogFormat
public import StorageIO

public struct LogFollower {
  private let directory: any StorageDirectory
  private var view: LogView?
  private var manifestNumber: UInt64 = 0
  /// The index that comes next.
  public private(set) var next: LogIndex

  public init(_ directory: any StorageDirectory, from: LogIndex) {
    self.directory = directory
    next = from
  }

  /// Passes on what has become readable since the last call.
  ///
  /// - Parameter onTruncation: told of the new last index when passed entries were taken back.
  /// - Returns: true if there was anything.
  public mutating func poll(
    onTruncation: (LogIndex) -> Void, into visit: ([Entry]) throws -> Bool
  ) throws -> Bool {
    var changed = try refresh()
    guard let view else { return false }
    if view.lastIndex + 1 < next, changed {
      onTruncation(view.lastIndex)
      next = view.lastIndex + 1
    }
    guard view.lastIndex >= next else { return changed }
    var last = next - 1
    changed = false
    do {
      try view.replay(from: next) { entries in
        changed = true
        last = entries.last!.index
        return try visit(entries)
      }
    } catch let error as RecoveryError where error.storageError?.isNotFound == true {
      // A segment was compacted away while it was read: the next call sees the new manifest.
      manifestNumber = 0
    }
    next = last + 1
    return changed
  }

  /// Brings the view up to date; true if it changed.
  private mutating func refresh() throws -> Bool {
    let number = try ManifestHeader.names.compactMap { name in
      try ManifestCopy.read(name, in: directory).scan?.number
    }.max()
    if view != nil, number == manifestNumber { return try view!.extend() }
    let diagnosis = Diagnosis(try DirectoryEvidence.gather(directory, isLive: true))
    view = LogView(diagnosis, in: directory)
    manifestNumber = diagnosis.evidence.manifest?.number ?? 0
    return true
  }
}
