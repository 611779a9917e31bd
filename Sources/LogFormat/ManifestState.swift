// ManifestState: which files make up the log, as the manifest's edits add up to it.
//
// What must always hold: segments are in log order; each begins where the one before it ends; only
// the last one is without an end. `apply` refuses an edit that would break this, so a manifest
// that decodes also makes sense.

/// Where a segment's part of the log ends.
public struct SegmentEnd: Hashable, Sendable {
  /// The last frame that counts, 0 for none.
  public var ordinal: UInt32
  /// The byte behind that frame.
  public var offset: Int
  /// The last index of the log in this segment (its first index - 1 for none).
  public var index: LogIndex
  /// The term of that index.
  public var term: Term
  /// That frame's checksum (the header's for none).
  public var checksum: UInt32
  /// The terms of the log's entries in this segment, so that a term is found without the file.
  public var termRuns: [TermRun]

  public init(
    ordinal: UInt32, offset: Int, index: LogIndex, term: Term, checksum: UInt32,
    termRuns: [TermRun]
  ) {
    self.ordinal = ordinal
    self.offset = offset
    self.index = index
    self.term = term
    self.checksum = checksum
    self.termRuns = termRuns
  }
}

/// Size and digest of a file that never changes again.
public struct SegmentSeal: Hashable, Sendable {
  /// Bytes of the whole file.
  public var size: Int
  /// CRC32C of the file up to its footer.
  public var digest: UInt32

  public init(size: Int, digest: UInt32) {
    self.size = size
    self.digest = digest
  }
}

/// A segment as the manifest knows it.
public struct SegmentRecord: Hashable, Sendable {
  public var uid: UID
  public var sequence: UInt64
  public var salt: UInt64
  public var firstIndex: LogIndex
  public var previousTerm: Term
  /// The header's checksum: with the fields above it the header can be rebuilt.
  public var headerChecksum: UInt32
  public var purpose: SegmentPurpose
  /// Bytes that the file had, zeros included, when it became part of the log: until it is sealed no
  /// crash makes it shorter.
  public var capacity: Int
  /// Every frame up to this ordinal was durable when the manifest said so; 0 for none.
  public var durableThrough: UInt32
  /// Where the log leaves this segment; nil for the active one.
  public var end: SegmentEnd?
  /// Set once the file is sealed.
  public var seal: SegmentSeal?
  /// True when the file was cut behind `end` after an unclean stop: what lies there is evidence, and
  /// the file is never sealed or shipped.
  public var isCut: Bool

  public init(header: SegmentHeader, capacity: Int, durableThrough: UInt32 = 0) {
    uid = header.uid
    sequence = header.sequence
    salt = header.salt
    firstIndex = header.firstIndex
    previousTerm = header.previousTerm
    headerChecksum = header.checksum
    purpose = header.purpose
    self.capacity = capacity
    self.durableThrough = durableThrough
    end = nil
    seal = nil
    isCut = false
  }

  init(
    uid: UID, sequence: UInt64, salt: UInt64, firstIndex: LogIndex, previousTerm: Term,
    headerChecksum: UInt32, purpose: SegmentPurpose, capacity: Int, durableThrough: UInt32,
    end: SegmentEnd?,
    seal: SegmentSeal?, isCut: Bool
  ) {
    self.uid = uid
    self.sequence = sequence
    self.salt = salt
    self.firstIndex = firstIndex
    self.previousTerm = previousTerm
    self.headerChecksum = headerChecksum
    self.purpose = purpose
    self.capacity = capacity
    self.durableThrough = durableThrough
    self.end = end
    self.seal = seal
    self.isCut = isCut
  }

  /// The header that the file must have.
  public func header(group: UID) -> SegmentHeader {
    var header = SegmentHeader(
      purpose: purpose, group: group, uid: uid, salt: salt, sequence: sequence,
      firstIndex: firstIndex, previousTerm: previousTerm)
    // A later minor version may say more in the header; the chain begins with what it says.
    header.checksum = headerChecksum
    return header
  }

  public var name: SegmentName { SegmentName(sequence: sequence, firstIndex: firstIndex) }
  public var fileName: String { name.description }
  public var previousIndex: LogIndex { firstIndex - 1 }
}

extension SegmentRecord {
  /// Notes where the segment ends; what is refused changes nothing.
  package mutating func finish(at end: SegmentEnd, isCut: Bool) throws(FormatError) {
    guard end.index >= previousIndex else {
      throw FormatError(.inconsistent, "segment \(fileName) ends before it begins")
    }
    var ended = self
    ended.end = end
    ended.isCut = self.isCut || isCut
    ended.durableThrough = max(durableThrough, end.ordinal)
    try ended.validate()
    self = ended
  }

  /// Notes what the file is once its footer is written; what is refused changes nothing.
  package mutating func seal(as seal: SegmentSeal) throws(FormatError) {
    var sealed = self
    sealed.seal = seal
    try sealed.validate()
    self = sealed
  }

  /// Refuses a record that no segment can have: only one that has ended is cut or sealed, and none is
  /// both.
  package func validate() throws(FormatError) {
    guard end != nil || (!isCut && seal == nil) else {
      throw FormatError(.inconsistent, "segment \(fileName) is cut or sealed, and has not ended")
    }
    guard !isCut || seal == nil else {
      throw FormatError(.inconsistent, "segment \(fileName) is cut, and sealed")
    }
  }

  package var isThereTwice: FormatError {
    FormatError(.inconsistent, "segment \(fileName) is there twice, by its name or its UID")
  }
}

/// One life of a directory: from an open to the next.
public struct Boot: Hashable, Sendable {
  public var counter: UInt64
  public var random: UInt64

  public init(counter: UInt64, random: UInt64) {
    self.counter = counter
    self.random = random
  }

  /// How many boots a manifest remembers.
  public static let kept = 16
}

/// The sum of a manifest's edits.
public struct ManifestState: Hashable, Sendable {
  public var group: UID
  public var incarnation: UID
  /// The first index of the log; lower ones were compacted away.
  public var firstIndex: LogIndex = 1
  /// The term of the entry before the first.
  public var previousTerm: Term = 0
  public var segments: [SegmentRecord] = []
  /// Files that are no longer part of the log and may be deleted at any time.
  public var dropped: [SegmentName] = []
  /// The last boots, oldest first.
  public var boots: [Boot] = []
  /// True when the last thing that was recorded is a clean close.
  public var isClosed = false

  public init(group: UID, incarnation: UID) {
    self.group = group
    self.incarnation = incarnation
  }

  public var previousIndex: LogIndex { firstIndex - 1 }
  public var active: SegmentRecord? { segments.last }

  /// A UID that no segment has, whatever the generator gives: it may have been seeded as before.
  package func freshUID(using generator: inout some RandomNumberGenerator) -> UID {
    UID(using: &generator) { uid in segments.contains { $0.uid == uid } }
  }

  /// Applies one change, or says why it cannot be part of this manifest.
  public mutating func apply(_ change: ManifestChange) throws(FormatError) {
    switch change {
    case .identity(let group, let incarnation):
      guard segments.isEmpty, boots.isEmpty else {
        throw FormatError(.inconsistent, "a manifest changes its group")
      }
      self.group = group
      self.incarnation = incarnation
    case .opened(let boot):
      boots.append(boot)
      if boots.count > Boot.kept { boots.removeFirst(boots.count - Boot.kept) }
      isClosed = false
    case .closed(let uid, let ordinal):
      guard let last = segments.indices.last, segments[last].uid == uid else {
        throw FormatError(.inconsistent, "closed in a segment that is not the last")
      }
      segments[last].durableThrough = max(segments[last].durableThrough, ordinal)
      isClosed = true
    case .added(let record):
      guard segments.last.map({ $0.end?.index == record.previousIndex }) ?? true else {
        throw FormatError(.inconsistent, "segment \(record.fileName) does not follow the last one")
      }
      try record.validate()
      guard !segments.contains(where: { $0.uid == record.uid || $0.name == record.name }),
        !dropped.contains(record.name)
      else { throw record.isThereTwice }
      segments.append(record)
    case .ended(let uid, let end, let isCut):
      let i = try position(of: uid)
      try segments[i].finish(at: end, isCut: isCut)
    case .sealed(let uid, let seal):
      let i = try position(of: uid)
      try segments[i].seal(as: seal)
    case .first(let index, let previousTerm):
      guard index >= firstIndex else {
        throw FormatError(.inconsistent, "the first index goes back")
      }
      firstIndex = index
      self.previousTerm = previousTerm
    case .dropped(let uid):
      let i = try position(of: uid)
      let record = segments.remove(at: i)
      dropped.append(record.name)
    case .droppedName(let name):
      if let record = segments.first(where: { $0.name == name }) { throw record.isThereTwice }
      dropped.append(name)
    case .forgotten(let name):
      dropped.removeAll { $0 == name }
    }
  }

  /// Refuses a state that no log can have; checked whenever an edit was applied whole.
  public func validate() throws(FormatError) {
    guard !segments.isEmpty else { throw FormatError(.inconsistent, "a log without a segment") }
    var term: Term = 0
    for (i, segment) in segments.enumerated() {
      if i > 0, segments[i - 1].end?.index != segment.previousIndex {
        throw FormatError(.inconsistent, "segment \(segment.fileName) follows nothing")
      }
      guard segment.previousTerm >= term || i == 0 else {
        throw FormatError(.inconsistent, "the term falls before segment \(segment.fileName)")
      }
      term = segment.previousTerm
      guard let end = segment.end else { continue }
      try Self.validate(end, of: segment)
      term = end.term
    }
    if let first = segments.first, first.firstIndex > firstIndex {
      throw FormatError(.inconsistent, "the log begins before its first segment")
    }
    guard segments.last?.end == nil else {
      throw FormatError(.inconsistent, "the last segment has ended, and no other follows it")
    }
    if let first = segments.first {
      let isAtStart = first.firstIndex == firstIndex
      guard isAtStart ? first.previousTerm == previousTerm : first.previousTerm <= previousTerm
      else {
        throw FormatError(
          .inconsistent,
          "the log begins in term \(previousTerm), its first segment in term "
            + "\(first.previousTerm)")
      }
    }
    guard firstIndex >= 1, firstIndex > 1 || previousTerm == 0 else {
      throw FormatError(.inconsistent, "a term before the first entry there ever was")
    }
  }

  /// Refuses an end that `segment` cannot have.
  public static func validate(
    _ end: SegmentEnd, of segment: SegmentRecord
  ) throws(FormatError) {
    var next = segment.firstIndex
    var term = segment.previousTerm
    for run in end.termRuns {
      guard run.firstIndex >= next, run.firstIndex <= end.index, run.term >= term else {
        throw FormatError(.inconsistent, "the terms of \(segment.fileName) are out of order")
      }
      next = run.firstIndex + 1
      term = run.term
    }
    let isEmpty = end.index == segment.previousIndex
    guard end.index >= segment.previousIndex, end.term == term,
      isEmpty == end.termRuns.isEmpty, isEmpty || end.termRuns[0].firstIndex == segment.firstIndex
    else {
      throw FormatError(.inconsistent, "the end of segment \(segment.fileName) is not its own")
    }
  }

  private func position(of uid: UID) throws(FormatError) -> Int {
    guard let i = segments.lastIndex(where: { $0.uid == uid }) else {
      throw FormatError(.inconsistent, "no segment \(uid)")
    }
    return i
  }

  /// The changes that add up to this state, for a manifest that is rewritten whole.
  public var changes: [ManifestChange] {
    var changes: [ManifestChange] = [.identity(group: group, incarnation: incarnation)]
    changes += boots.map { .opened($0) }
    if firstIndex > 1 { changes.append(.first(firstIndex, previousTerm: previousTerm)) }
    for record in segments { changes.append(.added(record)) }
    changes += dropped.map { .droppedName($0) }
    if isClosed, let last = segments.last {
      changes.append(.closed(last.uid, ordinal: last.durableThrough))
    }
    return changes
  }
}
