// ManifestFold: the edits of a manifest added up, in time that grows with their bytes alone.
//
// What must always hold: an edit is taken or refused as `ManifestState.apply` and `validate` would,
// and the sum is theirs; but what an edit costs depends on the edit, and not on how many segments there
// are. A file is read before anybody knows whether a writer made it.

package import LogFormat

/// Edits in the making of a state.
package struct ManifestFold {
  /// All but the segments and the dropped names.
  private var base: ManifestState
  /// Every segment that was ever added; those that were dropped are linked past.
  private var records: [SegmentRecord] = []
  private var next: [Int] = []
  private var previous: [Int] = []
  /// Where the segment of a UID is.
  private var places: [UID: Int] = [:]
  /// The names of segments.
  private var names: Set<SegmentName> = []
  /// The names that were dropped and not forgotten.
  private var droppedNames: Set<SegmentName> = []
  private var first = -1
  private var last = -1
  private var dropped: [SegmentName] = []
  /// How many names had been dropped when one of them was forgotten.
  private var forgotten: [SegmentName: Int] = [:]
  /// Segments that the edit at hand added or ended, or that follow one it dropped.
  private var touched: [Int] = []

  /// No place.
  private static let none = -1

  package init(group: UID, incarnation: UID) {
    base = ManifestState(group: group, incarnation: incarnation)
  }

  /// The sum so far.
  package var state: ManifestState {
    var state = base
    var i = first
    while i != Self.none {
      state.segments.append(records[i])
      i = next[i]
    }
    state.dropped = dropped.enumerated().filter { $0.offset >= forgotten[$0.element] ?? 0 }
      .map(\.element)
    return state
  }

  /// Adds an edit. When this throws, the fold is of no use any more.
  package mutating func apply(_ edit: ManifestEdit) throws(FormatError) {
    touched = []
    for change in edit.changes { try apply(change) }
    try validate()
  }

  private mutating func apply(_ change: ManifestChange) throws(FormatError) {
    switch change {
    case .identity where first != Self.none:
      throw FormatError(.inconsistent, "a manifest changes its group")
    case .identity, .opened, .first: try base.apply(change)
    case .closed(let uid, let ordinal):
      guard last != Self.none, records[last].uid == uid else {
        throw FormatError(.inconsistent, "closed in a segment that is not the last")
      }
      records[last].durableThrough = max(records[last].durableThrough, ordinal)
      base.isClosed = true
    case .added(let record): try add(record)
    case .ended(let uid, let end, let isCut):
      let i = try place(of: uid)
      try records[i].finish(at: end, isCut: isCut)
      touched.append(i)
    case .sealed(let uid, let seal):
      try records[try place(of: uid)].seal(as: seal)
    case .dropped(let uid): remove(try place(of: uid), uid)
    case .droppedName(let name):
      guard !names.contains(name) else {
        throw FormatError(.inconsistent, "\(name) is a segment, and dropped")
      }
      drop(name)
    case .forgotten(let name):
      forgotten[name] = dropped.count
      droppedNames.remove(name)
    }
  }

  private mutating func add(_ record: SegmentRecord) throws(FormatError) {
    guard last == Self.none || records[last].end?.index == record.previousIndex else {
      throw FormatError(.inconsistent, "segment \(record.fileName) does not follow the last one")
    }
    try record.validate()
    guard places[record.uid] == nil, !droppedNames.contains(record.name),
      names.insert(record.name).inserted
    else { throw record.isThereTwice }
    let i = records.count
    records.append(record)
    previous.append(last)
    next.append(Self.none)
    places[record.uid] = i
    if last == Self.none { first = i } else { next[last] = i }
    last = i
    touched.append(i)
  }

  private mutating func remove(_ i: Int, _ uid: UID) {
    let (before, after) = (previous[i], next[i])
    if before == Self.none { first = after } else { next[before] = after }
    if after == Self.none { last = before } else { previous[after] = before }
    places[uid] = nil
    names.remove(records[i].name)
    drop(records[i].name)
    // It is linked to nothing, and what follows it follows another one now.
    previous[i] = i
    if after != Self.none { touched.append(after) }
  }

  private mutating func drop(_ name: SegmentName) {
    dropped.append(name)
    droppedNames.insert(name)
  }

  private func place(of uid: UID) throws(FormatError) -> Int {
    guard let i = places[uid] else { throw FormatError(.inconsistent, "no segment \(uid)") }
    return i
  }

  /// What `ManifestState.validate` asks, of the segments that the edit touched and of those that
  /// follow them; the others were asked before.
  private func validate() throws(FormatError) {
    for i in touched where previous[i] != i {
      try validate(i)
      if next[i] != Self.none { try validateJoint(next[i]) }
    }
    // The ends of the log, with one segment at each.
    var ends = base
    if first != Self.none { ends.segments = [records[first]] }
    if first != last {
      guard records[first].end != nil else {
        throw FormatError(.inconsistent, "the first segment has not ended, and another follows it")
      }
      // The first one is asked as one that another follows.
      ends.segments[0].end = nil
      guard records[last].end == nil else {
        throw FormatError(.inconsistent, "the last segment has ended, and no other follows it")
      }
    }
    try ends.validate()
  }

  /// The segment itself, and how it follows the one before it.
  private func validate(_ i: Int) throws(FormatError) {
    try validateJoint(i)
    guard let end = records[i].end else { return }
    try ManifestState.validate(end, of: records[i])
  }

  private func validateJoint(_ i: Int) throws(FormatError) {
    guard previous[i] != Self.none else { return }
    let (before, segment) = (records[previous[i]], records[i])
    guard before.end?.index == segment.previousIndex else {
      throw FormatError(.inconsistent, "segment \(segment.fileName) follows nothing")
    }
    guard segment.previousTerm >= before.end?.term ?? before.previousTerm else {
      throw FormatError(.inconsistent, "the term falls before segment \(segment.fileName)")
    }
  }
}
