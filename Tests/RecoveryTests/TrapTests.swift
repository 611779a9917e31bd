// TrapTests: what other logs fell into, so that this one does not. Each test is named after what
// broke; the comment names where, by the number that the trap has in the log's design.
//
// Traps of writing and of purging (a retried sync, a purge that needs space) are the engine's; of
// them only what recovery has to do with is here.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

struct TrapTests {
  /// A log of `count` batches of one entry each; each vouches for the one before it.
  private func log(_ count: Int, bytes: Int = 100) throws -> LogFixture {
    var log = try LogFixture()
    for i in 0..<count { try log.segment.entry(bytes, durable: UInt32(i)) }
    return log
  }

  private func verdicts(_ diagnosis: Diagnosis) -> [Verdict] { diagnosis.findings.map(\.verdict) }

  /// What the tests below damage is sound before.
  @Test func theFixtureIsSound() throws {
    var log = try log(4)
    #expect(try log.diagnose().findings.isEmpty)
    #expect(try log.indices == [1, 2, 3, 4])
    try log.roll(isSealed: true)
    try log.segment.entry()
    try log.roll(isSealed: false)
    try log.segment.entry()
    try log.close()
    #expect(verdicts(try log.diagnose(.everything)) == [.unsealed])
    #expect(try log.indices == [1, 2, 3, 4, 5, 6])
    try LogFixture.open(log.disk)
    #expect(try log.diagnose(.everything).findings.isEmpty)
    #expect(try log.indices == [1, 2, 3, 4, 5, 6])
  }

  // MARK: 1. etcd, ZeroToEnd

  /// A length of zero was taken for the end of the file, and the rest was wiped.
  @Test func zeroLengthIsNotEndOfFile() throws {
    let log = try log(5)
    let second = log.segment.frames[1]
    try log.segment.zero(second.range)
    let diagnosis = try log.diagnose()
    let found = try #require(diagnosis.findings.first)
    #expect(found.verdict == .corruptBatch && found.offset == second.offset)
    #expect(found.firstIndex == 2 && found.lastIndex == 2)
    #expect(try log.indices == [1, 3, 4, 5])
    try log.expectRefusal(.damaged)
  }

  /// Only the length, and everything behind it untouched.
  @Test func aZeroedLengthFieldIsDamage() throws {
    let log = try log(5)
    let second = log.segment.frames[1]
    try log.segment.zero(second.offset + 12..<second.offset + 16)
    #expect(verdicts(try log.diagnose()) == [.corruptBatch])
    try log.expectRefusal(.damaged)
  }

  // MARK: 2. raft-engine, Redpanda, memgraph#4528

  /// A file that is not the last was read up to its damage, and the log went on with the next one.
  @Test(arguments: [true, false])
  func aPrefixOfAnEarlierSegmentIsNotTheLog(_ isSealed: Bool) throws {
    var log = try log(3)
    let ended = try log.roll(isSealed: isSealed)
    try log.segment.entry()
    try log.segment.marker()
    // To the byte what a torn write leaves at the end of the last segment.
    try ended.zero(ended.frames[2].range)
    let diagnosis = try log.diagnose(.everything)
    let found = try #require(diagnosis.refusals.first)
    #expect(found.verdict == .corruptBatch && found.file == ended.name)
    #expect(found.firstIndex == 3 && found.lastIndex == 3)
    let readable = try log.readable()
    #expect(readable.entries.map(\.index) == [1, 2, 4] && readable.damage == 1)
    // A sealed segment is not read on opening; one that is not must be, to be sealed.
    if !isSealed { try log.expectRefusal(.damaged) }
  }

  /// An earlier segment is shorter than the manifest says.
  @Test(arguments: [true, false])
  func anEarlierSegmentThatWasCutIsDamaged(_ isSealed: Bool) throws {
    var log = try log(3)
    let ended = try log.roll(isSealed: isSealed)
    try log.segment.entry()
    try ended.cut(to: ended.frames[2].offset)
    #expect(try log.diagnose().refusals.map(\.verdict) == [.corruptBatch])
    try log.expectRefusal(.damaged)
  }

  // MARK: 3. raft-engine, raft-wal

  private enum Structure: CaseIterable {
    case header, manifest, otherManifest, vote, otherVote, unknownSegment
  }

  /// Replaces an integer of a structure, and puts its checksum right.
  private func falsify<T: FixedWidthInteger & BitwiseCopyable>(
    _ structure: Structure, of log: inout LogFixture, at offset: Int, with value: T
  ) throws {
    let name: String
    let covered: Range<Int>
    switch structure {
    case .header: (name, covered) = (log.segment.name, 12..<Layout.segmentHeader)
    case .manifest: (name, covered) = (ManifestHeader.names[0], 12..<Layout.manifestHeader)
    case .otherManifest: (name, covered) = (ManifestHeader.names[1], 12..<Layout.manifestHeader)
    case .vote: (name, covered) = (VoteFile.names[0], 12..<Layout.voteFile)
    case .otherVote: (name, covered) = (VoteFile.names[1], 12..<Layout.voteFile)
    case .unknownSegment:
      (name, covered) = (try log.nextSegment().name, 12..<Layout.segmentHeader)
    }
    let front = try log.disk.bytes(of: name)[0..<covered.upperBound]
    try log.disk.write(
      front.replacing(at: offset, with: value).sealed(at: 8, covering: covered), to: name, at: 0)
  }

  /// A newer version was reported as corruption, or cut off.
  @Test func aNewerVersionIsNotDamage() throws {
    for structure in Structure.allCases {
      var log = try log(2)
      try falsify(structure, of: &log, at: 12, with: UInt16(2))
      #expect(try log.diagnose().findings.map(\.verdict).contains(.unsupported), "\(structure)")
      try log.expectRefusal(.unsupported)
    }
  }

  @Test func anUnknownIncompatibleBitIsNotDamage() throws {
    for structure in Structure.allCases where structure != .vote && structure != .otherVote {
      var log = try log(2)
      try falsify(structure, of: &log, at: 24, with: UInt32(1) << 31)
      #expect(try log.diagnose().findings.map(\.verdict).contains(.unsupported), "\(structure)")
      try log.expectRefusal(.unsupported)
    }
  }

  @Test func aFrameOrAnEditOfANewerKindIsNotDamage() throws {
    var log = try log(2)
    try log.segment.bare(FrameKind(rawValue: 9))
    #expect(verdicts(try log.diagnose()) == [.unsupported])
    try log.expectRefusal(.unsupported)

    let other = try self.log(2)
    let edit = ManifestEdit(
      number: other.position.number + 1, changes: [.opened(Boot(counter: 5, random: 5))]
    ).encoded(previousChecksum: other.position.checksum).bytes
    let newer = edit.replacing(at: 24, with: UInt8(99)).sealed(at: 4, covering: 8..<24 + 17)
    for name in ManifestHeader.names {
      try other.disk.write(newer, to: name, at: other.position.end)
    }
    #expect(verdicts(try other.diagnose()).contains(.unsupported))
    try other.expectRefusal(.unsupported)
  }

  /// Without a manifest too, a newer program's vote is not written over.
  @Test func aNewerVoteWithoutAManifestIsNotOverwritten() throws {
    var log = try LogFixture()
    try falsify(.vote, of: &log, at: 12, with: UInt16(2))
    for name in ManifestHeader.names { try log.disk.remove(name) }
    try log.expectRefusal(.unsupported)
  }

  /// A later minor version, and a bit that may be ignored, change nothing: the segment's header is
  /// the one that the manifest names, by its checksum.
  @Test(arguments: [14, 16])
  func aHeaderWithWhatMayBeIgnoredIsStillTheHeader(_ offset: Int) throws {
    var log = try LogFixture()
    let newer = log.segment.header.encoded().replacing(at: offset, with: UInt16(1))
      .sealed(at: 8, covering: 12..<Layout.segmentHeader)
    let header = try SegmentHeader(decoding: newer.span)
    var state = log.state
    state.segments[0].headerChecksum = header.checksum
    try log.rewrite(state)
    try log.disk.write(newer, to: log.segment.name, at: 0)
    log.segment = try SegmentFixture(
      on: log.disk, header: header, capacity: log.segment.capacity, exists: true)
    try log.segment.entry()
    try log.segment.entry(durable: 1)
    #expect(try log.diagnose().findings.filter { $0.verdict.severity > .mended } == [])
    #expect(try log.indices == [1, 2])
  }

  /// A bit that forbids writing forbids opening for writing, and allows reading.
  @Test func aReadOnlyBitAllowsReadingAlone() throws {
    var log = try log(2)
    for structure in [Structure.manifest, .otherManifest] {
      try falsify(structure, of: &log, at: 20, with: UInt32(1))
      // The first edit is chained to the header.
      let name = ManifestHeader.names[structure == .manifest ? 0 : 1]
      let bytes = try log.disk.bytes(of: name)
      let header = try ManifestHeader(decoding: bytes.span)
      let edit = ManifestEdit(number: header.firstNumber, changes: log.state.changes)
        .encoded(previousChecksum: header.checksum)
      try log.disk.write(edit.bytes, to: name, at: Layout.manifestHeader)
    }
    #expect(try log.indices == [1, 2])
    try log.expectRefusal(.unsupported)
  }

  // MARK: 4. raft-wal, raft-engine

  /// Only the last batch was verified.
  @Test(arguments: 0..<5)
  func everyBatchIsVerifiedNotOnlyTheLast(_ which: Int) throws {
    var log = try log(5)
    try log.segment.marker()
    let damaged = log.segment.frames[which]
    try log.segment.flip(at: damaged.bodyEnd - 20)
    let index = LogIndex(which) + 1
    let found = try #require(try log.diagnose().findings.first)
    #expect(found.verdict == .corruptBatch && found.offset == damaged.offset)
    #expect(found.firstIndex == index && found.lastIndex == index)
    #expect(try log.indices == [1, 2, 3, 4, 5].filter { $0 != index })
    try log.expectRefusal(.damaged)
  }

  /// Opening trusts a sealed segment's footer; a read never does.
  @Test func whatOpeningDoesNotReadIsVerifiedWhenItIsRead() throws {
    var log = try log(3)
    let ended = try log.roll(isSealed: true)
    try ended.flip(at: ended.frames[1].bodyEnd - 20)
    #expect(try log.diagnose().findings.isEmpty)
    let readable = try log.readable()
    #expect(readable.entries.map(\.index) == [1, 3] && readable.damage == 1)
    let view = try #require(LogView(try log.diagnose(), in: log.disk))
    #expect(throws: RecoveryError.self) { try view.replay { _ in true } }
    #expect(verdicts(try log.diagnose(.everything)) == [.corruptBatch])
  }

  // MARK: 5. raft-wal#31

  /// What the metadata said and what the segments said came apart, and neither was noticed.
  @Test func aSegmentThatTheManifestForgotIsNotPassedOver() throws {
    var log = try log(3)
    var next = try log.nextSegment()
    try next.entry()
    let found = try #require(try log.diagnose().refusals.first)
    #expect(found.verdict == .unknownContinues && found.file == next.name)
    #expect(found.firstIndex == 4 && found.lastIndex == 4)
    try log.expectRefusal(.damaged)
  }

  @Test func aSegmentThatIsNotThereIsLostWithItsExactRange() throws {
    var log = try log(3)
    let first = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.entry()
    let second = try log.roll(isSealed: false)
    try log.segment.entry()
    try log.disk.remove(second.name)
    let found = try #require(try log.diagnose().refusals.first)
    #expect(found.verdict == .lostFile && found.file == second.name)
    #expect(found.firstIndex == 4 && found.lastIndex == 5)
    #expect(found.indices == "entries 4-5")
    #expect(try log.indices == [1, 2, 3, 6])
    try log.expectRefusal(.lost)

    // Another file under its name is not it.
    try log.disk.make(second.name, try log.disk.bytes(of: first.name))
    #expect(try log.diagnose().refusals.map(\.verdict) == [.lostFile])
    try log.expectRefusal(.lost)
  }

  @Test func aSegmentThatFitsNowhereIsKeptAsideAndNeverReplayed() throws {
    let log = try log(3)
    // It begins where the log has entries already.
    var stray = try SegmentFixture(
      on: log.disk, header: SegmentFixture.header(firstIndex: 2, salt: 3, sequence: 9))
    try stray.entry()
    #expect(verdicts(try log.diagnose()) == [.orphan])
    let bytes = try log.disk.bytes(of: stray.name)
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1, 2, 3])
    #expect(try log.disk.bytes(of: "quarantine/\(stray.name)") == bytes)
    #expect(try log.disk.list().allSatisfy { $0.name != stray.name })
  }

  @Test func aLogWithoutItsManifestsDoesNotStartAnew() throws {
    let log = try log(3)
    for name in ManifestHeader.names { try log.disk.remove(name) }
    #expect(try log.diagnose().refusals.map(\.verdict).contains(.manifestLost))
    try log.expectRefusal(.lost)
  }

  // MARK: 6. cowsql, hashicorp/raft#661

  private func vote(_ generation: UInt64, _ state: HardState, _ log: LogFixture) -> Bytes {
    VoteFile(
      generation: generation, state: state, incarnation: log.state.incarnation,
      group: log.state.group
    ).encoded()
  }

  /// A vote without a checksum was believed; term and vote were written apart, and mixed.
  @Test func aVoteIsWholeOrItIsNot() throws {
    let older = HardState(term: 6, vote: 1)
    let newer = HardState(term: 7, vote: 2)
    for newerCopy in 0...1 {
      let log = try log(1)
      let names = VoteFile.names
      try log.disk.write(vote(3, older, log), to: names[1 - newerCopy], at: 0)
      try log.disk.write(vote(4, newer, log), to: names[newerCopy], at: 0)
      #expect(try log.diagnose().findings.map(\.verdict) == [.healedVote])
      for damaged in 0...1 {
        let image = try log.disk.contents()
        for offset in stride(from: 0, to: Layout.voteFile, by: 37) {
          let disk = SimulatedDisk()
          for (name, bytes) in image { try disk.make(name, bytes) }
          try disk.flip(names[damaged], at: offset, bit: offset % 8)
          let plan = try LogFixture.open(disk)
          #expect(plan.findings.map(\.verdict) == [.healedVote])
          #expect(plan.opened.hardState == (damaged == newerCopy ? older : newer))
          // Both copies say the same again.
          #expect(try LogFixture.diagnose(disk).findings.isEmpty)
        }
      }
    }
  }

  @Test func aTermThatMayBeForgottenIsNotUsedAgain() throws {
    var log = try LogFixture()
    try log.segment.batch([.filler(10)], term: 8)
    try log.segment.marker()
    for name in VoteFile.names { try log.disk.flip(name, at: 30) }
    #expect(verdicts(try log.diagnose()) == [.voteLost])
    let opened = try LogFixture.open(log.disk).opened
    #expect(opened.hardState == HardState(term: 9, vote: nil))
  }

  /// Found by fuzzing: a generation that cannot grow was counted up all the same, and what was written
  /// could not be read back.
  @Test func aGenerationThatCannotGrowBeginsAnew() throws {
    let log = try log(1)
    let newest = HardState(term: 7, vote: 2)
    try log.disk.write(vote(Layout.indexMax, newest, log), to: VoteFile.names[0], at: 0)
    #expect(try LogFixture.open(log.disk).opened.hardState == newest)
    let opened = try LogFixture.open(log.disk).opened
    #expect(opened.hardState == newest && opened.voteGeneration < 10)
    #expect(try log.diagnose().findings.isEmpty)
  }

  // MARK: 7. pebble#580, HomeStore#869

  /// Space was used again, and what an earlier life had left there was replayed.
  @Test func framesOfAnotherLifeAreNotReplayed() throws {
    let log = try log(2)
    // The same log, frame for frame, in a file with another salt.
    var earlier = try SegmentFixture(
      header: SegmentFixture.header(salt: log.segment.header.salt ^ 1, group: log.state.group))
    for _ in 0..<4 { try earlier.entry() }
    for stale in earlier.frames[2...3] {
      try log.disk.write(stale.bytes, to: log.segment.name, at: stale.offset)
    }
    #expect(earlier.frames[2].offset == log.segment.end)
    let scan = try log.segment.scan()
    #expect(scan.end.ordinal == 2 && scan.batchesBehindBreak.isEmpty)
    #expect(scan.breaks.map(\.shape) == [.frameDamaged])
    #expect(scan.breaks[0].resumesAt == nil)
    // Files are never reused here, so it is evidence, saved aside before it is cut.
    #expect(verdicts(try log.diagnose()) == [.ambiguousTail])
    #expect(try log.indices == [1, 2])
    let stale = try log.disk.bytes(of: log.segment.name)
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1, 2])
    let saved = "quarantine/\(log.segment.name).from-\(log.segment.end).boot-2"
    #expect(try log.disk.bytes(of: saved) == stale[log.segment.end..<stale.count])
  }

  // MARK: 8. redpanda#4113

  /// These four bytes have the checksum 0.
  private static let checksumZero: Bytes = [0xAB, 0x9B, 0xE0, 0x9B]

  /// A checksum of 0 meant "none", and was not looked at.
  @Test func aChecksumOfZeroIsNoSentinel() throws {
    #expect(Self.checksumZero.checksum == 0)
    var log = try LogFixture()
    let placed = try log.segment.batch([Self.checksumZero, Bytes(), .filler(9)])
    try log.segment.marker()
    #expect(try log.indices == [1, 2, 3])
    #expect(try log.readable().entries[0].checksum == 0)
    // Its payload is checked all the same: a flip in it is found.
    try log.segment.flip(at: placed.offset + Layout.frame + Layout.bodyHeader)
    #expect(verdicts(try log.diagnose()) == [.corruptBatch])
  }

  /// Nor does any structure pass with its checksum zeroed.
  @Test func aZeroedChecksumIsWrong() throws {
    let log = try log(3)
    let second = log.segment.frames[1]
    // Of the frame; of the body; of payload and table in the body's header.
    for offset in [4, 64, 64 + 52, 64 + 56] {
      try log.segment.zero(second.offset + offset..<second.offset + offset + 4)
      #expect(verdicts(try log.diagnose()) == [.corruptBatch], "byte \(offset)")
      try log.segment.restore(second)
    }
    #expect(try log.diagnose().findings.isEmpty)
    try log.segment.zero(8..<12)
    #expect(verdicts(try log.diagnose()) == [.healedHeader])
  }

  // MARK: 9. ATC'20

  /// A sync of pages that a failed one had left clean said yes, and the data was not there. What
  /// nobody vouches for is written again, to a new file, before the log answers.
  @Test func whatOnlyTheCacheMayHoldIsWrittenAgain() throws {
    var log = try LogFixture()
    try log.segment.entry()
    try log.segment.entry(durable: 1)
    try log.segment.entry(durable: 1)
    let plan = try LogFixture.open(log.disk)
    let active = plan.opened.active
    #expect(active.record.uid != log.segment.header.uid)
    #expect(active.record.durableThrough == active.end.ordinal && active.end.index == 3)
    let name = active.record.fileName
    let writes = plan.steps.indices.filter { i in
      if case .write(name, _, at: _) = plan.steps[i] { true } else { false }
    }
    let sync = try #require(plan.steps.lastIndex(of: .sync(name)))
    #expect(writes.count >= 3 && writes.allSatisfy { $0 < sync })
    #expect(try #require(plan.steps.firstIndex(where: isManifestRename)) > sync)
    // Nothing of it was done to the old file, which may still be needed.
    #expect(!plan.steps.contains(.sync(log.segment.name)))
    #expect(try log.indices == [1, 2, 3])
  }

  /// What is vouched for stays where it is.
  @Test func whatWasSyncedIsNotCopied() throws {
    var log = try log(3)
    try log.close()
    let plan = try LogFixture.open(log.disk)
    #expect(plan.opened.active.record.uid == log.segment.header.uid)
    #expect(plan.opened.active.durableOrdinal == 3)
  }

  // MARK: 10. etcd#6368

  private func isManifestRename(_ step: DiskStep) -> Bool {
    if case .rename(_, let to) = step { ManifestHeader.names.contains(to) } else { false }
  }

  /// A directory was not synced, and a file that something relied on was gone with its name.
  @Test func everyNameIsDurableBeforeItIsReliedOn() throws {
    var plans = [try LogFixture.open(SimulatedDisk())]
    var log = try LogFixture()
    for _ in 0..<3 { try log.segment.entry() }
    try log.segment.flip(at: log.segment.frames[2].bodyEnd - 20)
    plans.append(try LogFixture.open(log.disk))
    #expect(plans[1].findings.map(\.verdict) == [.ambiguousTail])
    for plan in plans {
      var pending: [String] = []
      var renames = 0
      for step in plan.steps {
        switch step {
        case .create(let name, zeros: _): pending.append(name)
        case .copy(_, from: _, to: let name): pending.append(name)
        case .syncDirectory(nil): pending.removeAll { !$0.contains("/") }
        case .syncDirectory(let directory?):
          pending.removeAll { $0.hasPrefix("\(directory)/") }
        case .rename(let from, let to) where isManifestRename(step):
          renames += 1
          pending.removeAll { $0 == from }
          #expect(pending.isEmpty, "\(to) relies on \(pending)")
          pending.append(to)
        default: break
        }
      }
      #expect(renames == 2 && pending.isEmpty)
    }
  }

  // MARK: 11. etcd#14098

  /// A length field was believed, and 13,563 TB were asked for.
  @Test func aLengthIsNotBelieved() throws {
    var salt = ByteWriter(capacity: 8)
    let log = try log(2)
    salt.u64(log.segment.header.salt)
    let seed = salt.finish().checksum
    let last = log.segment.frames[1]
    // Any that is refused, and the largest that is not: with checksums that are right.
    for bytes in [UInt32.max, UInt32(Layout.bodyBytesMax) + 1, UInt32(Layout.bodyBytesMax)] {
      let hostile = last.bytes.replacing(at: 12, with: bytes)
        .sealed(at: 4, covering: 8..<Layout.frame, seed: seed)
      try log.disk.write(hostile, to: log.segment.name, at: last.offset)
      let scan = try log.segment.scan()
      #expect(scan.end.ordinal == 1, "\(bytes) bytes")
      #expect(scan.breaks.count == 1)
      #expect(scan.breaks.first?.row(mark: .atOrBelow) == .corruptBatch)
    }
  }

  @Test func aManifestsLengthIsNotBelieved() throws {
    let log = try log(2)
    for count in [UInt32.max, UInt32(Layout.editBytesMax)] {
      var hostile = ByteWriter(capacity: Layout.sector)
      hostile.u32(0x3145_4C52)
      hostile.u32(0)
      hostile.u32(count)
      hostile.u32(log.position.checksum)
      hostile.u64(log.position.number + 1)
      let bytes = hostile.finish()
      try log.disk.write(bytes, to: ManifestHeader.names[0], at: log.position.end)
      // The other copy is whole.
      #expect(verdicts(try log.diagnose()) == [.tornEdit])
      #expect(try log.indices == [1, 2])
    }
  }

  // MARK: 13. cowsql

  /// A truncation took several steps, and a crash between them left something that never was. Here
  /// it is one write with what takes the place of the suffix: whichever sectors of it arrive, the log
  /// is the old one or the new one.
  @Test func aTruncationHappensOrItDoesNot() throws {
    var log = try LogFixture()
    for _ in 0..<4 { try log.segment.entry(durable: log.segment.ordinal) }
    let replacing = try log.segment.batch(
      [.filler(2000, 77), .filler(3000, 78)], durable: 4, truncateAfter: 2)
    #expect(try log.indices == [1, 2, 3, 4])
    #expect(try log.readable().entries[2].payload == .filler(2000, 77))
    var generator = SeededGenerator(seed: 13)
    var seen: Set<[Int]> = []
    for _ in 0..<80 {
      try log.segment.restore(replacing)
      // From none to half of them.
      let odds = generator.below(8)
      let sectors = replacing.bytes.count / Layout.sector
      for sector in 0..<sectors where generator.below(16) < odds {
        try log.segment.zeroSector(sector, of: replacing)
      }
      let entries = try log.readable().entries
      seen.insert(entries.map(\.payload.count))
    }
    #expect(seen == [[100, 100, 100, 100], [100, 100, 2000, 3000]])
  }

  // MARK: 14. etcd#11918

  /// A validator had never been run against a compacted log, and refused every node at once.
  @Test func aCompactedLogIsSound() throws {
    var log = try log(3)
    let first = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.entry()
    let second = try log.roll(isSealed: true)
    try log.segment.entry()
    // Within the second segment: the first is dropped, half of the second is.
    try log.edit([.first(5, previousTerm: 0), .dropped(first.header.uid)])
    try log.close()
    // The file that was dropped may still be there, or be gone.
    #expect(verdicts(try log.diagnose(.everything)) == [.leftover])
    #expect(try log.indices == [5, 6])
    try log.disk.remove(first.name)
    #expect(try log.diagnose(.everything).findings.isEmpty)
    let opened = try LogFixture.open(log.disk).opened
    #expect(opened.manifest.firstIndex == 5 && opened.manifest.segments[0].uid == second.header.uid)
    #expect(try log.diagnose(.everything).findings.isEmpty)
    #expect(try log.indices == [5, 6])
  }

  @Test func aLogThatWasCompactedToItsEndIsSound() throws {
    var log = try log(3)
    let ended = try log.roll(isSealed: true)
    try log.edit([.first(4, previousTerm: 0), .dropped(ended.header.uid)])
    try log.close()
    try log.disk.remove(ended.name)
    #expect(try log.diagnose(.everything).findings.isEmpty)
    #expect(try log.indices == [])
    let opened = try LogFixture.open(log.disk).opened
    #expect(opened.active.end.index == 3)
  }

  /// Found by fuzzing: compacted beyond the last entry that the active segment still shows, all of it
  /// vouched for. The next entry got its number from the manifest, in a segment that ended before.
  @Test func aLogThatEndsBeforeItBeginsGoesOnWhereItBegins() throws {
    var log = try log(3)
    try log.edit([.first(5, previousTerm: 0)])
    try log.close()
    let opened = try LogFixture.open(log.disk).opened
    #expect(opened.active.end.index == 4 && opened.active.record.firstIndex == 5)
    #expect(try log.diagnose(.everything).refusals.isEmpty)
    let written = try WrittenLog(log.disk)
    try written.append(2)
    try written.close()
    #expect(try log.diagnose(.everything).findings.isEmpty)
    #expect(try log.indices == [5, 6])
  }

  // MARK: 15. tigerbeetle#2345

  /// One torn write was handled, and several had been in flight.
  @Test func severalTornWritesAreCutAtTheFirst() throws {
    var log = try LogFixture()
    for _ in 0..<6 { try log.segment.entry(5000, durable: min(log.segment.ordinal, 1)) }
    // The second and the fourth are torn in their bodies, the fifth in its frame.
    try log.segment.zeroSector(3, of: log.segment.frames[1])
    try log.segment.zeroSector(9, of: log.segment.frames[3])
    try log.segment.zeroSector(0, of: log.segment.frames[4])
    let scan = try log.segment.scan()
    #expect(scan.breaks.map(\.ordinal).starts(with: [2, 4]))
    #expect(scan.breaks.allSatisfy { $0.later != .vouching })
    let diagnosis = try log.diagnose()
    #expect(verdicts(diagnosis) == [.tornSeveral])
    #expect(diagnosis.findings[0].offset == log.segment.frames[1].offset)
    let opened = try LogFixture.open(log.disk).opened
    #expect(opened.active.end.index == 1)
    #expect(try log.indices == [1])
    #expect(try log.diagnose().findings.isEmpty)
  }

  // MARK: 16. Jepsen, NATS 2.12.1

  /// One flipped bit on one node lost half of all acknowledged writes. Wherever it strikes here, the
  /// log is whole or does not open; nothing is ever just gone.
  @Test func oneFlippedBitLosesNothing() throws {
    var log = try LogFixture()
    for i in 0..<3 { try log.segment.batch([.filler(300, i), .filler(40, i)], durable: UInt32(i)) }
    try log.close()
    let entries = try log.readable().entries
    #expect(entries.count == 6)
    var rows: Set<Verdict> = []
    for placed in log.segment.frames {
      let data = placed.offset..<placed.bodyEnd
      let padding = stride(from: placed.bodyEnd, to: placed.end, by: 97)
      for offset in Array(data) + Array(padding) {
        try log.segment.flip(at: offset, bit: offset % 8)
        let diagnosis = try log.diagnose()
        rows.formUnion(verdicts(diagnosis))
        let readable = try log.readable()
        let isWhole = readable.entries == entries && readable.damage == 0
        #expect(isWhole || !diagnosis.refusals.isEmpty, "byte \(offset)")
        #expect(isWhole == !data.contains(offset), "byte \(offset)")
        // What is left is what was there, less what is reported.
        #expect(readable.entries.allSatisfy { entries.contains($0) }, "byte \(offset)")
        try log.segment.flip(at: offset, bit: offset % 8)
      }
    }
    #expect(rows == [.corruptBatch])
    #expect(try log.readable().entries == entries)
  }

  /// The last batch is no exception: a reader is told that it is there and cannot be read.
  @Test func damageAtTheEndIsToldToReaders() throws {
    var log = try log(5)
    try log.segment.marker()
    try log.segment.flip(at: log.segment.frames[4].bodyEnd - 20)
    let readable = try log.readable()
    #expect(readable.entries.map(\.index) == [1, 2, 3, 4] && readable.damage == 1)
  }

  /// Behind damage too the log is what its frames make it: an entry that was replaced is not read
  /// in place of the one that replaced it.
  @Test func whatWasTruncatedBehindDamageIsNotReplayed() throws {
    var log = try log(2)
    try log.segment.batch([.filler(10, 3), .filler(10, 4), .filler(10, 5)], durable: 2)
    try log.segment.batch([.filler(20, 4), .filler(20, 5)], durable: 3, truncateAfter: 3)
    try log.segment.marker()
    let sound = try log.readable()
    #expect(sound.entries.map(\.payload.count) == [100, 100, 10, 20, 20] && sound.damage == 0)
    try log.segment.flip(at: log.segment.frames[1].bodyEnd - 20)
    let readable = try log.readable()
    #expect(readable.entries == sound.entries.filter { $0.index != 2 })
    #expect(readable.damage == 1)
  }

  /// In the free space behind a clean close it is nobody's loss.
  @Test func oneFlippedBitBehindTheCloseIsHealed() throws {
    var log = try log(3)
    try log.close()
    for offset in [log.segment.end, log.segment.end + 600, log.segment.capacity - 1] {
      try log.segment.flip(at: offset)
      #expect(verdicts(try log.diagnose()) == [.behindClose])
      #expect(try log.indices == [1, 2, 3])
      try log.segment.flip(at: offset)
    }
    try log.segment.flip(at: log.segment.end)
    try LogFixture.open(log.disk)
    #expect(try log.indices == [1, 2, 3])
    #expect(try log.diagnose().findings.isEmpty)
  }
}
