// The background lane: spares ahead of need, footers of ended segments, removal of dropped files.

import ByteBuffers
import LogFormat
import Recovery
package import StorageIO

/// A segment file that is prepared and not part of the log yet.
struct Spare: Hashable, Sendable {
  let name: String
  let bytes: Int
}

/// A segment that has ended, and what will seal it.
struct UnsealedSegment: Sendable {
  let record: SegmentRecord
  let footer: SegmentFooter
}

/// What a job of the background lane is for.
enum BackgroundWork {
  case spare(Spare)
  case seal(UID, SegmentSeal)
  case remove([SegmentName])
  case reserve
  /// What a failed attempt left is removed.
  case clean([String])
}

/// What was done in the background and is to be noted in the manifest.
struct Notes: Sendable {
  /// Ended segments that are sealed on the disk.
  var sealed: [(uid: UID, seal: SegmentSeal)] = []
  /// Dropped files that are gone.
  var forgotten: [SegmentName] = []
  /// Segments that hold nothing of the log any more.
  var superseded: [UID] = []

  var isEmpty: Bool { sealed.isEmpty && forgotten.isEmpty && superseded.isEmpty }
}

struct BackgroundState {
  enum Current { case busy(JobID, BackgroundWork) }

  var current: Current?
  /// A spare that is ready.
  var spare: Spare?
  /// Bytes that the next spare must have; 0 when none is wanted.
  var spareWanted = 0
  /// True when the writer cannot go on without the spare.
  var isSpareAwaited = false
  /// True when making a spare ahead of need failed; tried again when it is needed.
  var spareFailed = false
  var nextSpareNumber: UInt64 = 1
  /// The size of the next segment.
  var segmentBytes = 0
  /// Ended segments, oldest first; the ones without a seal on the disk.
  var unsealed: [UnsealedSegment] = []
  /// What the manifest does not know yet.
  var notes = Notes()
  /// Dropped files that are still there.
  var removing: [SegmentName] = []
  /// Names of files to remove after a failure.
  var debris: [String] = []
  var hasReserve = false
  /// True while the reserve is being given up for something that must not fail.
  var releasesReserve = false
  /// What stood in the way of work that can wait, for people.
  var obstacles: [StorageError] = []
  /// True when making the reserve failed; tried again after a compaction.
  var reserveFailed = false
  /// True when the active segment may hold part of a batch that failed.
  var isTainted = false
  /// The seal that could not be written for want of space.
  var sealFailed = false

  var spareBytes: Int { spare?.bytes ?? 0 }

  /// True when the manifest has to be told of something.
  var hasNotes: Bool { !notes.isEmpty }

  /// True when there is a job to take.
  var hasWork: Bool {
    current == nil
      && (!debris.isEmpty || !removing.isEmpty || (spareWanted > 0 && spare == nil)
        || (!sealFailed && notes.sealed.count < unsealed.count))
  }

  /// True when nothing is left to do before a clean close.
  var isQuiet: Bool {
    current == nil && (unsealed.isEmpty || sealFailed) && !hasNotes && removing.isEmpty
      && debris.isEmpty
  }

  /// The manifest knows these now; what was done in the meantime waits for the next edit.
  mutating func remove(_ noted: Notes) {
    let done = Set(noted.sealed.map(\.uid))
    unsealed.removeAll { done.contains($0.record.uid) }
    notes.sealed.removeAll { done.contains($0.uid) }
    notes.forgotten.removeAll { noted.forgotten.contains($0) }
    notes.superseded.removeAll { noted.superseded.contains($0) }
  }
}

extension LogEngine {
  mutating func nextBackgroundJob() -> DiskJob? {
    guard background.current == nil, !isClosed else { return nil }
    if !background.debris.isEmpty { return start(.clean(background.debris), cleanSteps()) }
    // What is removed makes room for what is made.
    if !background.removing.isEmpty { return removeJob() }
    if background.spareWanted > 0, background.spare == nil { return spareJob() }
    if let job = sealJob() { return job }
    return reserveJob()
  }

  private mutating func start(_ work: BackgroundWork, _ steps: [DiskStep]) -> DiskJob {
    let job = newJob(steps)
    background.current = .busy(job.id, work)
    return job
  }

  private func cleanSteps() -> [DiskStep] {
    background.debris.map { .remove($0) } + [.syncDirectory(nil)]
  }

  // MARK: Spares

  /// Wants a spare once a sixteenth of the active segment is used, long before it is needed.
  mutating func prepareSpareInTime() {
    let used = appender.end.offset - Layout.segmentHeader
    if background.spare == nil, background.spareWanted == 0, !background.spareFailed,
      used * 16 >= appender.record.capacity, allowance >= background.segmentBytes
    {
      background.spareWanted = background.segmentBytes
    }
  }

  /// The spare, if it can hold a batch of `bytes`; otherwise one that can is asked for.
  mutating func takeSpare(needs bytes: Int) -> Spare? {
    let least =
      Layout.segmentHeader + bytes + Layout.page + SegmentFooter.size(termRuns: 3, batches: 2)
    if let spare = background.spare {
      if spare.bytes >= least { return spare }
      background.debris.append(spare.name)
      background.spare = nil
    }
    var size = max(background.segmentBytes, Layout.pages(least))
    if size > allowance { size = Layout.pages(least) }
    guard size <= allowance else {
      // What a crash left behind makes room first, if the log has gone on without it.
      if appender.durableOrdinal > appender.record.durableThrough {
        dropSuperseded()
        if !background.notes.superseded.isEmpty { return nil }
      }
      background.spareWanted = 0
      background.isSpareAwaited = false
      failForWantOfSpace(
        LogError(
          .capReached,
          "the log takes \(diskBytes) of the \(options.bytesMax ?? 0) bytes it may; compact it to "
            + "append again"), [])
      return nil
    }
    background.spareWanted = max(background.spareWanted, size)
    background.isSpareAwaited = true
    return nil
  }

  /// Bytes that may still be added under the log's own cap.
  private var allowance: Int { options.bytesMax.map { $0 - diskBytes } ?? Int.max }

  private mutating func spareJob() -> DiskJob {
    let spare = Spare(
      name: DirectoryEvidence.Names.spare(background.nextSpareNumber),
      bytes: background.spareWanted)
    background.nextSpareNumber += 1
    return start(
      .spare(spare),
      [.create(spare.name, zeros: spare.bytes), .sync(spare.name), .close(spare.name)])
  }

  // MARK: Seals, removals, reserve

  private mutating func sealJob() -> DiskJob? {
    guard !background.sealFailed, background.notes.sealed.count < background.unsealed.count else {
      return nil
    }
    let done = Set(background.notes.sealed.map(\.uid))
    guard let segment = background.unsealed.first(where: { !done.contains($0.record.uid) }) else {
      return nil
    }
    let name = segment.record.fileName
    let footer = segment.footer.encoded(header: segment.record.header(group: group))
    let size = segment.footer.offset + footer.count
    return start(
      .seal(segment.record.uid, SegmentSeal(size: size, digest: segment.footer.digest)),
      [
        .write(name, footer, at: segment.footer.offset), .sync(name),
        .truncate(name, to: size), .sync(name), .close(name),
      ])
  }

  private mutating func removeJob() -> DiskJob {
    let names = background.removing
    return start(
      .remove(names), names.map { .remove($0.description) } + [.syncDirectory(nil)])
  }

  /// True when there is no reserve, and it can be made.
  var wantsReserve: Bool {
    !background.hasReserve && !background.reserveFailed && !background.releasesReserve && !isClosing
      && options.reserveBytes <= allowance
  }

  /// Keeps space aside, so that a full disk has room for a recovery and a compaction.
  private mutating func reserveJob() -> DiskJob? {
    guard wantsReserve else { return nil }
    let name = DirectoryEvidence.Names.reserve
    return start(
      .reserve,
      [.create(name, zeros: options.reserveBytes), .sync(name), .close(name), .syncDirectory(nil)])
  }

  /// Segments that a copy after a crash replaced are let go of once the log has gone on without them.
  mutating func dropSuperseded() {
    let empty = manifest.segments.dropLast().filter {
      $0.isCut && $0.end?.index == $0.previousIndex
    }
    background.notes.superseded = empty.map(\.uid)
  }

  // MARK: Completion

  mutating func finished(_ work: BackgroundWork) {
    switch work {
    case .spare(let spare):
      background.spare = spare
      background.spareWanted = 0
      background.isSpareAwaited = false
      background.spareFailed = false
    case .seal(let uid, let seal):
      if background.unsealed.contains(where: { $0.record.uid == uid }) {
        background.notes.sealed.append((uid, seal))
      }
    case .remove(let names):
      background.removing.removeAll { names.contains($0) }
      background.notes.forgotten += names
      background.reserveFailed = options.reserveBytes == 0
      background.spareFailed = false
      background.sealFailed = false
    case .reserve:
      background.hasReserve = true
    case .clean(let names):
      background.debris.removeAll { names.contains($0) }
    }
  }

  mutating func failed(_ work: BackgroundWork, _ error: StorageError) {
    if error.leftAllAsItWas, goOnWithout(work, error) { return }
    let cause = LogError(writing: error)
    guard cause.code == .diskFull else {
      poison(cause)
      return
    }
    switch work {
    case .spare(let spare):
      background.debris.append(spare.name)
      background.spareWanted = 0
      background.spareFailed = true
      // Made ahead of need, it is no loss yet: the active segment still has room.
      if background.isSpareAwaited { failForWantOfSpace(cause, []) }
      background.isSpareAwaited = false
    case .reserve:
      background.debris.append(DirectoryEvidence.Names.reserve)
      background.reserveFailed = true
    case .seal:
      background.sealFailed = true
    case .remove, .clean:
      poison(LogError(poisoning: error))
    }
  }

  /// Does without files that are no part of the log, yet or any more, and says what stands in the
  /// way. Nothing was made: of what has the name nothing is removed later either.
  private mutating func goOnWithout(_ work: BackgroundWork, _ error: StorageError) -> Bool {
    switch work {
    case .spare(let spare):
      background.spareWanted = 0
      background.spareFailed = true
      if background.isSpareAwaited {
        failForWantOfSpace(LogError(obstructed: error, name: spare.name), [])
      }
      background.isSpareAwaited = false
    case .reserve:
      background.reserveFailed = true
    case .remove(let names):
      // The manifest goes on naming it as dropped: the next opening removes it. The others are tried
      // again without it.
      let obstructed = names.filter { error.concerns($0.description) }
      background.removing.removeAll { (obstructed.isEmpty ? names : obstructed).contains($0) }
    case .clean(let names):
      let obstructed = names.filter(error.concerns)
      background.debris.removeAll { (obstructed.isEmpty ? names : obstructed).contains($0) }
    case .seal:
      return false
    }
    background.obstacles.append(error)
    return true
  }

  /// What stood in the way since the last call, though nobody's request failed for it.
  package mutating func takeObstacles() -> [StorageError] {
    guard !background.obstacles.isEmpty else { return [] }
    defer { background.obstacles = [] }
    return background.obstacles
  }
}
