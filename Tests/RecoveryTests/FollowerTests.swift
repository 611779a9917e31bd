// LogFollower: every entry once and in order, and no truncation passed over in silence.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import Testing

/// What a follower has passed on in one call.
private struct Taken: Equatable {
  var indices: [LogIndex] = []
  var payloads: [Bytes] = []
  var truncations: [LogIndex] = []
}

extension LogFollower {
  fileprivate mutating func take() throws -> Taken {
    var taken = Taken()
    _ = try poll(
      onTruncation: { taken.truncations.append($0) },
      into: { entries in
        taken.indices += entries.map(\.index)
        taken.payloads += entries.map(\.payload)
        return true
      })
    return taken
  }
}

private func small() -> LogOptions {
  var options = LogOptions()
  options.engine.segmentBytes = 32 << 10
  options.engine.segmentBytesFirst = 16 << 10
  options.engine.batchBytesMax = 4 << 10
  options.engine.entryBytesMax = 16 << 10
  options.engine.reserveBytes = 0
  return options
}

@Suite struct FollowerTests {
  private let old = (1...8).map { Bytes.filler(60, $0) }
  /// Entries 6 to 10; the seventh and the eighth are what they were.
  private let new = [6, 7, 8, 9, 10].map { Bytes.filler(60, $0 == 6 ? 66 : $0) }

  /// A log of entries 1 to 8, in batches of `size`, and a follower that has passed them on.
  private func followed(_ size: Int) throws -> (log: LogFixture, follower: LogFollower) {
    var log = try LogFixture()
    for start in stride(from: 0, to: old.count, by: size) {
      try log.segment.batch(Array(old[start..<start + size]))
    }
    var follower = LogFollower(log.disk, from: 1)
    #expect(try follower.take().payloads == old)
    return (log, follower)
  }

  private let replaced = Taken(
    indices: [6, 7, 8, 9, 10], payloads: [6, 7, 8, 9, 10].map { .filler(60, $0 == 6 ? 66 : $0) },
    truncations: [5])

  @Test(arguments: [1, 2, 8])
  func aTruncationThatWasOutgrownIsTold(batch size: Int) throws {
    var (log, follower) = try followed(size)
    try log.segment.batch(new, truncateAfter: 5)
    #expect(try follower.take() == replaced)
    #expect(try follower.take() == Taken())
    try log.segment.batch([.filler(9)])
    #expect(try follower.take() == Taken(indices: [11], payloads: [.filler(9)]))
  }

  /// The log ends before the first entry that was passed on: that is where it ends, and it is told once.
  @Test func aTruncationBelowTheFirstThatWasPassedOnIsToldOnce() throws {
    var log = try LogFixture()
    for payload in old { try log.segment.batch([payload]) }
    var follower = LogFollower(log.disk, from: 7)
    #expect(try follower.take().indices == [7, 8])
    try log.segment.bare(.truncation, truncateAfter: 4)
    #expect(try follower.take() == Taken(truncations: [4]))
    #expect(try follower.take() == Taken())
    try log.segment.batch([.filler(9)])
    #expect(try follower.take() == Taken(indices: [5], payloads: [.filler(9)]))
  }

  @Test(arguments: [true, false])
  func aTruncationInASegmentThatEndedSinceIsTold(isSealed: Bool) throws {
    var (log, follower) = try followed(2)
    try log.segment.bare(.truncation, truncateAfter: 5)
    try log.segment.batch(Array(new[..<3]))
    try log.roll(isSealed: isSealed)
    try log.segment.batch(Array(new[3...]))
    #expect(try follower.take() == replaced)
    #expect(try follower.take() == Taken())
  }

  @Test func aTruncationThatNothingFollowedIsToldOnce() throws {
    var (log, follower) = try followed(1)
    try log.segment.bare(.truncation, truncateAfter: 5)
    #expect(try follower.take() == Taken(truncations: [5]))
    try log.segment.batch(new)
    var expected = replaced
    expected.truncations = []
    #expect(try follower.take() == expected)
  }

  /// A marker, a roll and a seal change the files and not the log.
  @Test func whatChangesNoEntryIsNoTruncation() throws {
    var (log, follower) = try followed(2)
    try log.segment.marker()
    #expect(try follower.take() == Taken())
    try log.roll(isSealed: false)
    #expect(try follower.take() == Taken())
    try log.segment.batch([.filler(9)])
    #expect(try follower.take() == Taken(indices: [9], payloads: [.filler(9)]))
    try log.roll(isSealed: true)
    #expect(try follower.take() == Taken())
  }

  /// An opening after a crash copies what nobody vouched for to a new segment.
  @Test func aCopyOfWhatWasPassedOnIsNoTruncation() throws {
    let fixture = try followed(2)
    var follower = fixture.follower
    let log = fixture.log
    let uid = log.segment.header.uid
    let opened = try LogFixture.open(log.disk).opened
    #expect(opened.active.record.uid != uid)
    #expect(try follower.take() == Taken())
    #expect(follower.next == 9)
    // The copy is known as such from now on.
    #expect(try follower.take() == Taken())
  }

  @Test func aTruncationBelowTheActiveSegmentIsTold() async throws {
    let disk = SharedDisk()
    let log = try SegmentedLog.open(disk, options: small(), seed: 1)
    for i in 1...40 { try await log.append(Bytes("entry \(i)")) }
    #expect(log.status.segments > 2)
    var follower = LogFollower(disk, from: 1)
    #expect(try follower.take().indices == Array(1...40))
    try await log.truncate(after: 4)
    for i in 5...60 { try await log.append(Bytes("new \(i)")) }
    let taken = try follower.take()
    #expect(taken.truncations == [4])
    #expect(taken.indices == Array(5...60))
    #expect(taken.payloads.map(\.text) == (5...60).map { "new \($0)" })
    try await log.close()
  }

  @Test func aFileThatIsGoneIsAnError() throws {
    var log = try LogFixture()
    try log.segment.entry()
    let first = try log.roll(isSealed: true)
    try log.segment.entry()
    try log.disk.remove(first.name)
    var follower = LogFollower(log.disk, from: 1)
    let error = #expect(throws: RecoveryError.self) { try follower.take() }
    #expect(error?.code == .lost)
    // Whoever needs nothing of it goes on.
    var later = LogFollower(log.disk, from: 2)
    #expect(try later.take().indices == [2])
  }
}
