// DirectoryReading: the log in a directory as evidence, diagnosis and view show it, held against
// what a view promises whatever the directory is like.
//
// What must always hold: entries come in order and inside the view's bounds, each with the payload
// that its checksum names; every gap between them was reported as damage, one report for each; where
// there is nothing to read a finding says so.

import ByteBuffers
package import LogFormat
package import Recovery
package import Simulation

package struct DirectoryReading: Sendable {
  package let diagnosis: Diagnosis
  /// Nil without a manifest.
  package private(set) var firstIndex: LogIndex?
  package private(set) var previousTerm: Term = 0
  package private(set) var entries: [Entry] = []
  /// How many ranges were reported as not readable.
  package private(set) var damages = 0

  /// Reads everything; a directory is never so bad that this fails.
  package init(
    _ disk: SimulatedDisk, depth: DirectoryEvidence.Depth = .everything, isLive: Bool = false
  ) {
    do {
      diagnosis = Diagnosis(
        try DirectoryEvidence.gather(disk, depth: depth, isLive: isLive))
      for finding in diagnosis.findings {
        expect(!finding.detail.isEmpty, "a finding that nothing is said about: \(finding)")
      }
      if let view = LogView(diagnosis, in: disk) {
        try read(view)
      } else {
        expect(!diagnosis.findings.isEmpty, "there is no log to read, and no finding says so")
      }
    } catch {
      found("reading a directory failed: \(error)")
    }
  }

  private mutating func read(_ view: LogView) throws {
    firstIndex = view.firstIndex
    previousTerm = view.state.previousTerm
    var entries: [Entry] = []
    var damages = 0
    let onDamage = { (damage: RecoveryError) in
      expect(!damage.message.isEmpty, "damage that nothing is said about")
      damages += 1
    }
    try view.replay(onDamage: onDamage) { batch in
      expect(!batch.isEmpty, "a batch without entries")
      for entry in batch {
        let least = entries.last.map { $0.index + 1 } ?? view.firstIndex
        expect(
          entry.index >= least && entry.index <= view.lastIndex,
          "entry \(entry.index) where \(least) was due, in a log that ends at \(view.lastIndex)")
        expect(
          CRC32C.checksum(entry.payload.span) == entry.checksum,
          "entry \(entry.index) has a payload that is not its own")
        entries.append(entry)
      }
      return true
    }
    self.entries = entries
    self.damages = damages
    let gaps = gaps(through: view.lastIndex)
    expect(
      gaps.count <= damages,
      "entries \(gaps) were not read, and damage was reported \(damages) times")
  }

  /// The indices up to `last` that were not read, from the first one of the log on.
  private func gaps(through last: LogIndex) -> [ClosedRange<LogIndex>] {
    guard let firstIndex else { return [] }
    var gaps: [ClosedRange<LogIndex>] = []
    var next = firstIndex
    for entry in entries {
      if entry.index > next { gaps.append(next...entry.index - 1) }
      next = entry.index + 1
    }
    return last >= next ? gaps + [next...last] : gaps
  }

  /// The file that has the log's entry at `index`, or would have it.
  package func segment(of index: LogIndex) -> String? {
    diagnosis.evidence.segments.last { $0.record.firstIndex <= index }?.record.fileName
  }

  /// Ends the process if there is an entry that nobody wrote.
  package func expectOnly(_ written: Set<Entry>) {
    for entry in entries where !written.contains(entry) {
      found(
        "entry \(entry.index) of term \(entry.term) with \(entry.payload.count) bytes was never "
          + "written")
    }
  }
}
