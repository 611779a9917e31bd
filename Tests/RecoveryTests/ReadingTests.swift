// Reading a log without opening it: what a footer is worth, and what reading on costs.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct ReadingTests {
  /// A sound footer, of the right segment and size, that is not the one the manifest sealed it with:
  /// `SegmentIndex.load` took it at its word, and the last batch could not be found.
  @Test func aFooterThatTheSealDoesNotNameCountsForNone() throws {
    var log = try LogFixture()
    for _ in 0..<5 { try log.segment.entry() }
    try log.segment.marker()
    let sealed = try log.roll(isSealed: true)
    let record = log.state.segments[0]
    let file = try log.disk.open(sealed.name, .read)
    let whole = try SegmentIndex.load(record, header: sealed.header, from: file).complete()
    #expect(whole.map(\.ordinal) == [1, 2, 3, 4, 5])

    var footer = try sealed.scan(limit: record.end?.offset).footer
    footer.batches.removeLast()
    footer.digest ^= 1
    let bytes = footer.encoded(header: sealed.header)
    #expect(footer.offset + bytes.count == record.seal?.size)
    try log.disk.write(bytes, to: sealed.name, at: footer.offset)
    #expect(try SegmentIndex.load(record, header: sealed.header, from: file).batches == whole)
  }

  /// A writer's segment, as a follower polls it: an entry more each time, and much room left.
  private struct Polled {
    var segment: SegmentFixture
    var scan: SegmentScan
    let counting: CountingDirectory
    let file: any StorageFile

    init() throws {
      segment = try SegmentFixture(capacity: 4 << 20)
      try segment.entry()
      scan = try segment.scan()
      counting = CountingDirectory(segment.disk)
      file = try counting.open(segment.name, .read)
    }

    mutating func poll() throws {
      try segment.entry()
      let isNew = try scan.extend(file)
      #expect(isNew)
    }
  }

  /// `SegmentScan.extend` read the whole of the prepared room each time, to see that it is zero.
  @Test func readingOnReadsWhatIsNew() throws {
    var polled = try Polled()
    let count = 100
    for _ in 0..<count { try polled.poll() }
    let read = try #require(polled.counting.bytesRead[polled.segment.name])
    #expect(read <= count * (128 << 10), "\(read) bytes for \(count) entries")
    // And nothing at all is new when nothing was written.
    let isNew = try polled.scan.extend(polled.file)
    #expect(!isNew)
    #expect(try polled.segment.scan().end == polled.scan.end)
    let again = try #require(polled.counting.bytesRead[polled.segment.name]) - read
    #expect(again <= 128 << 10, "\(again) bytes for nothing")
  }

  /// `SegmentScan.extend` copied the table of batches each time. An array that is only added to moves
  /// when it has doubled.
  @Test func readingOnCopiesNoTable() throws {
    var polled = try Polled()
    var moves = 0
    var place = address(of: polled.scan.batches)
    for _ in 0..<500 {
      try polled.poll()
      let now = address(of: polled.scan.batches)
      if now != place { moves += 1 }
      place = now
    }
    #expect(polled.scan.batches.count == 501)
    #expect(moves <= 20, "\(moves) copies")
  }

  private func address(of batches: [BatchLocation]) -> UInt {
    unsafe batches.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
  }

  /// A follower that could not read a sector reads it once it can, and has missed nothing.
  @Test func aSectorThatFailedForAWhileIsReadLater() throws {
    var log = try LogFixture()
    try log.segment.entry()
    var follower = LogFollower(log.disk, from: 1)
    var seen: [LogIndex] = []
    func poll(_ follower: inout LogFollower) throws {
      _ = try follower.poll(
        onTruncation: { _ in Issue.record("nothing was taken back") },
        into: { entries in
          seen += entries.map(\.index)
          return true
        })
    }
    try poll(&follower)
    let second = try log.segment.entry()
    let third = try log.segment.entry()
    log.disk.faults = [
      .unreadable(file: log.segment.name, sector: third.offset / Layout.sector)
    ]
    // The sector reads as damage, or as an error; the entries before it may come through.
    try? poll(&follower)
    log.disk.faults = []
    try poll(&follower)
    #expect(seen == [1, 2, 3])
    #expect(second.end == third.offset)
  }
}
