// PassedEntries: what a follower has passed on, kept small, to be held against the log as it is now.
//
// What must always hold: an entry that was passed on and is not in the log any more is never taken
// for one that is. The other way round may happen: what a crash made the writer copy is known by its
// contents, as far back as they are remembered, and counts as taken back beyond.

import LogFormat
import StorageIO

struct PassedEntries {
  /// How far entries were passed on out of one segment. Frames are never written over, and a
  /// truncation takes whole frames' entries from the end: what is left of the frames up to `ordinal`
  /// is what was passed on.
  private struct Mark {
    let uid: UID
    let firstIndex: LogIndex
    var lastIndex: LogIndex
    /// The last frame that was read; the highest number for a segment that had ended.
    var ordinal: UInt32
  }

  /// What tells an entry from another one with its index.
  private struct Content: Equatable {
    let term: Term
    let kind: EntryKind
    let checksum: UInt32

    init(_ entry: Entry) {
      term = entry.term
      kind = entry.kind
      checksum = entry.checksum
    }
  }

  private static let contentsMax = 1 << 14

  private var marks: [Mark] = []
  /// The entries that were passed on last, `contents.last` being the last one.
  private var contents: [Content] = []

  /// The last entry that was passed on; nil if there is none to compare with.
  private var lastIndex: LogIndex? { marks.last?.lastIndex }

  /// Takes in entries that follow those before, of one batch.
  mutating func note(_ entries: [Entry], in view: LogView) {
    guard let first = entries.first, let last = entries.last else { return }
    if let lastIndex, first.index != lastIndex + 1 { self = PassedEntries() }
    contents += entries.map(Content.init)
    if contents.count > 2 * Self.contentsMax {
      contents.removeFirst(contents.count - Self.contentsMax)
    }
    mark(first.index...last.index, in: view)
  }

  private mutating func mark(_ range: ClosedRange<LogIndex>, in view: LogView) {
    let part = view.part(of: range.upperBound)
    let ordinal = part.ordinal(of: range.upperBound)
    if let last = marks.indices.last, marks[last].uid == part.record.uid {
      marks[last].lastIndex = range.upperBound
      marks[last].ordinal = ordinal
    } else {
      marks.append(
        Mark(
          uid: part.record.uid, firstIndex: range.lowerBound, lastIndex: range.upperBound,
          ordinal: ordinal))
    }
  }

  /// The last entry of those that were passed on which the log in `view` still holds; nil if there
  /// is nothing to compare with.
  mutating func settle(
    with view: LogView, in directory: any StorageDirectory
  ) throws -> LogIndex? {
    // What was compacted away was passed on, and nobody can say more.
    marks.removeAll { $0.lastIndex < view.firstIndex }
    guard let last = lastIndex, let first = marks.first?.firstIndex else {
      self = PassedEntries()
      return nil
    }
    var held = max(first, view.firstIndex) - 1
    for mark in marks.reversed() {
      if let end = try self.held(mark, in: view, directory) {
        held = max(held, end)
        break
      }
    }
    guard held < last else { return last }
    let same = try sameContents(behind: held, through: min(last, view.lastIndex), in: view)
    forget(after: held)
    if same > held { remark(held + 1...same, in: view) }
    contents.removeLast(min(contents.count, Int(last - same)))
    return same
  }

  /// The last entry of a mark that its segment still holds; nil if it holds none.
  private mutating func held(
    _ mark: Mark, in view: LogView, _ directory: any StorageDirectory
  ) throws -> LogIndex? {
    guard let part = view.parts.first(where: { $0.record.uid == mark.uid }) else { return nil }
    var held = min(part.last, mark.lastIndex)
    if mark.ordinal < .max {
      let batches = try part.batches(in: directory)
      let behind = batches.partitioningIndex { $0.ordinal > mark.ordinal }
      guard behind > batches.startIndex else { return nil }
      held = min(held, batches[behind - 1].lastIndex)
      // An ended segment gets no more frames: the next time its end alone tells.
      if part.record.end != nil, held == mark.lastIndex,
        let i = marks.firstIndex(where: { $0.uid == mark.uid })
      {
        marks[i].ordinal = .max
      }
    }
    return held < mark.firstIndex ? nil : held
  }

  /// How far the entries behind `held` are what was passed on, though they lie elsewhere.
  private func sameContents(
    behind held: LogIndex, through last: LogIndex, in view: LogView
  ) throws -> LogIndex {
    guard let end = lastIndex else { return held }
    let known = end + 1 - LogIndex(contents.count)
    guard held < last, held + 1 >= known else { return held }
    var same = held
    try view.replay(from: held + 1, to: last) { entries in
      for entry in entries {
        guard entry.index == same + 1, Content(entry) == contents[Int(entry.index - known)] else {
          return false
        }
        same = entry.index
      }
      return true
    }
    return same
  }

  private mutating func forget(after index: LogIndex) {
    marks.removeAll { $0.firstIndex > index }
    if let last = marks.indices.last { marks[last].lastIndex = min(marks[last].lastIndex, index) }
  }

  /// Marks entries that lie elsewhere now, segment by segment.
  private mutating func remark(_ range: ClosedRange<LogIndex>, in view: LogView) {
    var next = range.lowerBound
    while next <= range.upperBound {
      let last = min(view.part(of: next).last, range.upperBound)
      mark(next...last, in: view)
      next = last + 1
    }
  }
}

extension LogView {
  /// The part that holds an entry of the log.
  fileprivate func part(of index: LogIndex) -> Part {
    parts[parts.partitioningIndex { $0.last >= index }]
  }
}

extension LogView.Part {
  /// The frame of an entry; the highest number in a segment that ended.
  fileprivate func ordinal(of index: LogIndex) -> UInt32 {
    guard record.end == nil, let batches else { return .max }
    return batches[batches.partitioningIndex { $0.lastIndex >= index }].ordinal
  }

  fileprivate func batches(in directory: any StorageDirectory) throws -> [BatchLocation] {
    if let batches { return batches }
    let file = try directory.open(record.fileName, .read)
    return try SegmentIndex.load(record, header: header, from: file).complete()
  }
}
