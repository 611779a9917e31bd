// The writer lane: batches, truncations, rolls, manifest edits, votes. One job at a time.
//
// Durability.md gives the reason for each sync in here, and the test that fails without it.

import ByteBuffers
import LogFormat
import Recovery
import StorageIO

/// What the writer is doing.
enum WriterState {
  case idle
  case busy(JobID, WriterWork)
  case closed

  var isIdle: Bool { if case .idle = self { true } else { false } }
}

/// What a job of the writer is for, and what follows when it is done.
enum WriterWork {
  /// A batch or truncation; `syncs` when the job makes it durable as well.
  case frame(FramedWrite, tickets: ClosedRange<Ticket>, index: LogIndex, syncs: Bool)
  case marker(FramedWrite)
  /// What a failed write may have left of a batch is taken away, before anybody is told that the
  /// batch failed: a batch that failed never comes back.
  case erase(tickets: ClosedRange<Ticket>, LogError)
  /// Everything up to the ordinal becomes durable.
  case sync(ordinal: UInt32, ticket: Ticket?)
  /// The log goes on in a new segment, for what waits at the head of the queue.
  case roll(SegmentRecord, ManifestUpdate)
  /// The log begins anew, in a new segment.
  case restart(SegmentRecord, ManifestUpdate, Ticket)
  /// A truncation to below the active segment, which goes on in a new one.
  case cut(SegmentRecord, ManifestUpdate, after: LogIndex, Ticket)
  /// Seals and removals are noted.
  case note(ManifestUpdate, Notes)
  case compact(ManifestUpdate, through: LogIndex, Ticket)
  case hardState(HardState, Mark?, generation: UInt64, Ticket)
  case close(ManifestUpdate, Ticket)
  /// The reserve is given up for something that must not fail.
  case release
}

/// The manifest as it will be when an edit is durable in both copies.
struct ManifestUpdate {
  let state: ManifestState
  let position: ManifestPosition
  let steps: [DiskStep]
}

extension LogEngine {
  mutating func nextWriterJob(now: Duration) -> DiskJob? {
    guard case .idle = writer else { return nil }
    if let erasure {
      self.erasure = nil
      return eraseJob(erasure.tickets, erasure.cause)
    }
    if background.releasesReserve { return start(.release, releaseSteps()) }
    if let work = interrupted {
      interrupted = nil
      return start(work, work.update?.steps ?? [])
    }
    if let job = noteJob() { return job }
    // Before the queue, which need never be empty: the interval is a promise.
    if let syncDeadline, now >= syncDeadline { return syncJob(ticket: nil) }
    while let item = queue.first {
      if let job = job(for: item) { return job }
      // No job: either it waits for the background, or it failed and the next one gets its turn.
      if let next = queue.first, next.tickets == item.tickets { return nil }
    }
    if let markerDeadline, now >= markerDeadline { return markerJob() }
    return nil
  }

  private mutating func start(_ work: WriterWork, _ steps: [DiskStep]) -> DiskJob {
    let job = newJob(steps)
    writer = .busy(job.id, work)
    return job
  }

  private mutating func job(for item: PendingWrite) -> DiskJob? {
    switch item {
    case .batch, .ready:
      return frameJob(needs: item.batchBytes!, truncateAfter: nil)
    case .truncate(let index, let ticket):
      if index < appender.record.previousIndex { return cutJob(after: index, ticket) }
      if let bytes = queue.second?.batchBytes, hasRoom(for: bytes) {
        return frameJob(needs: bytes, truncateAfter: index)
      }
      if index == appender.end.index { return syncJob(ticket: ticket) }
      // Its replacement goes to the next segment, which begins where this one is cut here.
      return frameJob(needs: Layout.page, truncateAfter: index)
    case .hardState(let state, let mark, let ticket):
      return hardStateJob(state, mark, ticket)
    case .compact(let index, let ticket):
      return compactJob(through: index, ticket)
    case .restart(let index, let term, let ticket):
      return restartJob(after: index, of: term, ticket)
    case .sync(let ticket):
      return syncJob(ticket: ticket)
    case .close(let ticket):
      return closeJob(ticket)
    }
  }

  // MARK: Frames

  /// Writes what is at the head of the queue, or makes room for it first.
  private mutating func frameJob(needs bytes: Int, truncateAfter: LogIndex?) -> DiskJob? {
    guard hasRoom(for: bytes) else { return rollJob(needs: bytes) }
    prepareSpareInTime()
    let syncs = options.syncMode == .always
    var tickets: ClosedRange<Ticket>
    let write: FramedWrite
    var item = queue.removeFirst()
    tickets = item.tickets
    if truncateAfter != nil, let bytes = queue.first?.batchBytes, hasRoom(for: bytes) {
      item = queue.removeFirst()
      tickets = tickets.lowerBound...item.tickets.upperBound
    }
    var last = truncateAfter ?? 0
    switch item {
    case .batch(let batch):
      let framed = batch.finish(options.compression)
      last = framed.lastIndex
      write = appender.frame(
        framed, truncateAfter: truncateAfter, manifestEdit: position.number)
    case .ready(let ready, _):
      last = ready.last
      write = appender.frame(
        ready.framed(), from: ready.first, ready.termRuns, truncateAfter: truncateAfter,
        manifestEdit: position.number)
    default:
      write = appender.frameTruncation(after: last, manifestEdit: position.number)
    }
    var steps: [DiskStep] = [.write(appender.fileName, write.bytes, at: write.offset)]
    if syncs { steps.append(.sync(appender.fileName)) }
    return start(.frame(write, tickets: tickets, index: last, syncs: syncs), steps)
  }

  /// True when the active segment can take so much, and still be ended.
  private func hasRoom(for bytes: Int) -> Bool {
    bytes <= appender.bytesFree && !background.isTainted
  }

  private mutating func eraseJob(
    _ tickets: ClosedRange<Ticket>, _ cause: LogError
  ) -> DiskJob? {
    var zeros = ByteWriter(capacity: Layout.page)
    zeros.fill(0, count: Layout.page)
    let file = appender.fileName
    return start(
      .erase(tickets: tickets, cause),
      [.write(file, zeros.finish(), at: appender.end.offset), .sync(file)])
  }

  private mutating func markerJob() -> DiskJob? {
    markerDeadline = nil
    guard appender.bytesFreeForMarker >= Layout.page, appender.isSynced, !background.isTainted
    else { return nil }
    let write = appender.frameMarker(manifestEdit: position.number)
    let file = appender.fileName
    return start(
      .marker(write), [.write(file, write.bytes, at: write.offset), .sync(file)])
  }

  private mutating func syncJob(ticket: Ticket?) -> DiskJob? {
    syncDeadline = nil
    let steps: [DiskStep] = appender.isSynced ? [] : [.sync(appender.fileName)]
    return start(.sync(ordinal: appender.end.ordinal, ticket: ticket), steps)
  }

  // MARK: New segments

  /// Ends the active segment and activates a spare, if there is one that is large enough.
  private mutating func rollJob(needs bytes: Int) -> DiskJob? {
    guard let spare = takeSpare(needs: bytes) else { return noteJob() }
    let record = newRecord(
      firstIndex: appender.end.index + 1, previousTerm: appender.end.term, capacity: spare.bytes)
    let update = update([
      .ended(appender.record.uid, appender.end, isCut: false), .added(record),
    ])
    var steps: [DiskStep] = appender.isSynced ? [] : [.sync(appender.fileName)]
    steps += activation(of: spare, as: record) + [.close(appender.fileName)] + update.steps
    return start(.roll(record, update), steps)
  }

  /// Truncates to an index below the active segment: whole segments leave the log, the one that
  /// holds the index ends there, and a new one follows. One edit, so it happens or it does not.
  private mutating func cutJob(after index: LogIndex, _ ticket: Ticket) -> DiskJob? {
    guard let spare = takeSpare(needs: Layout.page) else { return noteJob() }
    let term = writtenTerm(at: index)
    var changes: [ManifestChange] = []
    for segment in manifest.segments.reversed() {
      if segment.firstIndex > index {
        changes.append(.dropped(segment.uid))
        continue
      }
      if var end = segment.end, end.index > index {
        end.index = index
        end.term = term
        end.termRuns.removeAll { $0.firstIndex > index }
        changes.append(.ended(segment.uid, end, isCut: segment.isCut))
      }
      break
    }
    let record = newRecord(firstIndex: index + 1, previousTerm: term, capacity: spare.bytes)
    changes.append(.added(record))
    let update = update(changes)
    return start(
      .cut(record, update, after: index, ticket),
      activation(of: spare, as: record) + [.close(appender.fileName)] + update.steps)
  }

  /// The log begins behind an entry that a snapshot holds. Where it has that very entry this is a
  /// compaction, and what follows stays; otherwise all segments leave the log, and a new one begins
  /// there: one edit, so it happens or it does not.
  private mutating func restartJob(
    after index: LogIndex, of term: Term, _ ticket: Ticket
  ) -> DiskJob? {
    if holds(index, of: term) { return compactJob(through: index, ticket) }
    guard let spare = takeSpare(needs: Layout.page) else { return noteJob() }
    let record = newRecord(firstIndex: index + 1, previousTerm: term, capacity: spare.bytes)
    let update = update(
      [.first(index + 1, previousTerm: term)] + manifest.segments.map { .dropped($0.uid) }
        + [.added(record)])
    return start(
      .restart(record, update, ticket),
      activation(of: spare, as: record) + [.close(appender.fileName)] + update.steps)
  }

  private func holds(_ index: LogIndex, of term: Term) -> Bool {
    index <= appender.end.index && index >= manifest.previousIndex && writtenTerm(at: index) == term
  }

  /// The term of an entry that is written, whatever waits in the queue.
  private func writtenTerm(at index: LogIndex) -> Term {
    if index >= appender.record.firstIndex {
      return appender.end.termRuns.last { $0.firstIndex <= index }?.term
        ?? appender.record.previousTerm
    }
    for segment in manifest.segments.reversed() where segment.firstIndex <= index {
      return segment.end?.termRuns.last { $0.firstIndex <= index }?.term ?? segment.previousTerm
    }
    return manifest.previousTerm
  }

  private mutating func newRecord(
    firstIndex: LogIndex, previousTerm: Term, capacity: Int
  ) -> SegmentRecord {
    // Drawn only when the roll begins: a roll that fails for want of space takes the next number.
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .roll, group: group, uid: manifest.freshUID(using: &random), salt: random.next(),
      sequence: lastSequence, firstIndex: firstIndex, previousTerm: previousTerm)
    return SegmentRecord(header: header, capacity: capacity)
  }

  /// The spare gets its header, then its name; the edit that follows makes it part of the log.
  private func activation(of spare: Spare, as record: SegmentRecord) -> [DiskStep] {
    [
      .write(spare.name, record.header(group: group).encoded(), at: 0),
      .sync(spare.name),
      .rename(spare.name, to: record.fileName),
      .syncDirectory(nil),
    ]
  }

  // MARK: Manifest and votes

  /// The manifest after `changes`, and the steps that make it so.
  func update(_ changes: [ManifestChange]) -> ManifestUpdate {
    var state = manifest
    for change in changes {
      do {
        try state.apply(change)
      } catch {
        preconditionFailure("the engine made an edit that its manifest refuses: \(error)")
      }
    }
    let number = position.number + 1
    let edit = ManifestEdit(number: number, changes: changes)
      .encoded(previousChecksum: position.checksum)
    guard position.end + edit.bytes.count <= position.fileBytes else {
      var opening = OpeningOptions()
      opening.manifestRoom = options.manifestRoom
      let (image, position) = OpeningPlan.manifestImage(state, number: number, opening)
      return ManifestUpdate(
        state: state, position: position, steps: OpeningPlan.replaceManifests(image))
    }
    var next = position
    next.number = number
    next.checksum = edit.checksum
    next.end += edit.bytes.count
    let steps: [DiskStep] = ManifestHeader.names.flatMap { name -> [DiskStep] in
      [.write(name, edit.bytes, at: position.end), .sync(name)]
    }
    return ManifestUpdate(state: state, position: next, steps: steps)
  }

  /// Seals and removals that are done and not in the manifest yet.
  private mutating func noteJob() -> DiskJob? {
    guard background.hasNotes else { return nil }
    let notes = background.notes
    let known = Set(manifest.segments.map(\.uid))
    let changes =
      notes.sealed.filter { known.contains($0.uid) }.map {
        ManifestChange.sealed($0.uid, $0.seal)
      }
      + notes.superseded.filter { known.contains($0) }.map { .dropped($0) }
      + notes.forgotten.map { .forgotten($0) }
    let update = update(changes)
    return start(.note(update, notes), update.steps)
  }

  private mutating func compactJob(through index: LogIndex, _ ticket: Ticket) -> DiskJob? {
    guard index >= manifest.firstIndex else {
      return start(.sync(ordinal: appender.durableOrdinal, ticket: ticket), [])
    }
    // A truncation that came first may have taken the entries, and what was to replace them failed.
    guard index <= appender.end.index else {
      _ = queue.removeFirst()
      let error = LogError(
        .outOfRange, "compacting through entry \(index), but the log ends at \(appender.end.index)")
      failures.append(FailedRequests(tickets: [ticket...ticket], error: error))
      // Those that still wait go on standing in the way of truncations.
      compactingThrough = queue.compactsThrough ?? firstIndex - 1
      return nil
    }
    var changes: [ManifestChange] = [
      .first(index + 1, previousTerm: writtenTerm(at: index))
    ]
    for segment in manifest.segments.dropLast() where segment.end!.index <= index {
      changes.append(.dropped(segment.uid))
    }
    let update = update(changes)
    // What the log begins behind must be on the disk, or the log could end before it begins.
    let sync: [DiskStep] = appender.isSynced ? [] : [.sync(appender.fileName)]
    return start(.compact(update, through: index, ticket), sync + update.steps)
  }

  private mutating func hardStateJob(
    _ state: HardState, _ mark: Mark?, _ ticket: Ticket
  ) -> DiskJob? {
    let generation = voteGeneration + 1
    let vote = VoteFile(
      generation: generation, state: state, incarnation: manifest.incarnation, group: group,
      mark: mark)
    let bytes = vote.encoded()
    let steps: [DiskStep] = VoteFile.names.flatMap { name -> [DiskStep] in
      [.write(name, bytes, at: 0), .sync(name)]
    }
    return start(.hardState(state, mark, generation: generation, ticket), steps)
  }

  /// Closes once nothing is left in the background; "closed" is the last edit of a clean stop.
  private mutating func closeJob(_ ticket: Ticket) -> DiskJob? {
    background.spareWanted = 0
    if let spare = background.spare {
      background.debris.append(spare.name)
      background.spare = nil
    }
    guard background.isQuiet else { return nil }
    let steps: [DiskStep] = appender.isSynced ? [] : [.sync(appender.fileName)]
    let update = update([.closed(appender.record.uid, ordinal: appender.end.ordinal)])
    return start(.close(update, ticket), steps + update.steps)
  }

  private func releaseSteps() -> [DiskStep] {
    [
      .remove(DirectoryEvidence.Names.reserve), .remove(ManifestHeader.temporaryName),
      .syncDirectory(nil),
    ]
  }

  // MARK: Completion

  mutating func finished(_ work: WriterWork, now: Duration) {
    switch work {
    case .frame(let write, let tickets, let index, let syncs):
      appender.commit(write)
      if let cut = write.truncateAfter {
        recent.truncate(after: cut)
        truncationHistory.note(after: cut)
      }
      if let batch = write.recent { recent.append(batch) }
      writtenIndex = index
      durableIndex = min(durableIndex, write.truncateAfter ?? index)
      writtenTicket = tickets.upperBound
      if syncs { becomeDurable(through: appender.end.ordinal) } else { scheduleSync(now) }
      if case .always = options.syncMode { markerDeadline = now + options.markerDelay }
    case .marker(let write):
      appender.commit(write)
      becomeDurable(through: appender.end.ordinal)
    case .erase(let tickets, let cause):
      failForWantOfSpace(cause, [tickets])
    case .sync(let ordinal, let ticket):
      if ticket != nil { _ = queue.removeFirst() }
      if restarting == ticket { restarting = nil }
      writtenTicket = ticket ?? writtenTicket
      // What somebody may rely on now is vouched for in the modes that sync late, too.
      if !appender.isSynced { markerDeadline = now + options.markerDelay }
      becomeDurable(through: ordinal)
    case .roll(let record, let update):
      install(update)
      syncCount += 1
      endActive()
      begin(record)
    case .cut(let record, let update, let index, let ticket):
      _ = queue.removeFirst()
      let dropped = Set(manifest.segments.map(\.uid)).subtracting(update.state.segments.map(\.uid))
      install(update)
      background.unsealed.removeAll { dropped.contains($0.record.uid) }
      recent.truncate(after: index)
      truncationHistory.note(after: index)
      writtenIndex = index
      durableIndex = min(durableIndex, index)
      writtenTicket = ticket
      durableTicket = ticket
      begin(record)
    case .restart(let record, let update, let ticket):
      _ = queue.removeFirst()
      restarting = nil
      install(update)
      terms = Self.terms(manifest, nil)
      background.unsealed = []
      background.notes.sealed = []
      background.notes.superseded = []
      recent.truncate(after: 0)
      truncationHistory.note(after: 0)
      writtenIndex = record.previousIndex
      durableIndex = writtenIndex
      writtenTicket = ticket
      durableTicket = ticket
      begin(record)
    case .note(let update, let notes):
      background.remove(notes)
      install(update)
    case .compact(let update, let index, let ticket):
      _ = queue.removeFirst()
      if restarting == ticket { restarting = nil }
      let kept = Set(update.state.segments.map(\.uid))
      background.unsealed.removeAll { !kept.contains($0.record.uid) }
      install(update)
      terms.compact(through: index)
      writtenTicket = ticket
      becomeDurable(through: appender.end.ordinal)
    case .hardState(let state, let mark, let generation, let ticket):
      _ = queue.removeFirst()
      hardState = state
      self.mark = mark
      voteGeneration = generation
      syncCount += 2
      writtenTicket = ticket
      if appender.isSynced { durableTicket = ticket }
    case .close(let update, let ticket):
      install(update)
      becomeDurable(through: appender.end.ordinal)
      writtenTicket = ticket
      durableTicket = ticket
      writer = .closed
    case .release:
      background.releasesReserve = false
      background.hasReserve = false
    }
  }

  private mutating func becomeDurable(through ordinal: UInt32) {
    if !appender.isSynced || options.syncMode == .always { syncCount += 1 }
    appender.commitSync(through: ordinal)
    guard appender.isSynced else { return }
    durableIndex = writtenIndex
    durableTicket = writtenTicket
    syncDeadline = nil
  }

  private mutating func scheduleSync(_ now: Duration) {
    if case .interval(let interval) = options.syncMode, syncDeadline == nil {
      syncDeadline = now + interval
    }
  }

  private mutating func install(_ update: ManifestUpdate) {
    let gone = update.state.dropped.filter { !manifest.dropped.contains($0) }
    manifest = update.state
    position = update.position
    background.removing += gone
    syncCount += 2
  }

  /// The active segment has ended; its footer is written in the background.
  private mutating func endActive() {
    appender.commitSync(through: appender.end.ordinal)
    durableIndex = writtenIndex
    durableTicket = writtenTicket
    syncDeadline = nil
    background.unsealed.append(UnsealedSegment(record: appender.record, footer: appender.footer))
  }

  private mutating func begin(_ record: SegmentRecord) {
    appender = SegmentAppender(record: record, group: group)
    background.spare = nil
    background.isTainted = false
    background.segmentBytes = min(options.segmentBytes, background.segmentBytes * 4)
    dropSuperseded()
  }

  // MARK: Failure

  mutating func failed(_ work: WriterWork, _ error: StorageError) {
    if let record = work.newSegment, let spare = background.spare, error.leftAllAsItWas,
      error.path.hasSuffix("/\(spare.name)")
    {
      // Nothing has the segment's name that is the log's, and no edit names it: the next attempt takes
      // the next number.
      background.debris.append(spare.name)
      background.spare = nil
      failForWantOfSpace(LogError(obstructed: error, name: record.fileName), [])
      return
    }
    let cause = LogError(writing: error)
    guard cause.code == .diskFull else {
      poison(cause)
      return
    }
    if error.path.hasSuffix(ManifestHeader.temporaryName), background.hasReserve {
      // A manifest that is being rewritten may already be in one copy: this is carried through, with
      // the space that was kept for it.
      interrupted = work
      background.releasesReserve = true
      return
    }
    switch work {
    case .frame(_, let tickets, _, _):
      // Part of the batch may lie behind the end of the log: the next one goes to a new segment.
      background.isTainted = true
      erasure = (tickets, cause)
    case .marker:
      background.isTainted = true
    case .roll, .cut, .restart:
      guard let spare = background.spare, error.path.hasSuffix(spare.name) else {
        poison(LogError(poisoning: error))
        return
      }
      // The spare did not get its name: it is no part of the log, and is made anew.
      background.debris.append(spare.name)
      background.spare = nil
      failForWantOfSpace(cause, [])
    case .note, .compact, .close, .hardState, .sync, .release, .erase:
      poison(LogError(poisoning: error))
    }
  }

  /// Everything that waits for space fails; the log stands as it was before it was asked.
  mutating func failForWantOfSpace(_ error: LogError, _ tickets: [ClosedRange<Ticket>]) {
    let waiting = queue.removeAllNeedingSpace()
    restarting = nil
    terms = termsOnTheirWay
    failures.append(FailedRequests(tickets: tickets + waiting, error: error))
  }
}

extension LogEngine {
  /// The terms of what is written, and of what the job that is out writes.
  private var termsOnTheirWay: TermTable {
    switch writer {
    case .busy(_, .frame(let write, _, _, _)): Self.terms(manifest, write.end)
    case .busy(_, .cut(_, let update, _, _)), .busy(_, .restart(_, let update, _)):
      Self.terms(update.state, nil)
    default: Self.terms(manifest, appender.end)
    }
  }

  /// The terms of all entries of a log whose active segment ends at `end`, or is empty.
  static func terms(_ manifest: ManifestState, _ end: SegmentEnd?) -> TermTable {
    var terms = TermTable(firstIndex: manifest.firstIndex, previousTerm: manifest.previousTerm)
    for end in manifest.segments.compactMap(\.end) + [end].compactMap(\.self) {
      terms.append(end.termRuns, through: end.index)
    }
    return terms
  }
}

extension WriterWork {
  /// The segment that a roll or a cut makes out of a spare.
  fileprivate var newSegment: SegmentRecord? {
    switch self {
    case .roll(let record, _), .cut(let record, _, _, _), .restart(let record, _, _): record
    default: nil
    }
  }

  /// The edit that this work makes.
  fileprivate var update: ManifestUpdate? {
    switch self {
    case .roll(_, let update), .cut(_, let update, _, _), .restart(_, let update, _),
      .note(let update, _), .compact(let update, _, _), .close(let update, _):
      update
    case .frame, .marker, .erase, .sync, .hardState, .release: nil
    }
  }
}
