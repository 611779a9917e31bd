// ScanTests: the scan says what lies in a segment, and where exactly it stopped making sense.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

struct ScanTests {
  // MARK: Clean tails

  @Test func anEmptySegmentIsClean() throws {
    let segment = try SegmentFixture()
    let scan = try segment.scan()
    #expect(scan.breaks.map(\.shape) == [.zeros])
    #expect(scan.breaks[0].offset == Layout.segmentHeader && scan.breaks[0].ordinal == 1)
    #expect(scan.breaks[0].row() == .clean)
    #expect(scan.end.ordinal == 0 && scan.end.index == 0)
    #expect(scan.end.checksum == segment.header.checksum)
    #expect(scan.batches == [] && scan.indices.isEmpty)
    #expect(scan.digest == segment.header.encoded().checksum)
  }

  @Test func aCleanTailIsReadToItsEnd() throws {
    var segment = try SegmentFixture()
    try segment.batch([.filler(10), Bytes(), .filler(3000)], term: 2)
    try segment.batch([.filler(6000)], term: 5, durable: 1)
    let marker = try segment.marker()
    let scan = try segment.scan()
    #expect(
      scan.batches == [
        BatchLocation(offset: 4096, ordinal: 1, firstIndex: 1, lastIndex: 3),
        BatchLocation(offset: 8192, ordinal: 2, firstIndex: 4, lastIndex: 4),
      ])
    #expect(scan.termRuns == [TermRun(firstIndex: 1, term: 2), TermRun(firstIndex: 4, term: 5)])
    #expect(scan.end.ordinal == 3 && scan.end.index == 4 && scan.end.term == 5)
    #expect(scan.end.offset == marker.end && scan.end.checksum == marker.frame.checksum)
    #expect(scan.durableOrdinal == 2 && scan.durableOrdinalAnywhere == 2)
    #expect(scan.manifestEdit == 1)
    #expect(scan.breaks.map(\.shape) == [.zeros] && scan.breaks[0].offset == marker.end)
    #expect(scan.breaks[0].ordinal == 4 && scan.breaks[0].firstIndex == 5)
    #expect(scan.batchesBehindBreak == [] && scan.paddingDamage == [] && scan.unsupported == nil)
    let whole = try segment.disk.bytes(of: segment.name)
    #expect(scan.digest == whole[0..<marker.end].checksum)
  }

  @Test func aSegmentThatIsFullToItsLastByteIsClean() throws {
    var segment = try SegmentFixture(capacity: 3 * Layout.page)
    try segment.entry()
    try segment.entry()
    #expect(segment.end == segment.capacity)
    let scan = try segment.scan()
    #expect(scan.end.ordinal == 2)
    #expect(scan.breaks.map(\.shape) == [.zeros] && scan.breaks[0].offset == segment.end)
  }

  @Test func theFooterOfAScanDescribesTheFile() throws {
    var segment = try SegmentFixture(header: SegmentFixture.header(firstIndex: 50, previousTerm: 3))
    try segment.batch([.filler(10), .filler(10)], term: 3)
    try segment.batch([.filler(10)], term: 4)
    let scan = try segment.scan()
    let bytes = scan.footer.encoded(header: segment.header)
    let footer = try SegmentFooter(decoding: bytes.span, header: segment.header)
    #expect(footer == scan.footer)
    #expect(footer.offset == segment.end && footer.lastOrdinal == 2)
    #expect(footer.lastIndex == 52 && footer.lastTerm == 4 && footer.batches == scan.batches)
    #expect(footer.digest == scan.digest)
  }

  @Test func aLimitIsWhereTheScanEnds() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let second = try segment.entry()
    let third = try segment.entry()
    try segment.flip(at: third.offset + 70)
    let scan = try segment.scan(limit: second.end)
    #expect(scan.end.ordinal == 2 && scan.end.offset == second.end)
    #expect(scan.breaks.isEmpty)
    #expect(try segment.scan().breaks.map(\.shape) == [.bodyDamaged])
  }

  @Test func aScanGoesOnWhereItEnded() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    var scan = try segment.scan()
    let file = try segment.disk.open(segment.name, .read)
    var isMore = try scan.extend(file)
    #expect(!isMore)
    // A writer is in the middle of a batch, then it is done.
    let second = try segment.entry(6000)
    try segment.zeroSector(0, of: second)
    isMore = try scan.extend(file)
    #expect(!isMore && scan.end.ordinal == 1)
    try segment.restore(second)
    try segment.bare(.truncation, truncateAfter: 1)
    isMore = try scan.extend(file)
    #expect(isMore)
    let afresh = try segment.scan()
    #expect(scan.end == afresh.end && scan.end.index == 1)
    #expect(scan.batches == afresh.batches && scan.digest == afresh.digest)
  }

  // MARK: Torn tails

  /// Whatever sectors of the last write arrived, the scan says torn, or clean where only padding or
  /// nothing is missing: never that anything was damaged.
  @Test(arguments: 0..<8)
  func everyTornLastBatchLooksTorn(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var segment = try SegmentFixture()
    try segment.entry()
    let last = try segment.entry(6000)
    let dataSectors = (last.bodyEnd - last.offset + Layout.sector - 1) / Layout.sector
    let sectors = last.bytes.count / Layout.sector
    #expect(dataSectors == 12 && sectors == 16)
    var rows: Set<Verdict> = []
    for _ in 0..<60 {
      try segment.restore(last)
      // Dense and sparse losses alike.
      let odds = 1 + generator.below(15)
      let lost = (0..<sectors).filter { _ in generator.below(16) < odds }
      for sector in lost { try segment.zeroSector(sector, of: last) }
      let scan = try segment.scan()
      let row = try #require(scan.breaks.first).row()
      rows.insert(row)
      let isWhole = lost.allSatisfy { $0 >= dataSectors }
      #expect(scan.end.ordinal == (isWhole ? 2 : 1), "lost \(lost)")
      if isWhole || lost.count == sectors {
        #expect(row == .clean, "lost \(lost)")
      } else {
        #expect(row == (lost.contains(0) ? .tornFrame : .tornBody), "lost \(lost)")
        #expect(scan.breaks[0].offset == last.offset && scan.breaks[0].later == .none)
        #expect(scan.breaks[0].ordinal == 2 && scan.breaks[0].firstIndex == 2)
      }
    }
    #expect(rows.isSuperset(of: [.tornFrame, .tornBody]))
  }

  @Test func aTornBodyNamesItsEntriesWhileTheirTableIsKnown() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let last = try segment.batch([.filler(2000), .filler(2000), .filler(2000)])
    try segment.zeroSector(5, of: last)
    let found = try #require(try segment.scan().breaks.first)
    #expect(found.shape == .bodyCutByZeros && found.row() == .tornBody)
    // The body's header is in the first sector, and says how many entries there are.
    #expect(found.firstIndex == 2 && found.lastIndex == 4)
    try segment.zeroSector(0, of: last)
    let frameless = try #require(try segment.scan().breaks.first)
    #expect(frameless.shape == .frameMissing && frameless.row() == .tornFrame)
    #expect(frameless.firstIndex == 2 && frameless.lastIndex == nil)
  }

  /// Sectors that are zero by content do not make a whole batch look torn, and their loss does not
  /// hide the loss of others.
  @Test func contentOfZerosIsNotATear() throws {
    var segment = try SegmentFixture()
    let last = try segment.batch([.zeros(6000)])
    #expect(last.frame.blankSectors > 5)
    #expect(try segment.scan().end.ordinal == 1)
    // A sector of zeros was zero before: losing it loses nothing.
    try segment.zeroSector(3, of: last)
    #expect(try segment.scan().end.ordinal == 1)
    // The last data sector holds the table.
    try segment.zeroSector(11, of: last)
    #expect(try segment.scan().breaks.first?.shape == .bodyCutByZeros)
    // Rot is no tear, however many zeros there are.
    try segment.restore(last)
    try segment.flip(at: last.offset + 3000)
    #expect(try segment.scan().breaks.first?.shape == .bodyDamaged)
  }

  /// A sector with one bit set counts as blank, so that a flip of that bit never looks like a tear.
  @Test func aFlipThatBlanksASectorIsNotATear() throws {
    var segment = try SegmentFixture()
    var payload = [UInt8](repeating: 0xFF, count: 6000)
    let front = Layout.sector - Layout.frame - Layout.bodyHeader
    let sector = front + 2 * Layout.sector
    for i in sector..<sector + Layout.sector { payload[i] = 0 }
    payload[sector + 9] = 0x10
    let last = try segment.batch([Bytes(payload)])
    #expect(last.frame.blankSectors == 1)
    try segment.flip(at: last.offset + 3 * Layout.sector + 9, bit: 4)
    let found = try #require(try segment.scan().breaks.first)
    #expect(found.shape == .bodyDamaged && found.row() == .ambiguousTail)
  }

  // MARK: Rot

  @Test func everyFlippedBitOfTheLastFrameIsAmbiguous() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let last = try segment.entry()
    for offset in last.offset..<last.offset + Layout.frame {
      let bit = offset % 8
      try segment.flip(at: offset, bit: bit)
      let scan = try segment.scan()
      #expect(scan.end.ordinal == 1, "byte \(offset)")
      #expect(scan.breaks.map(\.shape) == [.frameDamaged], "byte \(offset)")
      #expect(scan.breaks.first?.row() == .ambiguousTail)
      try segment.flip(at: offset, bit: bit)
    }
    #expect(try segment.scan().end.ordinal == 2)
  }

  @Test func everyFlippedBitOfTheLastBodyIsAmbiguous() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let last = try segment.entry()
    #expect(last.bodyEnd - last.offset > 200)
    for offset in last.offset + Layout.frame..<last.bodyEnd {
      let bit = offset % 8
      try segment.flip(at: offset, bit: bit)
      let scan = try segment.scan()
      #expect(scan.end.ordinal == 1, "byte \(offset)")
      #expect(scan.breaks.map(\.shape) == [.bodyDamaged], "byte \(offset)")
      #expect(scan.breaks.first?.row() == .ambiguousTail)
      try segment.flip(at: offset, bit: bit)
    }
    #expect(try segment.scan().end.ordinal == 2)
  }

  @Test func everyFlippedBitOfPaddingIsHarmlessAndSaid() throws {
    var segment = try SegmentFixture()
    let first = try segment.entry()
    try segment.entry()
    for offset in stride(from: first.bodyEnd, to: first.end, by: 13) {
      try segment.flip(at: offset, bit: offset % 8)
      let scan = try segment.scan()
      #expect(scan.end.ordinal == 2 && scan.paddingDamage == [first.offset])
      #expect(scan.breaks.map(\.shape) == [.zeros])
      try segment.flip(at: offset, bit: offset % 8)
    }
    #expect(try segment.scan().paddingDamage == [])
  }

  @Test func bytesBehindTheEndAreEvidence() throws {
    var segment = try SegmentFixture()
    let last = try segment.entry()
    // In the next frame's sector, where no torn write explains it; further on, where one does.
    for (offset, shape, row) in [
      (last.end, BreakShape.frameDamaged, Verdict.ambiguousTail),
      (last.end + 511, .frameDamaged, .ambiguousTail),
      (last.end + 512, .frameMissing, .tornFrame),
      (segment.capacity - 1, .frameMissing, .tornFrame),
    ] {
      try segment.flip(at: offset)
      let scan = try segment.scan()
      #expect(scan.end.ordinal == 1)
      #expect(scan.breaks.map(\.shape) == [shape], "byte \(offset)")
      #expect(scan.breaks.first?.row() == row, "byte \(offset)")
      try segment.flip(at: offset)
    }
  }

  // MARK: Later frames

  @Test func severalWritesInFlightAreFoundBehindATornOne() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let second = try segment.entry(6000, durable: 1)
    let third = try segment.entry(durable: 1)
    try segment.entry(durable: 1)
    try segment.zeroSector(4, of: second)
    let scan = try segment.scan()
    #expect(scan.end.ordinal == 1 && scan.end.index == 1)
    let found = try #require(scan.breaks.first)
    #expect(found.shape == .bodyCutByZeros && found.later == .notVouching)
    #expect(found.row() == .tornSeveral)
    #expect(found.firstIndex == 2 && found.lastIndex == 2 && found.resumesAt == third.offset)
    #expect(scan.batchesBehindBreak.map(\.ordinal) == [3, 4])
    #expect(scan.batchesBehindBreak.map(\.firstIndex) == [3, 4])
    #expect(scan.breaks.dropFirst().map(\.shape) == [.zeros])
    #expect(scan.durableOrdinal == 0 && scan.durableOrdinalAnywhere == 1)
  }

  @Test func aLostFrameIsSearchedBehindPageByPage() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let second = try segment.entry(20_000, durable: 1)
    let third = try segment.entry(durable: 1)
    // Its length is lost with the frame: the next one may be on any page.
    try segment.zero(second.range)
    let found = try #require(try segment.scan().breaks.first)
    #expect(found.shape == .frameMissing && found.later == .notVouching)
    #expect(found.resumesAt == third.offset)
    #expect(found.firstIndex == 2 && found.lastIndex == 2)
  }

  @Test(arguments: [true, false])
  func aLaterFrameVouches(_ byMarker: Bool) throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let second = try segment.entry(6000, durable: 1)
    try segment.entry(durable: 1)
    // Not the next frame, but one behind it, was written when the second was durable.
    if byMarker { try segment.marker() } else { try segment.entry(durable: 2) }
    try segment.zeroSector(4, of: second)
    let scan = try segment.scan()
    let found = try #require(scan.breaks.first)
    #expect(found.later == .vouching)
    for stop in BreakFacts.Stop.allCases { #expect(found.row(stop) == .corruptBatch) }
    #expect(scan.durableOrdinalAnywhere >= 2 && scan.durableOrdinal == 0)
    #expect(found.firstIndex == 2 && found.lastIndex == 2)
  }

  @Test func eachBreakHasItsOwnWitnesses() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let second = try segment.entry(durable: 1)
    let third = try segment.entry(durable: 1)
    try segment.entry(durable: 2)
    // In the payloads: the bodies' headers still say which entries these were.
    try segment.flip(at: second.offset + 150)
    try segment.flip(at: third.offset + 150)
    let scan = try segment.scan()
    #expect(scan.breaks.map(\.shape) == [.bodyDamaged, .bodyDamaged, .zeros])
    #expect(scan.breaks.map(\.ordinal) == [2, 3, 5])
    #expect(scan.breaks.map(\.later) == [.vouching, .notVouching, .none])
    #expect(scan.breaks.map(\.firstIndex) == [2, 3, 5])
    #expect(scan.breaks[0].lastIndex == 2 && scan.breaks[1].lastIndex == 3)
    #expect(scan.batchesBehindBreak.map(\.firstIndex) == [4])
  }

  /// Each break is told by the frames behind it alone, however many there are of either.
  @Test(arguments: 0..<8)
  func witnessesAgreeWithALook(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: 400 + seed)
    var segment = try SegmentFixture(capacity: 1 << 20)
    var durable: UInt32 = 0
    for _ in 0..<40 {
      if generator.below(3) == 0 {
        durable += UInt32(generator.below(Int(segment.ordinal - durable) + 1))
      }
      try segment.entry(generator.below(4) == 0 ? 6000 : 100, durable: durable)
    }
    // Not the last one: without it nobody knows that it was there.
    let isWhole = segment.frames.map { _ in generator.below(2) == 0 }
    let damaged = segment.frames.dropLast().filter { !isWhole[Int($0.frame.ordinal) - 1] }
    for placed in damaged { try segment.zero(placed.range) }
    let whole = segment.frames.filter { frame in !damaged.contains { $0.offset == frame.offset } }
    let scan = try segment.scan()
    var breaks = 0
    for found in scan.breaks where found.shape != .zeros {
      let behind = whole.filter { $0.offset > found.offset }
      #expect(found.resumesAt == behind.first?.offset)
      let isVouched = behind.contains { $0.frame.durableOrdinal >= found.ordinal }
      #expect(found.later == (isVouched ? .vouching : .notVouching))
      breaks += 1
    }
    #expect(breaks >= 3)
    #expect(scan.batches.count + scan.batchesBehindBreak.count == whole.count)
  }

  /// Repair gives up what is reported as damaged and keeps the rest: between the two nothing may be
  /// missing, whatever part of which frame is gone.
  @Test func everyEntryIsReadableOrInTheRangeOfABreak() throws {
    var generator = SeededGenerator(seed: 21)
    var severed = 0
    for _ in 0..<80 {
      var segment = try SegmentFixture()
      for i in 0..<6 { try segment.batch([.filler(60, i), .filler(60, i)], durable: UInt32(i)) }
      try segment.marker()
      // Frames lost whole, with only their own bytes wrong, or with only their payloads wrong.
      var damaged = 0
      for placed in segment.frames.dropLast() where generator.below(2) == 0 {
        damaged += 1
        switch generator.below(3) {
        case 0: try segment.zero(placed.range)
        case 1: try segment.flip(at: placed.offset + 20)
        default: try segment.flip(at: placed.offset + 150)
        }
      }
      let scan = try segment.scan()
      let readable = (scan.batches + scan.batchesBehindBreak).flatMap {
        $0.firstIndex...$0.lastIndex
      }
      let known = scan.breaks.dropLast().flatMap { found in
        found.firstIndex..<max(found.firstIndex, (found.lastIndex ?? 12) + 1)
      }
      #expect(readable.count == 12 - 2 * damaged)
      #expect(Set(readable).union(known) == Set(1...12), "readable \(readable), damaged \(known)")
      #expect(Set(readable).isDisjoint(with: known), "readable \(readable), damaged \(known)")
      severed += damaged > 1 ? 1 : 0
    }
    #expect(severed > 20)
  }

  /// A marker holds no entry, so its damage makes none unreadable.
  @Test func aDamagedMarkerTakesNoEntryWithIt() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    try segment.entry()
    let marker = try segment.marker()
    try segment.entry(durable: 3)
    try segment.entry(durable: 4)
    try segment.flip(at: marker.offset + 20)
    let scan = try segment.scan()
    #expect(scan.batchesBehindBreak.map(\.firstIndex) == [3, 4])
    let found = try #require(scan.breaks.first)
    #expect(found.ordinal == 3 && found.later == .vouching && found.firstIndex == 3)
    #expect(found.lastIndex == 2, "entry 3 can be read, and is reported as damaged")
  }

  // MARK: Order

  /// Expects that the last frame, valid by itself, is out of order behind the frame `after`.
  private func expectDisorder(
    _ segment: SegmentFixture, after: UInt32, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let scan = try segment.scan()
    #expect(scan.end.ordinal == after, sourceLocation: sourceLocation)
    let found = try #require(scan.breaks.first, sourceLocation: sourceLocation)
    #expect(found.shape == .outOfOrder, "\(found.detail)", sourceLocation: sourceLocation)
    #expect(found.offset == segment.frames.last?.offset, sourceLocation: sourceLocation)
    #expect(found.row() == .corruptOrder, sourceLocation: sourceLocation)
    #expect(found.row(.clean) == .behindClose, sourceLocation: sourceLocation)
    #expect(found.row(mark: .atOrBelow) == .corruptOrder, sourceLocation: sourceLocation)
  }

  private func twoEntries() throws -> SegmentFixture {
    var segment = try SegmentFixture(header: SegmentFixture.header(firstIndex: 11, previousTerm: 2))
    try segment.batch([.filler(10), .filler(10)], term: 4)
    return segment
  }

  @Test func aFrameHasTheNextOrdinal() throws {
    for ordinal in [1, 3, UInt32.max - 1] {
      var segment = try twoEntries()
      try segment.batch([.filler(10)], ordinal: ordinal)
      try expectDisorder(segment, after: 1)
    }
  }

  @Test func aFrameIsChainedToTheOneBefore() throws {
    var segment = try twoEntries()
    try segment.batch([.filler(10)], previous: 0)
    try expectDisorder(segment, after: 1)
    var first = try SegmentFixture()
    try first.batch([.filler(10)], previous: 0)
    try expectDisorder(first, after: 0)
  }

  @Test func indicesNeitherGoBackNorLeaveAGap() throws {
    for index in [1, 10, 11, 12, 14, 100] as [LogIndex] {
      var segment = try twoEntries()
      try segment.batch([.filler(10)], firstIndex: index)
      try expectDisorder(segment, after: 1)
    }
    var segment = try twoEntries()
    try segment.batch([.filler(10)], firstIndex: 13)
    #expect(try segment.scan().end.ordinal == 2)
  }

  @Test func termsNeverFall() throws {
    var segment = try twoEntries()
    try segment.batch([.filler(10)], term: 3)
    try expectDisorder(segment, after: 1)
    // After a truncation the term that counts is the one of the entry before it.
    var truncated = try twoEntries()
    try truncated.batch([.filler(10)], term: 3, truncateAfter: 10)
    #expect(try truncated.scan().end.term == 3)
    var early = try twoEntries()
    try early.batch([.filler(10)], term: 1, truncateAfter: 10)
    try expectDisorder(early, after: 1)
  }

  @Test func aTruncationStaysWithinItsSegment() throws {
    for index in [0, 9, 13, Layout.indexMax] {
      var segment = try twoEntries()
      try segment.bare(.truncation, truncateAfter: index)
      try expectDisorder(segment, after: 1)
    }
    for index in [10, 11, 12] as [LogIndex] {
      var segment = try twoEntries()
      try segment.bare(.truncation, truncateAfter: index)
      #expect(try segment.scan().end.index == index)
    }
  }

  @Test func aBatchBelongsToTheGroup() throws {
    var segment = try twoEntries()
    try segment.batch([.filler(10)], group: UID(high: 1, low: 1))
    try expectDisorder(segment, after: 1)
  }

  @Test func aBatchIsNotSkippedWhole() throws {
    var segment = try twoEntries()
    try segment.batch([.filler(10), .filler(10)], firstIndex: 11, skip: 2)
    try expectDisorder(segment, after: 1)
  }

  // MARK: Skip and truncation

  @Test func skipAndTruncationClampBatches() throws {
    var segment = try SegmentFixture()
    try segment.batch([.filler(10), .filler(10), .filler(10)], term: 1)
    try segment.batch([.filler(10), .filler(10)], term: 2)
    // A body of entries 4 to 6, of which the log takes 5 and 6, over its own entry 5.
    try segment.batch([.filler(10, 4), .filler(10, 5), .filler(10, 6)], skip: 1, truncateAfter: 4)
    var scan = try segment.scan()
    #expect(
      scan.batches == [
        BatchLocation(offset: 4096, ordinal: 1, firstIndex: 1, lastIndex: 3),
        BatchLocation(offset: 8192, ordinal: 2, firstIndex: 4, lastIndex: 4),
        BatchLocation(offset: 12288, ordinal: 3, firstIndex: 5, lastIndex: 6),
      ])
    #expect(scan.end.index == 6 && scan.end.term == 2)
    let entries = try segment.entries(at: scan.batches)
    #expect(entries.map(\.index) == Array(1...6))
    #expect(entries[4].payload == .filler(10, 5) && entries[5].payload == .filler(10, 6))

    try segment.bare(.truncation, truncateAfter: 2)
    scan = try segment.scan()
    #expect(scan.batches.map(\.lastIndex) == [2])
    #expect(scan.end.index == 2 && scan.end.term == 1 && scan.end.ordinal == 4)
    #expect(scan.termRuns == [TermRun(firstIndex: 1, term: 1)])
    // Where the chain was earlier, what was truncated later is gone as well.
    #expect(scan.end(at: 3).index == 2 && scan.end(at: 3).offset == 16384)
    #expect(scan.end(at: 0).index == 0 && scan.end(at: 0).checksum == segment.header.checksum)

    try segment.bare(.truncation, truncateAfter: 0)
    scan = try segment.scan()
    #expect(scan.batches == [] && scan.termRuns == [])
    #expect(scan.end.index == 0 && scan.end.term == 0 && scan.end.ordinal == 5)
  }

  /// The log as a list: entries are added, cut off and replaced, and the scan says the same.
  @Test(arguments: 0..<12 as Range<UInt64>)
  func aScanAgreesWithAList(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var list: [(term: Term, payload: Bytes)] = []
    var segment = try SegmentFixture(capacity: 1 << 20)
    var truncations = 0
    for step in 0..<60 {
      let kind = generator.below(6)
      if kind == 0 {
        try segment.marker()
        continue
      }
      var truncation: LogIndex?
      if kind < 3 {
        let count = generator.below(list.count + 1)
        truncations += count < list.count ? 1 : 0
        list.removeLast(list.count - count)
        truncation = LogIndex(count)
      }
      if kind == 1 {
        try segment.bare(.truncation, truncateAfter: truncation)
        continue
      }
      let term = max(1, (list.last?.term ?? 0) + Term(generator.below(2)))
      let skip = generator.below(min(list.count, 3) + 1)
      let taken = (0...generator.below(4)).map { Bytes.filler(1 + $0 * 50, step) }
      try segment.batch(
        [Bytes](repeating: Bytes("skipped"), count: skip) + taken, term: term, skip: skip,
        truncateAfter: truncation)
      list += taken.map { (term, $0) }
      try expectSame(try segment.scan(), segment, list)
    }
    #expect(truncations > 3)
    #expect(try segment.scan().end.ordinal == 60)
  }

  private func expectSame(
    _ scan: SegmentScan, _ segment: SegmentFixture, _ list: [(term: Term, payload: Bytes)]
  ) throws {
    #expect(scan.breaks.map(\.shape) == [.zeros])
    #expect(scan.end.index == LogIndex(list.count))
    #expect(scan.end.term == list.last?.term ?? 0)
    let entries = try segment.entries(at: scan.batches)
    #expect(entries.map(\.index) == list.indices.map { LogIndex($0) + 1 })
    #expect(entries.map(\.payload) == list.map(\.payload))
    #expect(entries.map(\.term) == list.map(\.term))
    var runs: [TermRun] = []
    for (i, entry) in list.enumerated() where runs.last?.term != entry.term {
      runs.append(TermRun(firstIndex: LogIndex(i) + 1, term: entry.term))
    }
    #expect(scan.termRuns == runs)
  }

  // MARK: Files that are too short

  /// No crash makes a file shorter than it was made: whatever is missing may have been acknowledged.
  @Test func everyCutOfAFileIsNoticed() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let last = try segment.entry(5000)
    var shapes: Set<BreakShape> = []
    for size in stride(from: last.end, through: Layout.segmentHeader, by: -61) {
      try segment.cut(to: size)
      let scan = try segment.scan()
      let found = try #require(scan.breaks.first, "cut to \(size)")
      shapes.insert(found.shape)
      #expect(found.row() == .ambiguousTail, "cut to \(size)")
      #expect(found.row(mark: .atOrBelow) == .corruptBatch, "cut to \(size)")
      // A frame counts as long as its body is there.
      let whole = segment.frames.count { $0.bodyEnd <= size }
      #expect(scan.end.ordinal == UInt32(whole), "cut to \(size)")
    }
    #expect(shapes.contains(.fileEnds))
  }

  @Test func aFileThatEndsWhereItsFramesDoIsStillTooShort() throws {
    var segment = try SegmentFixture()
    let last = try segment.entry()
    try segment.cut(to: last.end)
    #expect(try segment.scan().breaks.map(\.shape) == [.fileEnds])
    // Nobody said how large this one was made.
    let file = try segment.disk.open(segment.name, .read)
    let detached = try SegmentScan.scan(file, header: segment.header)
    #expect(detached.breaks.map(\.shape) == [.zeros])
    #expect(detached.end.ordinal == 1)
  }

  // MARK: Sectors that cannot be read

  private func scan(_ segment: SegmentFixture, unreadable offset: Int) throws -> SegmentScan {
    segment.disk.faults = [.unreadable(file: segment.name, sector: offset / Layout.sector)]
    defer { segment.disk.faults = [] }
    return try segment.scan()
  }

  @Test func anUnreadableSectorIsOneBadSectorAndNoMore() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let second = try segment.entry(6000, durable: 1)
    try segment.entry(durable: 2)
    // The frame's own sector.
    let frame = try scan(segment, unreadable: second.offset)
    #expect(frame.breaks.first?.shape == .unreadable && frame.breaks.first?.later == .vouching)
    #expect(frame.batches.count == 1 && frame.batchesBehindBreak.count == 1)
    // In the body: it must not look like the zeros of a torn write.
    for sector in 1..<12 {
      let body = try scan(segment, unreadable: second.offset + sector * Layout.sector)
      #expect(body.breaks.first?.shape == .unreadable, "sector \(sector)")
      let start = second.offset + sector * Layout.sector
      #expect(body.unreadable == [start..<start + Layout.sector])
      #expect(body.breaks.first?.row() == .corruptBatch)
      #expect(body.end.ordinal == 1 && body.batchesBehindBreak.count == 1)
    }
    // In padding: harmless, and said.
    let padding = try scan(segment, unreadable: second.end - 1)
    #expect(padding.end.ordinal == 3 && padding.paddingDamage == [second.offset])
  }

  @Test func anUnreadableTailIsNeverTakenForFreeSpace() throws {
    var segment = try SegmentFixture()
    let last = try segment.entry()
    let next = try scan(segment, unreadable: last.end)
    #expect(next.breaks.map(\.shape) == [.unreadable])
    #expect(next.breaks.first?.row() == .inputOutput)
    let further = try scan(segment, unreadable: last.end + Layout.page)
    // Space behind the end: a frame there would have followed one here.
    #expect(further.breaks.map(\.shape) == [.zeros] && further.failure != nil)
    // Bytes there are a cut all the same.
    try segment.flip(at: segment.capacity - 1)
    let bytes = try scan(segment, unreadable: last.end + Layout.page)
    #expect(bytes.breaks.map(\.shape) == [.frameMissing])
    try segment.flip(at: segment.capacity - 1)
    // The last batch itself, and nothing behind it.
    let body = try scan(segment, unreadable: last.offset)
    #expect(body.breaks.first?.shape == .unreadable)
    #expect(body.breaks.first?.row() == .inputOutput)
  }

  // MARK: Newer frames

  @Test func aFrameOfAnUnknownKindStopsTheScan() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    let newer = try segment.bare(FrameKind(rawValue: 9))
    try segment.entry()
    let scan = try segment.scan()
    #expect(scan.unsupported?.code == .unsupported && scan.unsupported?.offset == newer.offset)
    #expect(scan.end.ordinal == 1 && scan.breaks.isEmpty)
  }

  /// The bytes of a frame with some of them replaced, and checksums that are right for them.
  private func forged(
    _ placed: PlacedFrame, of segment: SegmentFixture, _ change: (Bytes) -> Bytes
  ) -> Bytes {
    var salt = ByteWriter(capacity: 8)
    salt.u64(segment.header.salt)
    return change(placed.bytes)
      .sealed(at: 4, covering: 8..<Layout.frame, seed: salt.finish().checksum)
  }

  /// A sound checksum over what this program does not know: the program is too old, not the disk
  /// bad. Behind a break too, or a cut would take it away.
  @Test(arguments: [true, false])
  func aFrameThatSaysMoreIsNotDamage(_ isBehindBreak: Bool) throws {
    for offset in [9, 10, 11, 56, 63] {
      var segment = try SegmentFixture()
      let first = try segment.entry()
      let last = try segment.entry()
      let newer = forged(last, of: segment) { $0.replacing(at: offset, with: UInt8(0x40)) }
      try segment.disk.write(newer, to: segment.name, at: last.offset)
      if isBehindBreak { try segment.flip(at: first.bodyEnd - 20) }
      let scan = try segment.scan()
      #expect(scan.unsupported?.offset == last.offset, "byte \(offset)")
      #expect(scan.breaks.count == (isBehindBreak ? 1 : 0))
      // With a checksum that is not right it is damage.
      let rotten = last.bytes.replacing(at: offset, with: UInt8(0x40))
      try segment.disk.write(rotten, to: segment.name, at: last.offset)
      #expect(try segment.scan().unsupported == nil)
    }
  }

  @Test func aBodyWithAnotherCodecIsNotDamage() throws {
    // The codec, and the reserved bytes of a body's header.
    for offset in [4, 5, 7, 60] {
      var segment = try SegmentFixture()
      try segment.entry()
      let last = try segment.entry()
      let body = Layout.frame + 4..<Layout.frame + Layout.bodyHeader
      let changed = last.bytes.replacing(at: Layout.frame + offset, with: UInt8(7))
        .sealed(at: Layout.frame, covering: body)
      let newer = forged(last, of: segment) { _ in
        changed.replacing(at: 36, with: CRC32C.checksum(changed.span.extracting(body)))
      }
      try segment.disk.write(newer, to: segment.name, at: last.offset)
      let scan = try segment.scan()
      #expect(scan.unsupported?.offset == last.offset, "byte \(offset)")
      #expect(scan.breaks.isEmpty && scan.end.ordinal == 1)
      // A body that is not the one that its frame names was never written so.
      try segment.disk.write(changed, to: segment.name, at: last.offset)
      let other = try segment.scan()
      #expect(other.unsupported == nil && other.breaks.map(\.shape) == [.bodyDamaged])
    }
  }

  /// The frame is sound, so what it took back is gone, though what replaced it cannot be read.
  @Test func aDamagedBatchStillTakesBackWhatItReplaced() throws {
    var segment = try SegmentFixture()
    for i in 0..<4 { try segment.entry(durable: UInt32(i)) }
    let last = try segment.batch(
      [.filler(90, 1), .filler(90, 2)], durable: 4, truncateAfter: 2)
    try segment.marker()
    try segment.flip(at: last.bodyEnd - 30)
    let scan = try segment.scan()
    let found = try #require(scan.breaks.first)
    #expect(found.later == .vouching && found.firstIndex == 3 && found.lastIndex == 4)
    #expect(scan.readableBatches.map(\.lastIndex) == [1, 2])
    // The unbroken chain is what it was: the write may not have been durable.
    #expect(scan.end.index == 4)
  }

  /// Its frame is lost as well, and a later batch begins below what was known.
  @Test func readableBatchesNeverOverlap() throws {
    var segment = try SegmentFixture()
    for i in 0..<5 { try segment.entry(durable: UInt32(i)) }
    let lost = try segment.batch([.filler(90, 1)], durable: 5, truncateAfter: 2)
    try segment.entry(durable: 6)
    try segment.entry(durable: 7)
    try segment.zero(lost.range)
    let readable = try segment.scan().readableBatches
    for (a, b) in zip(readable, readable.dropFirst()) { #expect(a.lastIndex < b.firstIndex) }
    #expect(readable.last?.lastIndex == 5)
  }

  @Test func aFrameThatMayBePassedOverIsPassedOver() throws {
    var segment = try SegmentFixture()
    try segment.entry()
    try segment.bare(FrameKind(rawValue: 0x85), durable: 1)
    try segment.entry()
    let scan = try segment.scan()
    #expect(scan.unsupported == nil && scan.breaks.map(\.shape) == [.zeros])
    #expect(scan.end.ordinal == 3 && scan.end.index == 2 && scan.durableOrdinal == 1)
    #expect(scan.batches.map(\.ordinal) == [1, 3])
  }
}
