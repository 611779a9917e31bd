// ManifestStateTests: changes add up to a state that makes sense, or are refused and change nothing.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

struct ManifestStateTests {
  private static let a = UID(high: 1, low: 1)
  private static let b = UID(high: 2, low: 2)
  private static let c = UID(high: 3, low: 3)

  private static func record(_ uid: UID, firstIndex: LogIndex, sequence: UInt64) -> SegmentRecord {
    SegmentRecord(
      header: SegmentHeader(
        purpose: .roll, group: Sample.group, uid: uid, salt: sequence, sequence: sequence,
        firstIndex: firstIndex, previousTerm: 1),
      capacity: 1 << 16)
  }

  private static func end(_ ordinal: UInt32, index: LogIndex) -> SegmentEnd {
    SegmentEnd(
      ordinal: ordinal, offset: Layout.page * Int(ordinal + 1), index: index, term: 1,
      checksum: ordinal, termRuns: [TermRun(firstIndex: 1, term: 1)])
  }

  private func state(_ changes: [ManifestChange]) throws -> ManifestState {
    var state = ManifestState(group: Sample.group, incarnation: Sample.incarnation)
    for change in changes { try state.apply(change) }
    return state
  }

  /// Two segments, entries 1 to 10 in the first, the second active.
  private func twoSegments() throws -> ManifestState {
    try state([
      .opened(Boot(counter: 1, random: 1)),
      .added(Self.record(Self.a, firstIndex: 1, sequence: 1)),
      .ended(Self.a, Self.end(5, index: 10), isCut: false),
      .added(Self.record(Self.b, firstIndex: 11, sequence: 2)),
    ])
  }

  /// Expects that `change` is refused, and that nothing is different afterwards.
  private func expectRefusal(
    of change: ManifestChange, by state: ManifestState,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var after = state
    let code = refusal { try after.apply(change) }
    #expect(code == .inconsistent, sourceLocation: sourceLocation)
    #expect(after == state, sourceLocation: sourceLocation)
  }

  // MARK: What changes do

  @Test func segmentsFollowEachOther() throws {
    let state = try twoSegments()
    #expect(state.segments.map(\.uid) == [Self.a, Self.b])
    #expect(state.segments[0].end?.index == 10)
    #expect(state.active?.uid == Self.b && state.active?.end == nil)
    #expect(state.segments[1].previousIndex == 10)
    #expect(state.firstIndex == 1 && state.previousIndex == 0)
  }

  @Test func whatAnEditVouchesForOnlyGrows() throws {
    var state = try twoSegments()
    // "Ends at frame 5" says that frame 5 was durable.
    #expect(state.segments[0].durableThrough == 5)
    try state.apply(.ended(Self.a, Self.end(3, index: 6), isCut: false))
    #expect(state.segments[0].durableThrough == 5)
    #expect(state.segments[0].end?.index == 6)
    try state.apply(.closed(Self.b, ordinal: 4))
    try state.apply(.closed(Self.b, ordinal: 2))
    #expect(state.segments[1].durableThrough == 4)
  }

  @Test func aCutStaysACut() throws {
    var state = try twoSegments()
    try state.apply(.ended(Self.a, Self.end(5, index: 10), isCut: true))
    try state.apply(.ended(Self.a, Self.end(5, index: 10), isCut: false))
    #expect(state.segments[0].isCut)
  }

  @Test func openingEndsTheCleanClose() throws {
    var state = try twoSegments()
    #expect(!state.isClosed)
    try state.apply(.closed(Self.b, ordinal: 1))
    #expect(state.isClosed)
    try state.apply(.opened(Boot(counter: 2, random: 2)))
    #expect(!state.isClosed)
  }

  @Test func theLastBootsAreKept() throws {
    var state = try state([])
    for counter in 1...40 as ClosedRange<UInt64> {
      try state.apply(.opened(Boot(counter: counter, random: counter * 7)))
    }
    #expect(state.boots.map(\.counter) == Array(25...40))
    #expect(state.boots.count == Boot.kept)
  }

  @Test func aDroppedFileIsRememberedUntilItIsGone() throws {
    var state = try twoSegments()
    try state.apply(.first(11, previousTerm: 1))
    try state.apply(.dropped(Self.a))
    let name = SegmentName(sequence: 1, firstIndex: 1)
    #expect(state.segments.map(\.uid) == [Self.b])
    #expect(state.dropped == [name])
    #expect(state.firstIndex == 11 && state.previousTerm == 1)
    try state.apply(.droppedName(SegmentName(sequence: 9, firstIndex: 9)))
    try state.apply(.forgotten(name))
    #expect(state.dropped == [SegmentName(sequence: 9, firstIndex: 9)])
  }

  // MARK: What is refused

  @Test func aManifestKeepsItsGroup() throws {
    let identity = ManifestChange.identity(
      group: Sample.otherGroup, incarnation: Sample.incarnation)
    #expect(try state([identity]).group == Sample.otherGroup)
    expectRefusal(of: identity, by: try twoSegments())
    expectRefusal(of: identity, by: try state([.opened(Boot(counter: 1, random: 1))]))
  }

  @Test func onlyTheLastSegmentIsClosed() throws {
    expectRefusal(of: .closed(Self.a, ordinal: 1), by: try state([]))
    expectRefusal(of: .closed(Self.a, ordinal: 1), by: try twoSegments())
    expectRefusal(of: .closed(Self.c, ordinal: 1), by: try twoSegments())
  }

  @Test func aSegmentFollowsWhereTheLastOneEnds() throws {
    let third = ManifestChange.added(Self.record(Self.c, firstIndex: 21, sequence: 3))
    // The last one has no end yet.
    expectRefusal(of: third, by: try twoSegments())
    for (index, fits) in [(19, false), (20, true), (21, false)] as [(LogIndex, Bool)] {
      var state = try twoSegments()
      try state.apply(.ended(Self.b, Self.end(7, index: index), isCut: false))
      if fits {
        #expect(refusal { try state.apply(third) } == nil)
        #expect(state.active?.uid == Self.c)
      } else {
        expectRefusal(of: third, by: state)
      }
    }
  }

  @Test func aSegmentEndsAtItsBeginningAtTheEarliest() throws {
    expectRefusal(of: .ended(Self.b, Self.end(0, index: 9), isCut: false), by: try twoSegments())
    expectRefusal(of: .ended(Self.c, Self.end(0, index: 20), isCut: false), by: try twoSegments())
    var state = try twoSegments()
    try state.apply(.ended(Self.b, Self.end(0, index: 10), isCut: false))
    #expect(state.segments[1].end?.index == 10)
  }

  @Test func onlyWhatEndedIsSealedAndWhatWasCutNever() throws {
    let seal = SegmentSeal(size: 8192, digest: 1)
    expectRefusal(of: .sealed(Self.b, seal), by: try twoSegments())
    expectRefusal(of: .sealed(Self.c, seal), by: try twoSegments())
    var state = try twoSegments()
    #expect(refusal { try state.apply(.sealed(Self.a, seal)) } == nil)
    #expect(state.segments[0].seal == seal)
    var cut = try twoSegments()
    try cut.apply(.ended(Self.a, Self.end(5, index: 10), isCut: true))
    expectRefusal(of: .sealed(Self.a, seal), by: cut)
    // Nor is what was sealed cut: the manifest could not be written whole again.
    expectRefusal(of: .ended(Self.a, Self.end(5, index: 10), isCut: true), by: state)
  }

  /// A generator that was seeded as in the life before gives the same UID once more.
  @Test func aFreshUIDIsNoSegments() throws {
    var first = SeededGenerator(seed: 4)
    let taken = UID(using: &first)
    let next = UID(using: &first)
    var again = SeededGenerator(seed: 4)
    let state = try state([.added(Self.record(taken, firstIndex: 1, sequence: 1))])
    #expect(state.freshUID(using: &again) == next)
  }

  @Test func theFirstIndexNeverGoesBack() throws {
    var state = try twoSegments()
    try state.apply(.first(8, previousTerm: 1))
    expectRefusal(of: .first(7, previousTerm: 1), by: state)
    expectRefusal(of: .first(0, previousTerm: 0), by: try twoSegments())
    #expect(refusal { try state.apply(.first(8, previousTerm: 1)) } == nil)
  }

  /// A writer gives each segment a name and a UID of its own: with one of them twice, what is said of
  /// one would be taken for the other.
  @Test func nothingIsThereTwice() throws {
    let state = try twoSegments()
    let next = Self.end(1, index: 20)
    for (uid, first, sequence) in [(Self.a, 21, 3), (Self.b, 21, 3)] as [(UID, LogIndex, UInt64)] {
      var state = state
      try state.apply(.ended(Self.b, next, isCut: false))
      #expect(throws: FormatError.self) {
        try state.apply(.added(Self.record(uid, firstIndex: first, sequence: sequence)))
      }
    }
    // A name that was dropped is somebody's until it is forgotten.
    let name = SegmentName(sequence: 3, firstIndex: 21)
    var dropped = state
    try dropped.apply(.droppedName(name))
    try dropped.apply(.ended(Self.b, next, isCut: false))
    let third = Self.record(Self.c, firstIndex: 21, sequence: 3)
    #expect(throws: FormatError.self) { try dropped.apply(.added(third)) }
    try dropped.apply(.forgotten(name))
    try dropped.apply(.added(third))
    #expect(throws: FormatError.self) { try dropped.apply(.droppedName(name)) }
  }

  @Test func onlyWhatEndedComesCutOrSealed() throws {
    var sealed = Self.record(Self.a, firstIndex: 1, sequence: 1)
    sealed.seal = SegmentSeal(size: 9000, digest: 1)
    var cut = Self.record(Self.a, firstIndex: 1, sequence: 1)
    cut.isCut = true
    var both = cut
    both.end = Self.end(5, index: 10)
    both.seal = sealed.seal
    for record in [sealed, cut, both] {
      #expect(throws: FormatError.self) { try self.state([.added(record)]) }
    }
  }

  @Test func onlyASegmentOfTheLogIsDropped() throws {
    expectRefusal(of: .dropped(Self.c), by: try twoSegments())
    var state = try twoSegments()
    try state.apply(.dropped(Self.a))
    expectRefusal(of: .dropped(Self.a), by: state)
  }

  // MARK: Rewriting

  /// States with everything that a state can hold.
  private func states() throws -> [ManifestState] {
    var closed = try twoSegments()
    try closed.apply(.closed(Self.b, ordinal: 6))
    var compacted = try twoSegments()
    try compacted.apply(.first(11, previousTerm: 1))
    try compacted.apply(.dropped(Self.a))
    for counter in 2...30 as ClosedRange<UInt64> {
      try compacted.apply(.opened(Boot(counter: counter, random: 0)))
    }
    var cut = try twoSegments()
    try cut.apply(.ended(Self.b, Self.end(2, index: 15), isCut: true))
    try cut.apply(.added(Self.record(Self.c, firstIndex: 16, sequence: 3)))
    try cut.apply(.sealed(Self.a, SegmentSeal(size: 12_288, digest: 5)))
    return [try state([]), try twoSegments(), closed, compacted, cut]
  }

  @Test func aStateIsTheSumOfItsOwnChanges() throws {
    for expected in try states() { #expect(try state(expected.changes) == expected) }
  }

  @Test func anImageSaysEverythingInOneEdit() throws {
    for expected in try states() {
      for room in [0, 1, 4096, 32 << 10] {
        let image = ManifestImage(state: expected, number: 77, room: room)
        let header = try ManifestHeader(decoding: image.bytes.span)
        #expect(header.firstNumber == 77 && header.group == expected.group)
        #expect(header.incarnation == expected.incarnation)
        let rest = image.bytes[Layout.manifestHeader..<image.bytes.count]
        let first = try ManifestEdit.decode(rest.span)
        #expect(first.edit.number == 77)
        #expect(first.previousChecksum == header.checksum)
        #expect(first.checksum == image.checksum)
        #expect(Layout.manifestHeader + first.extent == image.end)
        #expect(try state(first.edit.changes) == expected)
        #expect(image.bytes.count % Layout.page == 0)
        #expect(image.bytes.count - image.end >= room)
        #expect(image.bytes[image.end..<image.bytes.count].isZero)
      }
    }
  }
}
