// DirectoryCheck: reads a directory that may be anything, opens or repairs it, and goes on with it.
//
// What must always hold: nothing crashes; no entry is read that was not written; opening either
// refuses, with a reason that is not its own failure, or leaves a log that opens again and takes
// appends; a repair that is planned can be carried out.

import ByteBuffers
package import LogFormat
import LogStorage
package import Recovery
package import Simulation
import StorageIO

package struct DirectoryCheck {
  private let disk: SimulatedDisk
  private var written: Set<Entry>
  /// Some sectors cannot be read: opening may fail where it has to copy them.
  package var hasBadSectors = false
  /// A writer is said to be at work while the directory is read.
  package var isLive = false
  /// Which side of damage a repair keeps.
  package var keep = RepairPlan.Keep.before

  package init(_ disk: SimulatedDisk, written: Set<Entry>) {
    self.disk = disk
    self.written = written
  }

  /// What was read before opening and, if opening did not refuse, its plan and what was read then:
  /// as far as an opening looks, and every byte.
  package struct Outcome {
    package let before: DirectoryReading
    package let opened: (plan: OpeningPlan, after: DirectoryReading, fully: DirectoryReading)?
  }

  package func run() -> Outcome {
    let before = DirectoryReading(disk, isLive: isLive)
    before.expectOnly(written)
    guard let running = open() else {
      if !hasBadSectors { mend() }
      return Outcome(before: before, opened: nil)
    }
    let after = readAgain("after opening")
    // Every byte is looked at as well: it must not crash, and may find what opening passes over.
    let fully = DirectoryReading(disk)
    fully.expectOnly(written)
    expect(
      after.diagnosis.evidence.manifest?.state == running.plan.opened.manifest || hasBadSectors,
      "the manifest on the disk is not the one that was opened")
    // Where sectors fail, so may the reading of what is appended to them.
    if !hasBadSectors { goOn(running, after) }
    return Outcome(before: before, opened: (running.plan, after, fully))
  }

  private func open() -> RunningLog? {
    do {
      return try RunningLog(opening: disk, options: .tiny, seed: 1)
    } catch {
      expect(
        hasBadSectors || error.code != .storage,
        "opening began what it could not finish: \(error)")
      expect(
        error.code != .diskFull && error.code != .badConfiguration, "opening failed: \(error)")
      return nil
    }
  }

  /// What was opened once is not refused afterwards, and holds only what was written.
  private func readAgain(_ moment: String) -> DirectoryReading {
    let reading = DirectoryReading(disk, depth: .opening)
    if let refusal = reading.diagnosis.refusals.first, !hasBadSectors {
      found("\(moment): \(refusal)")
    }
    expect(
      !reading.diagnosis.evidence.segments.isEmpty, "\(moment): a log without a segment")
    reading.expectOnly(written)
    return reading
  }

  private func goOn(_ running: RunningLog, _ before: DirectoryReading) {
    let payload = Bytes("appended behind what was recovered")
    let entry: Entry
    do {
      let term = running.engine.lastTerm
      let index = try running.engine.append(payload.span, term: term).index
      entry = Entry(index: index, term: term, payload: payload)
    } catch {
      // Indices may be used up, in a directory that says so.
      expect(error.code == .outOfRange, "a recovered log takes no entry: \(error)")
      return
    }
    running.pump()
    running.close()
    var check = self
    check.written.insert(entry)
    let after = check.readAgain("after appending and closing")
    expect(after.entries.last == entry, "the entry that was appended is not the last one")
    expect(after.entries == before.entries + [entry], "appending changed the entries before")
  }

  /// Repairs what opening refuses, every loss accepted, and tries again.
  private func mend() {
    var random = SplitMix64(seed: 2)
    let diagnosis = DirectoryReading(disk).diagnosis
    let plan: RepairPlan
    do {
      plan = try RepairPlan.make(
        for: diagnosis, in: disk, accepting: [Loss(first: 1)], keep: keep, using: &random)
    } catch {
      expect(!error.message.isEmpty, "a refusal without a reason")
      return
    }
    var executor = DiskExecutor(directory: disk)
    do {
      try executor.run(plan.steps)
    } catch {
      found("a repair was planned that cannot be carried out: \(error)")
    }
    DirectoryReading(disk).expectOnly(written)
    if open() != nil { _ = readAgain("after repairing and opening") }
  }
}
