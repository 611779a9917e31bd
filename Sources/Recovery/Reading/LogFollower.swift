// LogFollower: reads a log beside its writer, and goes on as it grows.
//
// What must always hold: an entry is passed on once, in order; work grows with what is new, not with
// the log. A truncation that takes back what was passed on is reported, never hidden, also when the
// log has outgrown it since; what took the place of the entries is passed on.

public import LogFormat
public import StorageIO

public struct LogFollower {
  private let directory: any StorageDirectory
  private let pause: () -> Void
  private var view: LogView?
  private var manifestNumber: UInt64 = 0
  private var passed = PassedEntries()
  /// The index that comes next.
  public private(set) var next: LogIndex

  /// - Parameter pause: called before looking again at what a writer may just be changing.
  public init(
    _ directory: any StorageDirectory, from: LogIndex, pause: @escaping () -> Void = {}
  ) {
    self.directory = directory
    self.pause = pause
    next = from
  }

  /// Passes on what has become readable since the last call.
  ///
  /// Entries that were replaced between two calls are passed on again, as they are now, behind a call
  /// of `onTruncation`. Entries that were replaced and compacted away as well are only gone.
  ///
  /// - Parameter onTruncation: told of the last entry that still stands when passed ones were taken
  ///   back.
  /// - Returns: true if there was anything.
  /// - Throws: `RecoveryError` when what comes next is damaged or lost, `StorageError`, and what
  ///   `visit` throws.
  public mutating func poll(
    onTruncation: (LogIndex) -> Void, into visit: ([Entry]) throws -> Bool
  ) throws -> Bool {
    let isNew = try refresh()
    guard let view else { return false }
    do {
      if isNew { try settle(with: view, onTruncation) }
      guard view.lastIndex >= next || view.endsInDamage else { return isNew }
      var isAny = false
      try view.replay(from: next) { entries in
        let goesOn = try visit(entries)
        isAny = true
        passed.note(entries, in: view)
        next = entries.last!.index + 1
        return goesOn
      }
      return isAny
    } catch let error as RecoveryError where error.storageError?.isNotFound == true {
      // A segment left the log while it was read: the next call sees the new manifest.
      self.view = nil
    } catch let error as StorageError where error.isNotFound {
      self.view = nil
    }
    return false
  }

  /// Goes back to where the log and what was passed on part, if they do.
  private mutating func settle(with view: LogView, _ onTruncation: (LogIndex) -> Void) throws {
    let stands = try passed.settle(with: view, in: directory) ?? next - 1
    let held = min(stands, view.lastIndex)
    guard held + 1 < next else { return }
    onTruncation(held)
    next = held + 1
  }

  /// Brings the view up to date; true if it changed.
  private mutating func refresh() throws -> Bool {
    let number = try ManifestHeader.names.compactMap { name in
      try ManifestCopy.read(name, in: directory).scan?.number
    }.max()
    if view != nil, number == manifestNumber { return try extend() }
    let look = try DirectoryLook(directory, pause: pause)
    if let lost = look.findings.first(where: { $0.verdict == .lostFile && concerns($0) }) {
      throw RecoveryError(.lost, "\(directory.path): \(lost)", findings: [lost])
    }
    view = LogView(look, in: directory)
    if view == nil, let hidden = look.findings.first(where: { $0.verdict == .inputOutput }) {
      throw RecoveryError(refusing: [hidden], path: directory.path)
    }
    manifestNumber = look.diagnosis.evidence.manifest?.number ?? 0
    return true
  }

  /// Takes in what is new; after a failure the next call begins anew.
  private mutating func extend() throws(StorageError) -> Bool {
    do {
      return try view!.extend()
    } catch {
      view = nil
      throw error
    }
  }

  /// Whether entries that are still to come are missing.
  private func concerns(_ finding: Finding) -> Bool { finding.lastIndex ?? .max >= next }
}
