// DirectoryLook: what a writer does while a directory is looked at is no damage, and damage is.

import LogFormat
import Recovery
import Simulation
import StorageIO
import Testing

@Suite struct DirectoryLookTests {
  /// Two segments: entries 1 and 2 in a sealed one, entry 3 in the active one.
  private func twoSegments() throws -> (log: LogFixture, first: SegmentFixture) {
    var log = try LogFixture()
    try log.segment.entry()
    try log.segment.entry()
    let first = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.segment.marker()
    return (log, first)
  }

  /// The manifest is read, then a compaction drops the segment that it names, and removes its file.
  @Test(arguments: [[true], [false, true]])
  func aCompactionBetweenTwoReadsIsNoLoss(locked: [Bool]) throws {
    let (log, first) = try twoSegments()
    let watched = WatchedDisk(log.disk, locked: locked)
    var compacted = log
    var isDone = false
    watched.onOpen = { name in
      guard name == VoteFile.names[0], !isDone else { return }
      isDone = true
      do {
        try compacted.edit([.first(3, previousTerm: 0), .dropped(first.header.uid)])
        try log.disk.remove(first.name)
      } catch {
        Issue.record(error)
      }
    }
    let look = try DirectoryLook(watched)
    #expect(isDone)
    #expect(look.findings.isEmpty)
    let view = try #require(LogView(look.diagnosis, in: watched))
    #expect(view.firstIndex == 3 && view.lastIndex == 3)
  }

  @Test(arguments: [[true], [false, true]])
  func anEditThatIsUnderWayIsNoDamage(locked: [Bool]) throws {
    var (log, _) = try twoSegments()
    try log.edit(
      [.closed(log.segment.header.uid, ordinal: log.segment.ordinal)],
      copies: [ManifestHeader.names[0]])
    let look = try DirectoryLook(WatchedDisk(log.disk, locked: locked))
    #expect(look.isLive)
    #expect(look.findings.isEmpty)
    let stopped = try DirectoryLook(WatchedDisk(log.disk, locked: [false]))
    #expect(!stopped.isLive)
    #expect(stopped.findings.map(\.verdict) == [.healedManifest])
  }

  /// What a writer leaves unsealed for a while is not news beside it, also when it has just come.
  @Test func aWriterThatComesMeanwhileIsNotTakenForAStoppedOne() throws {
    var log = try LogFixture()
    try log.segment.entry()
    try log.roll(isSealed: false)
    let look = try DirectoryLook(WatchedDisk(log.disk, locked: [false, true]))
    #expect(look.isLive)
    #expect(look.findings.isEmpty)
    let stopped = try DirectoryLook(WatchedDisk(log.disk, locked: [false]))
    #expect(stopped.findings.map(\.verdict) == [.unsealed])
  }

  @Test(arguments: [[true], [false], [false, true], [true, false]])
  func aLostFileIsLostBesideAWriterToo(locked: [Bool]) throws {
    let (log, first) = try twoSegments()
    try log.disk.remove(first.name)
    let look = try DirectoryLook(WatchedDisk(log.disk, locked: locked))
    #expect(look.findings.map(\.verdict) == [.lostFile])
    #expect(look.severity == .lost)
  }
}
