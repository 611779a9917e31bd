// SegmentChain: segments laid end to end as one log, and what of it can be kept.
//
// What must always hold: it is pure. Every entry that the evidence shows, or that was there once and
// is not readable, is either between `first` and `last` of a selection or named in its losses,
// unless a later segment took its place: that is what a truncation is.

import LogFormat

/// A segment as a piece of a log that is being put together.
struct ChainLink {
  var header: SegmentHeader
  /// The name that its file has.
  var fileName: String
  /// What a manifest says of it.
  var record: SegmentRecord?
  /// True when that manifest is to be believed.
  var isVouched = false
  /// What its file shows; nil when there is none. Of the segment that was written last, if a manifest
  /// that is to be believed names it, only what counts: what opening cuts by itself is left out.
  var scan: SegmentScan?
  /// True when something was left out of `scan`.
  var isCutByOpening = false
  /// The footer, if it is a valid one of this segment, whether or not the frames agree with it.
  var footer: SegmentFooter?
  /// True for a file without one that ends nearer behind its last frame than it was made: what lay
  /// there is cut off. Where a manifest says how large the file was made, that is asked instead.
  var isShortened = false

  var firstIndex: LogIndex { header.firstIndex }

  /// A file of which nothing is known but what its name says: its header cannot be read.
  static func unreadable(_ name: SegmentName, group: UID) -> ChainLink {
    let header = SegmentHeader(
      purpose: .roll, group: group, uid: UID(high: 0, low: 0), salt: 0, sequence: name.sequence,
      firstIndex: max(name.firstIndex, 1), previousTerm: 0)
    return ChainLink(header: header, fileName: name.description)
  }

  /// True for such a file.
  var isUnreadable: Bool { scan == nil && record == nil }

  /// True when the file is sealed, and every byte in front of the footer is what it says.
  var isSealed: Bool {
    guard let scan, let footer else { return false }
    return scan.breaks.isEmpty && scan.end.offset == footer.offset
      && scan.end.ordinal == footer.lastOrdinal && scan.end.checksum == footer.lastChecksum
      && scan.end.index == footer.lastIndex && scan.digest == footer.digest
  }

  /// True for a file without a frame, or a missing one that held no entry.
  var isEmpty: Bool {
    guard let scan else { return record?.end.map { $0.index < firstIndex } ?? false }
    return scan.end.ordinal == 0 && scan.breaks.allSatisfy { $0.shape == .zeros }
      && known.last < firstIndex
  }

  /// The place behind which opening cuts the segment that was written last.
  func cut(_ stop: BreakFacts.Stop) -> SegmentBreak? {
    scan?.breaks.first { !refuses($0, stop) && $0.shape != .zeros }
  }

  /// The last frame that something vouches for.
  private var mark: UInt32 { max(record?.durableThrough ?? 0, scan?.durableOrdinal ?? 0) }

  private func refuses(_ found: SegmentBreak, _ stop: BreakFacts.Stop) -> Bool {
    let facts = BreakFacts(
      shape: found.shape, later: found.later, mark: found.ordinal <= mark ? .atOrBelow : .above,
      place: .active, stop: stop, hidesLater: scan?.mayHideWitness(of: found) == true)
    return Verdict.decide(.segmentBreak(facts)).refusesOpening
  }

  /// The last entry of the unbroken chain that is still the log's: up to here the file can stay.
  func chainEnd(isLast: Bool, _ stop: BreakFacts.Stop) -> LogIndex {
    guard let scan else { return header.previousIndex }
    // Frames behind a torn one do not count, so they take nothing back either.
    if isLast, let first = scan.breaks.first, !refuses(first, stop) { return scan.end.index }
    return max(header.previousIndex, min(scan.end.index, scan.truncatedBehindBreak ?? .max))
  }

  /// True when the entries up to `last` are on the disk, and not in the page cache alone. A sync is no
  /// way to find out: after one that failed the next one answers yes.
  func isDurable(through last: LogIndex, next: ChainLink?) -> Bool {
    guard let scan else { return false }
    if record?.end != nil && isVouched || isSealed { return true }
    // Whoever went on in another segment synced this one first. A repair that did not get finished
    // makes one, too, and did not.
    if let next, next.header.purpose != .rebuilt { return true }
    return scan.end(before: last + 1).ordinal <= max(mark, scan.durableOrdinalAnywhere)
  }

  /// True when a writer can go on in this file, or opening will see to it.
  func canGoOn(_ stop: BreakFacts.Stop) -> Bool {
    guard let scan, footer == nil else { return false }
    guard let first = scan.breaks.first else { return true }
    return !refuses(first, stop) && (isVouched || first.shape == .zeros)
  }

  /// The last entry that it held at the least, as far as anybody knows, and the last readable one.
  var known: (last: LogIndex, readable: LogIndex) {
    let previous = header.previousIndex
    guard let scan else { return (record?.end?.index ?? previous, previous) }
    let chained = min(scan.end.index, scan.truncatedBehindBreak ?? .max)
    let readable = max(previous, chained, scan.batchesBehindBreak.last?.lastIndex ?? 0)
    if isVouched, let end = record?.end { return (end.index, min(readable, end.index)) }
    if let footer { return (max(footer.lastIndex, previous), readable) }
    // Where nothing valid follows, nobody knows whether what a broken frame took back stands again.
    let torn = scan.breaks.filter { $0.shape != .zeros }.map {
      max($0.lastIndex ?? $0.firstIndex - 1, $0.resumesAt == nil ? $0.takenBackThrough ?? 0 : 0)
    }
    return (max(readable, torn.max() ?? 0, record?.end?.index ?? 0), readable)
  }

  /// True when nobody knows how much further than that it went: the file is gone, or its frames end
  /// in damage that neither a later one nor a manifest or footer puts an end to.
  func isOpenEnded(_ stop: BreakFacts.Stop) -> Bool {
    guard record?.end == nil, footer == nil else { return false }
    guard let scan else { return true }
    if isShortened { return true }
    let losing =
      isVouched
      ? Array(scan.breaks.prefix { refuses($0, stop) })
      : scan.breaks.filter { $0.shape != .zeros || refuses($0, stop) }
    return losing.contains { scan.loss(at: $0, durableThrough: mark).isOpenEnded }
  }

  /// Refuses to give up what the device did not deliver, and nobody gave up by name: it may still be
  /// there. Neither free space holds anything to give up, nor what opening cuts by itself.
  func requireDelivered(path: String, unless accepted: [Loss]) throws(RecoveryError) {
    for found in scan?.breaks ?? [] where found.shape != .zeros {
      guard let scan, let sector = scan.withheld(from: found) else { continue }
      let loss = scan.loss(at: found, durableThrough: mark)
      if loss.isEmpty || accepted.cover([loss]) { continue }
      throw RepairPlan.undelivered(
        sector, of: fileName, path: path, loss.description, named: loss)
    }
  }

  /// The entries in `range` that cannot be read.
  func missing(
    in range: ClosedRange<LogIndex>, isLast: Bool, _ stop: BreakFacts.Stop
  ) -> [ClosedRange<LogIndex>] {
    guard let scan else { return [range] }
    var batches = scan.readableBatches
    if isLast, let cut = cut(stop) {
      if scan.breaks.first == cut { batches = scan.batches }
      batches = batches.clamped(to: cut.firstIndex - 1)
    }
    var missing: [ClosedRange<LogIndex>] = []
    var next = range.lowerBound
    for batch in batches where batch.lastIndex >= next && next <= range.upperBound {
      if batch.firstIndex > range.upperBound { break }
      if batch.firstIndex > next { missing.append(next...batch.firstIndex - 1) }
      next = batch.lastIndex + 1
    }
    if next <= range.upperBound { missing.append(next...range.upperBound) }
    return missing
  }
}

struct SegmentChain {
  /// What of a chain goes on as the log.
  struct Selection: Equatable {
    var first: LogIndex
    /// `first` - 1 if nothing is left.
    var last: LogIndex
    /// Entries that are given up.
    var losses: [Loss]
  }

  /// The log's segments, each up to where the next one begins.
  private(set) var links: [ChainLink] = []
  /// Segments that have no place in the log, or whose place others have taken.
  private(set) var setAside: [ChainLink] = []
  private(set) var reasons: [String] = []
  /// How the log was left: it decides what its last segment ends with.
  let stop: BreakFacts.Stop
  /// Entries that a segment holds behind the end of the copy that took its place.
  private var uncopied: [ClosedRange<LogIndex>] = []
  /// Segments that were never laid out, and whose entries may be nowhere else.
  private var strays: [ChainLink] = []
  /// Where segments began that cannot be read, and that others overlap.
  private var hidden: [LogIndex] = []

  init(stop: BreakFacts.Stop) { self.stop = stop }

  /// Lays out the segment that was made next. One that begins earlier takes the place of what it
  /// overlaps: it was made by a truncation, or copied after a crash.
  mutating func join(_ link: ChainLink) {
    let reach = links.last?.known.last
    if link.isUnreadable, let reach, link.firstIndex <= reach {
      // Nobody knows whether it took the place of entries that can be read, so these stay.
      reasons.append("\(link.fileName) cannot be read, and what it would take the place of stays")
      setAside.append(link)
      hidden.append(link.firstIndex)
      return
    }
    if link.isEmpty, let reach, link.firstIndex <= reach, !link.isVouched {
      // It may have been made by a truncation. Nobody relied on that yet, so nothing is taken back.
      reasons.append("\(link.fileName) holds nothing, and what it would take the place of stays")
      setAside.append(link)
      return
    }
    if link.record == nil, link.header.purpose != .roll, let scan = link.scan, !scan.holdsAppended,
      scan.isHeld(by: links.compactMap(\.scan), behindBreaks: true), !links.isEmpty
    {
      // What a repair made anew that did not get finished is one, too.
      reasons.append("\(link.fileName) is a copy of what other segments hold")
      setAside.append(link)
      return
    }
    while let last = links.last, last.firstIndex >= link.firstIndex {
      takeOver(last, by: link)
      setAside.append(links.removeLast())
    }
    if let last = links.last, last.known.last >= link.firstIndex { takeOver(last, by: link) }
    links.append(link)
  }

  /// Keeps a segment out of the log.
  mutating func leaveOut(_ link: ChainLink) {
    setAside.append(link)
    strays.append(link)
  }

  /// A segment that a writer began takes back what it overlaps. A copy does so only if it says so;
  /// else it held all of it, and if it does not now, entries are missing.
  private mutating func takeOver(_ old: ChainLink, by new: ChainLink) {
    guard !new.isVouched, new.header.purpose != .roll else { return }
    if let scan = new.scan, scan.holdsTruncation { return }
    let isAppendedTo = new.scan?.holdsAppended == true
    // What a copy left out on purpose lay behind the end of the chain.
    let end = isAppendedTo ? old.scan?.end.index ?? 0 : old.known.readable
    if end > new.known.last { uncopied.append(new.known.last + 1...end) }
  }

  /// The entries of a link that count, up to where the next one begins.
  private func span(_ i: Int, from begin: LogIndex) -> ClosedRange<LogIndex>? {
    let lower = max(links[i].firstIndex, begin)
    let upper = i + 1 < links.count ? links[i + 1].firstIndex - 1 : links[i].known.last
    return lower <= upper ? lower...upper : nil
  }

  /// What of the entries from `begin` on cannot be read; and the last entry there ever was.
  private func damage(
    from begin: LogIndex
  ) -> (ranges: [ClosedRange<LogIndex>], last: LogIndex) {
    var ranges: [ClosedRange<LogIndex>] = []
    if let first = links.first?.firstIndex, first > begin { ranges.append(begin...first - 1) }
    for (i, link) in links.enumerated() {
      if i > 0, let index = Self.staleEnd(links[i - 1], before: link), index >= begin {
        ranges.append(index...index)
      }
      guard let span = span(i, from: begin) else { continue }
      ranges += link.missing(in: span, isLast: i == links.count - 1, stop)
    }
    var last = max(begin - 1, links.last.map { max($0.known.last, $0.firstIndex - 1) } ?? 0)
    if let further = uncopied.map(\.upperBound).max(), further > last {
      ranges.append(last + 1...further)
      last = further
    }
    return (Self.merged(ranges), last)
  }

  /// The last entry of a segment, where the next one was begun behind one of a higher term: the frame
  /// that brought that one, and took this one back, is gone without a trace.
  private static func staleEnd(_ link: ChainLink, before next: ChainLink) -> LogIndex? {
    let index = next.firstIndex - 1
    guard !link.isVouched, let scan = link.scan,
      index >= link.firstIndex, index <= scan.end.index,
      scan.term(at: index) < next.header.previousTerm
    else { return nil }
    return index
  }

  /// True when there may have been entries behind the last one that anybody knows of.
  private var isOpenEnded: Bool {
    guard let link = links.last else { return false }
    if link.isOpenEnded(stop) { return true }
    // A segment gets its footer once another one goes on behind it.
    return link.footer != nil && !link.isVouched
      && !setAside.contains { $0.header.sequence > link.header.sequence }
  }

  /// What goes on as the log from `begin` on, and what that costs. Where nothing is readable before
  /// damage, or nothing behind it, there is no side to choose.
  func select(
    _ keep: RepairPlan.Keep, from begin: LogIndex, isCompacted: Bool
  ) -> Selection {
    var (damage, last) = damage(from: begin)
    var losses = strays.flatMap { unplaced($0, begin, last, isCompacted: isCompacted) }
      .map(Loss.init)
    var first = begin
    if isOpenEnded { losses.append(Loss(first: last + 1)) }
    losses += hidden.map { Loss(first: isCompacted ? max($0, begin) : $0) }
    if let range = damage.first, range.lowerBound <= first {
      losses.append(Loss(range))
      first = range.upperBound + 1
      damage.removeFirst()
    }
    if let range = damage.last, range.upperBound >= last {
      losses.append(Loss(range))
      last = range.lowerBound - 1
      damage.removeLast()
    }
    switch keep {
    case .before:
      if let range = damage.first {
        losses.append(Loss(range.lowerBound...last))
        last = range.lowerBound - 1
      }
    case .after:
      if let range = damage.last {
        losses.append(Loss(first...range.upperBound))
        first = range.upperBound + 1
      }
    }
    return Selection(first: first, last: last, losses: Loss.merged(losses))
  }

  /// The entries of a stray that lie outside of the log, and that no later segment took back.
  private func unplaced(
    _ link: ChainLink, _ begin: LogIndex, _ last: LogIndex, isCompacted: Bool
  ) -> [ClosedRange<LogIndex>] {
    let later = links.filter { $0.header.sequence > link.header.sequence }.map(\.firstIndex)
    let (lower, upper) = (link.firstIndex, min(link.known.readable, (later.min() ?? .max) - 1))
    guard lower <= upper else { return [] }
    var ranges: [ClosedRange<LogIndex>] = []
    if !isCompacted, lower < begin { ranges.append(lower...min(upper, begin - 1)) }
    if upper > last { ranges.append(max(lower, last + 1)...upper) }
    return ranges
  }

  private static func merged(_ ranges: [ClosedRange<LogIndex>]) -> [ClosedRange<LogIndex>] {
    var merged: [ClosedRange<LogIndex>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    return merged
  }
}
