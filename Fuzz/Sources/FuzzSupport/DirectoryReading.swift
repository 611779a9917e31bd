// DirectoryReading: the log in a directory as evidence, diagnosis and view show it, held against
// what a view promises whatever the directory is like.
//
// What must always hold: entries come in order and inside the view's bounds, each with the payload
// that its checksum names; where no damage was reported none is missing.

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
  /// How many ranges could not be read.
  package private(set) var damages = 0

  /// Reads everything; a directory is never so bad that this fails.
  package init(
    _ disk: SimulatedDisk, depth: DirectoryEvidence.Depth = .everything, isLive: Bool = false
  ) {
    do {
      diagnosis = Diagnosis(
        try DirectoryEvidence.gather(disk, depth: depth, isLive: isLive))
      for finding in diagnosis.findings {
        expect(!finding.description.isEmpty, "a finding that nothing is said about")
      }
      if let view = LogView(diagnosis, in: disk) { try read(view) }
    } catch {
      found("reading a directory failed: \(error)")
    }
  }

  private mutating func read(_ view: LogView) throws {
    firstIndex = view.firstIndex
    previousTerm = view.state.previousTerm
    var entries: [Entry] = []
    var damages = 0
    try view.replay(onDamage: { _ in damages += 1 }) { batch in
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
    guard damages == 0 else { return }
    let count = view.lastIndex &+ 1 &- view.firstIndex
    expect(
      UInt64(entries.count) == count,
      "\(entries.count) of \(count) entries were read, and no damage was reported")
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
