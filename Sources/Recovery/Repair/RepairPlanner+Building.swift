// RepairPlanner, building: the segments and the manifest that hold what is kept.
//
// What must always hold: a file that is made has its name only when it is whole and durable; what is
// said to have ended is on the disk up to there.

import ByteBuffers
import LogFormat
import StorageIO

extension RepairPlanner {
  /// Makes the state that names what is kept.
  mutating func build(
    _ chain: SegmentChain, _ kept: SegmentChain.Selection,
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) {
    let wasClosed = !isRebuilt && state.isClosed
    var records: [SegmentRecord] = []
    for (i, link) in chain.links.enumerated() {
      let isLast = i == chain.links.count - 1
      let next = isLast ? nil : chain.links[i + 1]
      let first = max(link.firstIndex, kept.first)
      let last = min(next.map { $0.firstIndex - 1 } ?? .max, kept.last)
      let chainEnd = link.chainEnd(isLast: isLast, chain.stop)
      // The last one may hold nothing that was not compacted, and be the one to go on in.
      let goesOn = isLast && kept.last == chainEnd && link.canGoOn(chain.stop)
      if goesOn {
        records.append(goingOn(link))
      } else if first > last {
        leave(link)
      } else if last <= chainEnd, link.isDurable(through: last, next: next) {
        records.append(ended(link, through: last, next: next))
      } else {
        leave(link)
        let term = records.last?.end?.term ?? link.scan?.term(at: first - 1) ?? 0
        let why =
          last > chainEnd ? "behind the damage in it" : "which may not all be on the disk as it is"
        records.append(
          try rebuild(link, first...last, previousTerm: term, because: why, using: &generator))
      }
    }
    for link in chain.setAside { leave(link) }
    let previousTerm = term(before: kept.first, chain, records)
    state.segments = records
    state.firstIndex = kept.first
    state.previousTerm = previousTerm
    state.isClosed = wasClosed && records.last == chain.links.last?.record
    if records.last.map({ $0.end != nil }) ?? true {
      appendSegment(
        firstIndex: kept.last + 1, previousTerm: records.last?.end?.term ?? previousTerm,
        using: &generator)
    }
  }

  /// The term of the entry before the first.
  private func term(
    before first: LogIndex, _ chain: SegmentChain, _ records: [SegmentRecord]
  ) -> Term {
    if first == 1 { return 0 }
    if let known = manifests.first(where: { $0.firstIndex == first }) { return known.previousTerm }
    guard let record = records.first else {
      // Nothing is left, and terms never fall: the highest that is known.
      let ends = chain.links.map {
        $0.scan?.end.term ?? $0.record?.end?.term ?? $0.header.previousTerm
      }
      return max(ends.max() ?? 0, state.previousTerm)
    }
    if record.firstIndex == first { return record.previousTerm }
    let link = chain.links.first { $0.header.uid == record.uid }
    return link?.scan?.term(at: first - 1) ?? record.previousTerm
  }

  /// What the manifest says of a segment that is written on.
  private func goingOn(_ link: ChainLink) -> SegmentRecord {
    if link.isVouched, let record = link.record { return record }
    var record = SegmentRecord(header: link.header, capacity: link.scan?.fileBytes ?? 0)
    let marks = (link.record?.durableThrough ?? 0, link.scan?.durableOrdinal ?? 0)
    record.durableThrough = min(max(marks.0, marks.1), link.scan?.end.ordinal ?? 0)
    return record
  }

  /// What the manifest says of a segment that the log leaves behind the entry `last`.
  private mutating func ended(
    _ link: ChainLink, through last: LogIndex, next: ChainLink?
  ) -> SegmentRecord {
    guard let scan = link.scan else {
      preconditionFailure("a segment that is not there was to be kept")
    }
    let previousTerm = link.header.previousTerm
    if link.isVouched, var record = link.record, let end = record.end {
      // A frame may be gone that held no entry: then the file has to end before it.
      if end.index == last, scan.breaks.isEmpty { return record }
      if record.seal != nil, scan.breaks.isEmpty {
        // The file stays sealed as it is; readers stop where the log leaves it.
        record.end = end.clamped(before: last + 1, previousTerm: previousTerm)
        return record
      }
      if end.index == last {
        reasons.append(
          "\(link.fileName) ends at byte \(scan.end.offset): a frame behind that is not readable, and "
            + "held no entry")
      }
    }
    var record = link.record ?? SegmentRecord(header: link.header, capacity: scan.fileBytes)
    if !link.isVouched || record.seal != nil { record.capacity = scan.fileBytes }
    record.seal = nil
    record.isCut = false
    let whole = scan.end(at: scan.end.ordinal)
    let isFollowedByCopy = next.map { $0.header.purpose != .roll } ?? false
    let holdsBreaks = link.isCutByOpening || scan.breaks.contains { $0.shape != .zeros }
    let endsInDamage = next == nil && holdsBreaks
    if link.isSealed, let footer = link.footer {
      record.end = whole.clamped(before: last + 1, previousTerm: previousTerm)
      record.seal = SegmentSeal(size: scan.fileBytes, digest: footer.digest)
    } else if last == scan.end.index, scan.marksBehindBreak.isEmpty, !isFollowedByCopy,
      !endsInDamage
    {
      // Complete: opening writes the footer.
      record.end = whole
    } else {
      record.end = scan.end(before: last + 1)
      record.isCut = true
    }
    record.durableThrough = record.end?.ordinal ?? 0
    let holdsMore = last < scan.end.index || holdsBreaks
    if holdsMore { copied.append(link.fileName) }
    // Up to its end it counts as durable from here on. It is (`isDurable`), and what is synced once
    // more here is its size.
    making += [.sync(link.fileName), .close(link.fileName)]
    return record
  }

  /// A new segment, sealed, with entries of one that cannot stay as it is: there is damage in it
  /// before them, or only the page cache may have them.
  private mutating func rebuild(
    _ link: ChainLink, _ range: ClosedRange<LogIndex>, previousTerm: Term, because why: String,
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> SegmentRecord {
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .rebuilt, group: state.group, uid: freshUID(using: &generator),
      salt: generator.next(),
      sequence: lastSequence, firstIndex: range.lowerBound, previousTerm: previousTerm)
    var copy = SegmentCopy(header: header)
    do {
      let file = try directory.open(link.fileName, .read)
      for var batch in link.scan?.readableBatches ?? []
      where batch.lastIndex >= range.lowerBound && batch.firstIndex <= range.upperBound {
        batch.firstIndex = max(batch.firstIndex, range.lowerBound)
        batch.lastIndex = min(batch.lastIndex, range.upperBound)
        try copy.append(batch, from: file, seed: link.header.seed)
      }
    } catch {
      throw RecoveryError(.damaged, "\(link.fileName) cannot be rebuilt: \(error)")
    }
    copy.finish()
    let footer = copy.footer.encoded(header: header)
    let size = copy.end.offset + footer.count
    var record = SegmentRecord(header: header, capacity: size, durableThrough: copy.end.ordinal)
    record.end = copy.end
    record.seal = SegmentSeal(size: size, digest: copy.digest)
    let pieces = copy.pieces + [(offset: copy.end.offset, bytes: footer)]
    make(record, header, pieces)
    reasons.append(
      "\(record.fileName) is made of \(Words.entries(range)) of \(link.fileName), \(why)")
    return record
  }

  private mutating func leave(_ link: ChainLink) {
    let name = link.fileName
    guard isThere(name), !leaving.contains(name) else { return }
    leaving.append(name)
    reasons.append("\(name) leaves the log and is kept in quarantine/")
  }

  /// An empty segment to go on in.
  private mutating func appendSegment(
    firstIndex: LogIndex, previousTerm: Term, using generator: inout some RandomNumberGenerator
  ) {
    lastSequence += 1
    let header = SegmentHeader(
      purpose: .rebuilt, group: state.group, uid: freshUID(using: &generator),
      salt: generator.next(),
      sequence: lastSequence, firstIndex: firstIndex, previousTerm: previousTerm)
    let record = SegmentRecord(header: header, capacity: options.segmentBytes)
    make(record, header, [])
    state.segments.append(record)
    state.isClosed = false
  }

  /// A UID that no segment has that is named, there, or made.
  private mutating func freshUID(using generator: inout some RandomNumberGenerator) -> UID {
    let named = (manifests + [state]).flatMap(\.segments).map(\.uid)
    let taken = Set(named + evidence.unknown.compactMap(\.scan?.header.uid) + made)
    let uid = UID(using: &generator) { taken.contains($0) }
    made.append(uid)
    return uid
  }

  /// The file is whole and durable before it has its name: a crash leaves no half of a segment, which
  /// without a manifest would have to be taken for damage.
  private mutating func make(
    _ record: SegmentRecord, _ header: SegmentHeader, _ pieces: [(offset: Int, bytes: Bytes)]
  ) {
    let temporary = DirectoryEvidence.Names.unfinished(record.fileName)
    making.append(.create(temporary, zeros: record.capacity))
    making.append(.write(temporary, header.encoded(), at: 0))
    for piece in pieces { making.append(.write(temporary, piece.bytes, at: piece.offset)) }
    making += [
      .sync(temporary), .close(temporary), .rename(temporary, to: record.fileName),
      .syncDirectory(nil),
    ]
  }
}
