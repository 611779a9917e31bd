// Numbers near their end: a directory that claims them is refused, and left as it is, before anything
// is written that could not be read back (`OpeningPlan.requireSound`).

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct HeadroomTests {
  /// What opening leaves at least.
  private static let headroom: UInt64 = 1 << 32

  /// A log of one entry that is vouched for, so that opening goes on in its segment.
  private func log() throws -> LogFixture {
    var log = try LogFixture()
    try log.segment.entry()
    try log.segment.marker()
    return log
  }

  private enum Number: CaseIterable {
    case sequence, edit, boot
  }

  /// A log in which opening gets to `value`, whatever it counts.
  private func log(_ number: Number, reaching value: UInt64) throws -> LogFixture {
    var log = try log()
    var state = log.state
    switch number {
    case .sequence:
      state.dropped = [SegmentName(sequence: value, firstIndex: 1)]
      try log.rewrite(state)
    case .edit:
      try log.rewrite(state, number: value - 1)
    case .boot:
      state.boots = [Boot(counter: value - 1, random: 1)]
      try log.rewrite(state)
    }
    return log
  }

  @Test(arguments: Number.allCases)
  private func aNumberWithoutRoomBehindItIsRefused(_ number: Number) throws {
    let max = number == .sequence ? Layout.sequenceMax : Layout.indexMax
    let last = max - Self.headroom
    let opened = try LogFixture.open(try log(number, reaching: last).disk).opened
    switch number {
    case .sequence: #expect(opened.lastSequence == last)
    case .edit: #expect(opened.manifestPosition.number == last)
    case .boot: #expect(opened.boot.counter == last)
    }
    for value in [last + 1, max - 1, max] {
      try log(number, reaching: value).expectRefusal(.damaged)
    }
  }

  /// The highest number of all, where opening has to make a segment with the next one.
  @Test func aSegmentBehindTheLastNumberIsRefused() throws {
    var log = try LogFixture()
    try log.segment.entry()
    var state = log.state
    state.dropped = [SegmentName(sequence: Layout.sequenceMax, firstIndex: 1)]
    try log.rewrite(state)
    try log.expectRefusal(.damaged)
  }

  /// An edit of the highest number, where opening has to write two.
  @Test func anEditBehindTheLastNumberIsRefused() throws {
    var log = try log()
    try log.roll(isSealed: false)
    try log.segment.entry()
    try log.segment.marker()
    try log.rewrite(log.state, number: Layout.indexMax)
    try log.expectRefusal(.damaged)
  }

  /// The votes are lost, and the term that may not be used again is the highest there is: the next
  /// one was written all the same, and could not be read back.
  @Test func aTermBehindTheHighestIsRefused() throws {
    for (term, isRefused) in [(Layout.indexMax - 1, false), (Layout.indexMax, true)] {
      var log = try LogFixture()
      try log.segment.batch([.filler(10)], term: term)
      try log.segment.marker()
      for name in VoteFile.names { try log.disk.flip(name, at: 30) }
      if isRefused {
        try log.expectRefusal(.damaged)
      } else {
        #expect(try LogFixture.open(log.disk).opened.hardState == HardState(term: term + 1))
      }
    }
  }

  /// The active segment's own end is in no manifest: indices that are used up were found when the
  /// first append counted on.
  @Test func anIndexBehindTheLastOneIsRefused() throws {
    let last = Layout.indexMax - Self.headroom
    for (index, isRefused) in [(last, false), (last + 1, true), (Layout.indexMax - 1, true)] {
      var log = try LogFixture()
      var state = log.state
      let header = SegmentFixture.header(
        firstIndex: index, previousTerm: 1, sequence: 2, group: state.group)
      log.segment = try SegmentFixture(on: log.disk, header: header)
      try log.segment.batch([.filler(10)], term: 1)
      try log.segment.marker()
      try log.disk.remove(state.segments[0].fileName)
      state.segments = [SegmentRecord(header: header, capacity: log.segment.capacity)]
      state.firstIndex = index
      state.previousTerm = 1
      try log.rewrite(state)
      if isRefused {
        try log.expectRefusal(.damaged)
      } else {
        #expect(try LogFixture.open(log.disk).opened.active.end.index == index)
      }
    }
  }

  /// So is its term, where the log goes on in place.
  @Test func aTermBehindTheHighestInTheActiveSegmentIsRefused() throws {
    for (term, isRefused) in [(Layout.indexMax, false), (Layout.indexMax + 1, true)] {
      var log = try LogFixture()
      try log.segment.batch([.filler(10)], term: term)
      try log.segment.marker()
      if isRefused {
        do {
          try LogFixture.open(log.disk)
          Issue.record("a term was taken that no manifest can hold")
        } catch is RecoveryError {
        }
      } else {
        #expect(try LogFixture.open(log.disk).opened.active.end.term == term)
      }
    }
  }

  /// A last segment without an entry says which term it follows. One above the term of the log's last
  /// entry was taken, and entries of a term between the two were not read back.
  @Test func aSegmentThatFollowsATermTheLogDoesNotHaveIsRefused() throws {
    for (term, isRefused) in [(1 as Term, false), (2, true), (Layout.indexMax, true)] {
      var log = try LogFixture()
      try log.segment.batch([.filler(10)], term: 1)
      try log.segment.marker()
      let ended = try log.roll(isSealed: true)
      let header = SegmentFixture.header(
        firstIndex: log.segment.header.firstIndex, previousTerm: term, sequence: 3,
        group: log.state.group)
      try log.disk.remove(log.segment.name)
      log.segment = try SegmentFixture(on: log.disk, header: header)
      var state = log.state
      state.segments[1] = SegmentRecord(header: header, capacity: log.segment.capacity)
      try log.rewrite(state)
      if isRefused {
        try log.expectRefusal(.damaged)
      } else {
        #expect(try LogFixture.open(log.disk).opened.active.end.index == ended.lastIndex)
      }
    }
  }

  /// Entries 1 to 4 are of the terms 1, 1, 2 and 2. Where the manifest has another term before the first
  /// entry than the one that lies there, and all of them are compacted, the next entry would be of a
  /// term below the segment's last.
  @Test(arguments: [(3, 1), (3, 0), (3, 2), (5, 2), (5, 1), (5, 3)] as [(LogIndex, Term)])
  func aTermBeforeTheFirstEntryThatIsNotTheEntrysIsRefused(_ first: LogIndex, _ term: Term) throws {
    var log = try LogFixture()
    for term in [1, 1, 2, 2] as [Term] { try log.segment.batch([.filler(10)], term: term) }
    try log.segment.marker()
    var state = log.state
    state.firstIndex = first
    state.previousTerm = term
    try log.rewrite(state)
    if term == (first == 3 ? 1 : 2) {
      #expect(try LogFixture.open(log.disk).opened.manifest.previousTerm == term)
    } else {
      try log.expectRefusal(.damaged)
    }
  }

  /// A repair asks for the room that its opening will need: a plan that ends in a directory which does
  /// not open was made, and applied.
  @Test(arguments: [false, true])
  func aRepairAsksForTheRoomOfItsOpening(_ isRefused: Bool) throws {
    // Boots.
    var log = try damagedLog()
    var state = log.state
    state.boots = [Boot(counter: Layout.indexMax - Self.headroom - (isRefused ? 0 : 1), random: 1)]
    try log.rewrite(state)
    try expectRepair(of: log, isRefused: isRefused)
    // Terms: without its votes the log goes on in the next one.
    log = try damagedLog(term: Layout.indexMax - (isRefused ? 0 : 1))
    for name in VoteFile.names { try log.disk.flip(name, at: 30) }
    try expectRepair(of: log, isRefused: isRefused)
  }

  /// A log of three entries whose second one is damaged below the mark.
  private func damagedLog(term: Term = 1) throws -> LogFixture {
    var log = try LogFixture()
    let frames = try (0..<3).map { try log.segment.batch([.filler(90, $0)], term: term) }
    try log.segment.marker()
    try log.segment.flip(at: frames[1].bodyEnd - 1)
    return log
  }

  private func expectRepair(
    of log: LogFixture, isRefused: Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try log.disk.contents()
    var generator = SeededGenerator(seed: 3)
    let plan = { (generator: inout SeededGenerator) throws in
      try RepairPlan.make(
        for: try log.diagnose(.everything), in: log.disk, accepting: [Loss(2...3)], keep: .before,
        options: LogFixture.options, using: &generator)
    }
    if isRefused {
      #expect(throws: RecoveryError.self, sourceLocation: sourceLocation) {
        _ = try plan(&generator)
      }
      #expect(try log.disk.contents() == before, sourceLocation: sourceLocation)
    } else {
      var executor = DiskExecutor(directory: log.disk)
      try executor.run(try plan(&generator).steps)
      #expect(
        try LogFixture.open(log.disk).opened.active.end.index == 1, sourceLocation: sourceLocation)
    }
  }
}
