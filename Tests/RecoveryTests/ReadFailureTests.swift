// ReadFailureTests: what a device or a file system does not deliver is told as that: which file, which
// bytes, and why. It is never taken for rot, for a lost file, or for a reason to rebuild.

import LogFormat
import Recovery
import Simulation
import StorageIO
import SystemPackage
import TestSupport
import Testing

@Suite struct ReadFailureTests {
  private static let ioError = Errno.ioError.rawValue
  private static let denied = Errno.permissionDenied.rawValue
  private static let isDirectory = Errno.isDirectory.rawValue
  private static let isLink = Errno.tooManySymbolicLinkLevels.rawValue

  /// Entries 1 and 2 in a sealed segment, entry 3 in the active one.
  private func twoSegments() throws -> (log: LogFixture, sealed: SegmentFixture) {
    var log = try LogFixture()
    try log.segment.batch([.filler(3000, 1)], term: 1)
    try log.segment.entry()
    let sealed = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.marker()
    return (log, sealed)
  }

  private func bad(_ file: String, at offset: Int) -> SimulatedFault {
    .unreadable(file: file, sector: offset / Layout.sector)
  }

  private func diagnose(_ log: LogFixture, _ faults: [SimulatedFault]) throws -> Diagnosis {
    log.disk.faults = faults
    defer { log.disk.faults = [] }
    return try log.diagnose(.everything)
  }

  /// Opening refuses as an I/O error and writes nothing.
  private func expectRefusal(
    _ log: LogFixture, _ faults: [SimulatedFault],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try log.disk.contents()
    log.disk.faults = faults
    do {
      try LogFixture.open(log.disk)
      Issue.record("the log was opened", sourceLocation: sourceLocation)
    } catch let error as RecoveryError {
      #expect(error.code == .storage, sourceLocation: sourceLocation)
      #expect(error.storageError != nil, sourceLocation: sourceLocation)
      #expect(error.message.contains(error.findings[0].file), sourceLocation: sourceLocation)
    }
    log.disk.faults = []
    #expect(try log.disk.contents() == before, sourceLocation: sourceLocation)
  }

  /// No repair is planned, whatever loss is accepted.
  private func expectNoRepair(_ log: LogFixture, _ faults: [SimulatedFault]) throws {
    let diagnosis = try diagnose(log, faults)
    log.disk.faults = faults
    defer { log.disk.faults = [] }
    var generator = SeededGenerator(seed: 1)
    #expect(throws: RecoveryError.self) {
      try RepairPlan.make(
        for: diagnosis, in: log.disk, accepting: [], keep: .before, using: &generator)
    }
  }

  // MARK: Manifests and votes

  @Test(arguments: [0, 1])
  func oneManifestThatDoesNotComeIsHealedAndTold(copy: Int) throws {
    for sector in 0..<4 {
      let log = try twoSegments().log
      let name = ManifestHeader.names[copy]
      let faults = [SimulatedFault.unreadable(file: name, sector: sector)]
      let diagnosis = try diagnose(log, faults)
      let found = try #require(diagnosis.findings.first)
      #expect(diagnosis.findings.count == 1)
      #expect(found.verdict == .healedManifest && found.severity == .inputOutput)
      #expect(found.file == name && found.offset == sector * Layout.sector)
      #expect(found.unreadable == [sector * Layout.sector..<(sector + 1) * Layout.sector])
      #expect("\(found)".contains("bytes \(sector * 512)-\(sector * 512 + 511)"))
      #expect(diagnosis.severity == .inputOutput && diagnosis.refusals.isEmpty)
      log.disk.faults = faults
      try LogFixture.open(log.disk)
      // The copy was made anew.
      #expect(log.disk.faults.isEmpty)
      #expect(try log.indices == [1, 2, 3])
    }
  }

  @Test func twoManifestsThatDoNotComeAreNotLost() throws {
    let log = try twoSegments().log
    let faults = ManifestHeader.names.map { bad($0, at: 0) }
    let diagnosis = try diagnose(log, faults)
    #expect(diagnosis.findings.map(\.verdict) == [.inputOutput, .inputOutput])
    #expect(diagnosis.findings.map(\.file) == ManifestHeader.names)
    #expect(diagnosis.findings.map(\.unreadable) == [[0..<512], [0..<512]])
    #expect(LogView(diagnosis, in: log.disk) == nil)
    try expectRefusal(log, faults)
    try expectNoRepair(log, faults)
  }

  /// Both copies hide what comes behind an edit: the log as it was then is not the log.
  @Test func editsThatDoNotComeAreNotPassedOver() throws {
    let log = try twoSegments().log
    let last = (log.position.end - 1) / Layout.sector
    let faults = ManifestHeader.names.map { SimulatedFault.unreadable(file: $0, sector: last) }
    let diagnosis = try diagnose(log, faults)
    #expect(diagnosis.findings.allSatisfy { $0.verdict == .inputOutput })
    #expect(diagnosis.hidesManifest)
    #expect(LogView(diagnosis, in: log.disk) == nil)
    try expectRefusal(log, faults)
    try expectNoRepair(log, faults)
  }

  /// The other one is gone: what does not come is all there is.
  @Test func theOnlyManifestThatDoesNotComeIsNotLost() throws {
    let log = try twoSegments().log
    try log.disk.remove(ManifestHeader.names[0])
    let faults = [bad(ManifestHeader.names[1], at: 0)]
    let found = try #require(try diagnose(log, faults).findings.first)
    #expect(found.verdict == .inputOutput && found.file == ManifestHeader.names[1])
    try expectRefusal(log, faults)
    try expectNoRepair(log, faults)
  }

  @Test func votesThatDoNotComeAreNotForgotten() throws {
    let log = try twoSegments().log
    let one = try diagnose(log, [bad(VoteFile.names[0], at: 0)])
    #expect(one.findings.map(\.verdict) == [.healedVote])
    #expect(one.severity == .inputOutput && one.findings[0].unreadable == [0..<512])
    let faults = VoteFile.names.map { bad($0, at: 0) }
    let both = try diagnose(log, faults)
    #expect(both.findings.map(\.verdict) == [.inputOutput, .inputOutput])
    #expect(both.findings.map(\.file) == VoteFile.names)
    try expectRefusal(log, faults)
    try expectNoRepair(log, faults)
  }

  // MARK: Segments

  @Test func headersAndFootersAreRestoredAndTold() throws {
    let (log, sealed) = try twoSegments()
    let header = try diagnose(log, [bad(sealed.name, at: 1024)])
    #expect(header.findings.map(\.verdict) == [.healedHeader])
    #expect(header.findings[0].evidence == .header(.undelivered))
    #expect(header.findings[0].unreadable == [1024..<1536])
    #expect(header.severity == .inputOutput)
    let footer = try diagnose(log, [bad(sealed.name, at: sealed.end)])
    #expect(footer.findings.map(\.verdict) == [.healedFooter])
    #expect(footer.findings[0].evidence == .footer(.undelivered))
    #expect(footer.findings[0].unreadable.first?.lowerBound == sealed.end)
    #expect(footer.severity == .inputOutput)
    // Rot of the same bytes is no I/O error.
    try sealed.flip(at: 1024)
    #expect(try log.diagnose(.everything).severity == .mended)
  }

  @Test func aSealedBodyThatDoesNotComeIsAnInputOutputError() throws {
    let (log, sealed) = try twoSegments()
    let first = sealed.frames[0]
    let faults = [bad(sealed.name, at: first.offset + Layout.sector)]
    let diagnosis = try diagnose(log, faults)
    let found = try #require(diagnosis.findings.first)
    #expect(found.verdict == .corruptBatch && found.severity == .inputOutput)
    #expect(found.firstIndex == 1 && found.lastIndex == 1)
    let start = first.offset + Layout.sector
    #expect(found.unreadable == [start..<start + Layout.sector])
    // Opening does not read it; a reader is told which bytes did not come.
    log.disk.faults = faults
    defer { log.disk.faults = [] }
    let view = try #require(LogView(try log.diagnose(), in: log.disk))
    do {
      try view.replay { _ in true }
      Issue.record("the log was read")
    } catch let error as RecoveryError {
      #expect(error.code == .storage && error.storageError != nil)
      #expect(error.message.contains("bytes \(start)-\(start + 511)"))
    }
  }

  /// A batch that may have been acknowledged, and that does not come, is not cut.
  @Test func aTailThatDoesNotComeIsNotCut() throws {
    var log = try LogFixture()
    try log.segment.batch([.filler(10)], term: 1)
    let last = try log.segment.entry(2000)
    for offset in [last.offset, last.offset + Layout.sector] {
      let faults = [bad(log.segment.name, at: offset)]
      let found = try #require(try diagnose(log, faults).findings.first)
      #expect(found.verdict == .inputOutput && found.firstIndex == 2)
      try expectRefusal(log, faults)
    }
    #expect(try log.indices == [1, 2])
  }

  @Test func paddingThatDoesNotComeIsToldAndOpens() throws {
    let (log, sealed) = try twoSegments()
    let frame = sealed.frames[0]
    #expect(frame.bodyEnd <= frame.end - Layout.sector)
    let faults = [bad(sealed.name, at: frame.end - 1)]
    let diagnosis = try diagnose(log, faults)
    #expect(diagnosis.findings.map(\.verdict) == [.unusedSpace])
    #expect(diagnosis.severity == .inputOutput && diagnosis.refusals.isEmpty)
    log.disk.faults = faults
    try LogFixture.open(log.disk)
    log.disk.faults = []
    #expect(try log.indices == [1, 2, 3])
  }

  /// The digest of a file is the one of what lies in it: where that is not known, the log goes on in
  /// another, and every later opening finds it whole.
  @Test func theLogDoesNotGoOnInAFileOfWhichSomethingDoesNotCome() throws {
    for isPadding in [true, false] {
      var log = try LogFixture()
      let entry = try log.segment.entry(100)
      let marker = try log.segment.marker()
      let faults = [bad(log.segment.name, at: isPadding ? entry.end - 1 : marker.end + Layout.page)]
      let diagnosis = try diagnose(log, faults)
      #expect(diagnosis.findings.map(\.verdict) == [.unusedSpace])
      log.disk.faults = faults
      let plan = try LogFixture.open(log.disk)
      log.disk.faults = []
      #expect(plan.opened.active.record.fileName != log.segment.name)
      #expect(try log.indices == [1])
      let active = plan.opened.active
      let file = try log.disk.open(active.record.fileName, .read)
      let scan = try SegmentScan.scan(file, header: active.record.header(group: log.state.group))
      #expect(scan.digest == active.digest && scan.failure == nil)
    }
  }

  /// Behind a torn frame something does not come: a frame there might say that it was synced.
  @Test func nothingIsCutBeforeWhatDoesNotCome() throws {
    var log = try LogFixture()
    try log.segment.entry()
    let last = try log.segment.entry(2000, durable: 1)
    let hidden = [bad(log.segment.name, at: last.end + Layout.page)]
    for offset in [last.bodyEnd - 40, last.offset + 17] {
      try log.segment.flip(at: offset)
      #expect(try log.diagnose().findings.map(\.verdict) == [.ambiguousTail])
      #expect(try diagnose(log, hidden).refusals.map(\.verdict) == [.inputOutput])
      try expectRefusal(log, hidden)
      try log.segment.flip(at: offset)
    }
    try log.segment.zero(last.offset..<last.offset + Layout.sector)
    #expect(try log.diagnose().findings.map(\.verdict) == [.tornFrame])
    #expect(try diagnose(log, hidden).refusals.map(\.verdict) == [.inputOutput])
    try expectRefusal(log, hidden)
  }

  /// What was sound when it was scanned is read once more to be copied, and checked once more: a device
  /// that changes its mind is told, and nothing that it made up becomes part of the log.
  @Test func aCopyIsCheckedLikeAnythingElseThatIsRead() throws {
    enum Change: CaseIterable { case rot, hiddenPayload, hiddenTable, otherBatch }
    for change in Change.allCases {
      var log = try LogFixture()
      let first = try log.segment.entry(5000)
      let second = try log.segment.entry(5000)
      let diagnosis = try log.diagnose()
      #expect(diagnosis.refusals.isEmpty)
      switch change {
      case .rot: try log.segment.flip(at: second.offset + 3000)
      case .hiddenPayload: log.disk.faults = [bad(log.segment.name, at: second.offset + 3000)]
      case .hiddenTable: log.disk.faults = [bad(log.segment.name, at: second.bodyEnd - 1)]
      case .otherBatch: try log.disk.write(first.bytes, to: log.segment.name, at: second.offset)
      }
      var generator = SeededGenerator(seed: 2)
      let error = #expect(throws: RecoveryError.self, "\(change)") {
        try OpeningPlan.make(
          for: diagnosis, in: log.disk, options: OpeningOptions(), using: &generator)
      }
      #expect(error?.code == .storage && error?.message.contains("byte \(second.offset)") == true)
    }
  }

  /// Its frame rotted, and of what follows something does not come: that may be its body, and nothing
  /// that may be read tomorrow is cut today.
  @Test(arguments: [1, 3, 9])
  func anUnreadableBatchOfWhichAPartDoesNotComeIsNotCut(sector: Int) throws {
    var log = try LogFixture()
    try log.segment.entry()
    let last = try log.segment.entry(8000, durable: 1)
    try log.segment.flip(at: last.offset + 17)
    #expect(try log.diagnose().findings.map(\.verdict) == [.ambiguousTail])
    let faults = [bad(log.segment.name, at: last.offset + sector * Layout.sector)]
    #expect(try diagnose(log, faults).refusals.map(\.verdict) == [.inputOutput])
    try expectRefusal(log, faults)
  }

  // MARK: Files that do not open

  @Test(arguments: [
    (denied, UnopenableFile.denied), (isDirectory, .notAFile), (isLink, .symbolicLink),
    (ioError, .failed),
  ])
  func aSegmentThatDoesNotOpenIsOneFindingAndNoLoss(
    errno: Int32, reason: UnopenableFile
  ) throws {
    let (log, sealed) = try twoSegments()
    let faults = [SimulatedFault.unopenable(file: sealed.name, errno: errno)]
    let diagnosis = try diagnose(log, faults)
    let found = try #require(diagnosis.findings.first)
    #expect(diagnosis.findings.count == 1)
    #expect(found.verdict == .inputOutput && found.evidence == .unopenable(reason))
    #expect(found.file == sealed.name && found.firstIndex == 1 && found.lastIndex == 2)
    #expect(found.failure?.error.number == Int(errno) && found.unreadable.isEmpty)
    // The others are looked at all the same.
    #expect(diagnosis.evidence.segments[1].scan?.end.index == 3)
    try expectRefusal(log, faults)
    try expectNoRepair(log, faults)
  }

  /// A link is told with what to do; the file that is written last hides how far the log goes.
  @Test func theActiveSegmentThatDoesNotOpenIsNotTakenForAnEmptyOne() throws {
    let log = try twoSegments().log
    let faults = [SimulatedFault.unopenable(file: log.segment.name, errno: Self.isLink)]
    let diagnosis = try diagnose(log, faults)
    let found = try #require(diagnosis.findings.first)
    #expect("\(found)".contains("replace the link by the file"))
    log.disk.faults = faults
    defer { log.disk.faults = [] }
    let view = try #require(LogView(diagnosis, in: log.disk))
    var codes: [RecoveryError.Code] = []
    var indices: [LogIndex] = []
    try view.replay(onDamage: { codes.append($0.code) }) { entries in
      indices += entries.map(\.index)
      return true
    }
    #expect(indices == [1, 2] && codes == [.storage])
  }

  @Test func copiesThatDoNotOpenAreLikeCopiesThatDoNotCome() throws {
    let log = try twoSegments().log
    for names in [ManifestHeader.names, VoteFile.names] {
      let faults = names.map { SimulatedFault.unopenable(file: $0, errno: Self.denied) }
      #expect(try diagnose(log, [faults[1]]).refusals.isEmpty)
      #expect(try diagnose(log, [faults[1]]).severity == .inputOutput)
      #expect(try diagnose(log, faults).findings.allSatisfy { $0.verdict == .inputOutput })
      try expectRefusal(log, faults)
    }
  }

  /// A file that the manifest does not know, and that may be what it lacks.
  @Test func anUnknownSegmentThatDoesNotComeIsNotMovedAside() throws {
    var log = try twoSegments().log
    var next = try log.nextSegment()
    let frame = try next.entry()
    for fault in [
      SimulatedFault.unopenable(file: next.name, errno: Self.denied), bad(next.name, at: 0),
      bad(next.name, at: frame.offset),
    ] {
      let found = try #require(try diagnose(log, [fault]).refusals.first)
      #expect(found.verdict == .inputOutput && found.file == next.name)
      try expectRefusal(log, [fault])
    }
  }
}
