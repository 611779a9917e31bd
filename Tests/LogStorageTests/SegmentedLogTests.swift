// SegmentedLog on a real file system: what an embedder sees.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import SystemPackage
import TestSupport
import Testing

private func payloads(_ range: ClosedRange<Int>) -> [Bytes] { range.map { Bytes("entry \($0)") } }

private func small(_ change: (inout EngineOptions) -> Void = { _ in }) -> LogOptions {
  var options = LogOptions()
  options.engine.segmentBytes = 32 << 10
  options.engine.segmentBytesFirst = 16 << 10
  options.engine.batchBytesMax = 4 << 10
  options.engine.entryBytesMax = 16 << 10
  options.engine.reserveBytes = 4 << 10
  change(&options.engine)
  return options
}

@Suite struct SegmentedLogTests {
  let directory = TemporaryDirectory()

  @Test func whatWasAppendedIsThereAfterAReopen() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    #expect(log.firstIndex == 1)
    #expect(log.appendedIndex == 0)
    #expect(try await log.append(Bytes("one")) == 1)
    #expect(try await log.append(contentsOf: payloads(2...500)) == 2...500)
    #expect(log.durableIndex == 500)
    try await log.close()

    let again = try SegmentedLog.open(directory.path, options: small())
    #expect(again.findings.isEmpty)
    #expect(again.durableIndex == 500)
    #expect(try again.read(1).payload.text == "one")
    for index in LogIndex(2)...500 {
      let entry = try again.read(index)
      #expect(entry.index == index)
      #expect(entry.payload.text == "entry \(index)")
    }
    try await again.close()
  }

  @Test func rangesAreReadAcrossSegmentsAndClampedByBytes() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    for i in 1...300 { try await log.append(Bytes("entry \(i)")) }
    #expect(log.status.segments > 3)
    let all = try log.read(1...300, bytesMax: .max)
    #expect(all.map(\.index) == Array(1...300))
    #expect(all.map(\.payload.text) == (1...300).map { "entry \($0)" })
    let few = try log.read(100...300, bytesMax: 25)
    #expect(!few.isEmpty && few.reduce(0) { $0 + $1.payload.count } <= 25)
    #expect(few[0].index == 100)
    try await log.close()
  }

  /// What was written last is in memory: what does not fit any more is not looked for on the disk.
  @Test func aBoundedReadAtTheTailReadsNoFile() async throws {
    let disk = SharedDisk()
    let log = try SegmentedLog.open(disk, options: small(), seed: 1)
    try await log.append(contentsOf: payloads(1...20))
    disk.withDisk { disk in
      disk.faults = try! disk.list().filter { $0.name.hasSuffix(".wal") }
        .map { .unopenable(file: $0.name, errno: Errno.ioError.rawValue) }
    }
    #expect(try log.read(11...20, bytesMax: 17).map(\.index) == [11, 12])
    #expect(try log.read(11...20, bytesMax: 0).map(\.index) == [11])
    #expect(try log.read(19...30).map(\.index) == [19, 20])
    disk.withDisk { $0.faults = [] }
    try await log.close()
  }

  @Test func concurrentAppendersShareSyncsAndKeepTheirOrder() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    let each = 40
    try await withThrowingTaskGroup(of: [LogIndex].self) { group in
      for writer in 0..<32 {
        group.addTask {
          var indices: [LogIndex] = []
          for i in 0..<each { indices.append(try await log.append(Bytes("\(writer) \(i)"))) }
          return indices
        }
      }
      var seen: Set<LogIndex> = []
      for try await indices in group {
        #expect(indices == indices.sorted())
        seen.formUnion(indices)
      }
      #expect(seen.count == 32 * each)
    }
    // Group commit: far fewer syncs than entries.
    #expect(log.status.syncs < 32 * each)
    var next = Array(repeating: 0, count: 32)
    for entry in try log.read(1...LogIndex(32 * each), bytesMax: .max) {
      let parts = entry.payload.text.split(separator: " ").compactMap { Int($0) }
      #expect(parts[1] == next[parts[0]])
      next[parts[0]] += 1
    }
    try await log.close()
  }

  @Test func blockingAndAsyncAppendersMix() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { for i in 1...100 { try await log.append(Bytes("a\(i)")) } }
      group.addTask { for i in 1...100 { try log.appendBlocking(contentsOf: [Bytes("b\(i)")]) } }
      try await group.waitForAll()
    }
    #expect(log.durableIndex == 200)
    try await log.close()
  }

  @Test func theTailIsFollowed() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    try await log.append(contentsOf: payloads(1...3))
    var reader = log.entries(from: 2).makeAsyncIterator()
    for i in 2...3 { #expect(try await reader.next()?.index == LogIndex(i)) }
    // Whatever the reader has, it has: each entry is one that it had to wait for.
    for i in 4...20 {
      async let appended = log.append(Bytes("entry \(i)"))
      let entry = try await reader.next()
      #expect(entry?.payload.text == "entry \(i)" && entry?.index == LogIndex(i))
      _ = try await appended
    }
    try await log.close()
    #expect(try await reader.next() == nil)
  }

  @Test func aCancelledReaderStops() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    let reading = Task {
      for try await _ in log.entries(from: 1) {}
    }
    reading.cancel()
    let error = await #expect(throws: LogError.self) { try await reading.value }
    #expect(error?.code == .cancelled && error?.message.contains("nothing was asked") == true)
    try await log.close()
  }

  @Test func aSuffixIsReplaced() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    try await log.append(contentsOf: payloads(1...5))
    try await log.truncate(after: 3)
    try await log.append(Bytes("new 4"))
    #expect(try log.read(4).payload.text == "new 4")
    #expect(throws: LogError.self) { try log.read(5) }
    try await log.close()
    let again = try SegmentedLog.open(directory.path, options: small())
    #expect(
      try again.read(1...4).map(\.payload.text) == ["entry 1", "entry 2", "entry 3", "new 4"])
    try await again.close()
  }

  @Test func truncationReachesBelowTheActiveSegment() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    for i in 1...60 { try await log.append(Bytes("entry \(i)")) }
    #expect(log.status.segments > 4)
    try await log.truncate(after: 4)
    #expect(log.appendedIndex == 4)
    try await log.append(Bytes("five"))
    try await log.close()
    let again = try SegmentedLog.open(directory.path, options: small())
    #expect(again.appendedIndex == 5)
    #expect(try again.read(4).payload.text == "entry 4")
    #expect(try again.read(5).payload.text == "five")
    try await again.close()
  }

  @Test func compactionForgetsAndDeletes() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    for i in 1...60 { try await log.append(Bytes("entry \(i)")) }
    let before = log.status
    try await log.compact(through: 50)
    #expect(log.firstIndex == 51)
    #expect(log.term(at: 50) == 0)
    #expect(log.status.segments < before.segments)
    let error = #expect(throws: LogError.self) { try log.read(50) }
    #expect(error?.code == .compacted)
    #expect(try log.read(51).payload.text == "entry 51")
    try await log.close()
    let files = try POSIXDirectory(path: directory.path).list().filter { $0.name.hasSuffix(".wal") }
    #expect(files.count < before.segments)
    let again = try SegmentedLog.open(directory.path, options: small())
    #expect(again.firstIndex == 51)
    try await again.close()
  }

  @Test func hardStateIsKept() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    try await log.save(HardState(term: 7, vote: 3))
    let error = await #expect(throws: LogError.self) { try await log.save(HardState(term: 6)) }
    #expect(error?.code == .termWentBack)
    try await log.close()
    let again = try SegmentedLog.open(directory.path, options: small())
    #expect(again.hardState == HardState(term: 7, vote: 3))
    try await again.close()
  }

  @Test(arguments: [SyncMode.interval(.milliseconds(5)), .never])
  func laxModesAreHonestAboutWhatIsDurable(mode: SyncMode) async throws {
    let log = try SegmentedLog.open(directory.path, options: small { $0.syncMode = mode })
    let receipt = try await log.enqueue(payloads(1...3))
    try await log.wait(for: receipt)
    #expect(try log.read(3).payload.text == "entry 3")
    if mode == .never {
      #expect(log.durableIndex == 0)
    } else {
      try await log.waitUntilDurable(receipt)
    }
    try await log.sync()
    #expect(log.durableIndex == 3)
    try await log.close()
  }

  @Test(arguments: Compression.allCases)
  func everyCodecReadsBack(compression: Compression) async throws {
    let log = try SegmentedLog.open(
      directory.path, options: small { $0.compression = compression })
    let large = Bytes(String(repeating: "abcdefgh", count: 1500))
    try await log.append(large)
    try await log.append(Bytes())
    #expect(try log.read(1).payload == large)
    #expect(try log.read(2).payload.isEmpty)
    try await log.close()
  }
}

@Suite struct BadInputTests {
  let directory = TemporaryDirectory()

  @Test func aSecondOpenerIsToldSo() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    let error = #expect(throws: LogError.self) {
      try SegmentedLog.open(directory.path, options: small())
    }
    #expect(error?.code == .locked)
    try await log.close()
    try await SegmentedLog.open(directory.path, options: small()).close()
  }

  /// Somebody "cleans up" beside a writer. A second one would take back what the first acknowledges.
  @Test func aDeletedLockFileLetsNobodyIn() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    try await log.append(Bytes("first"))
    try POSIXDirectory(path: directory.path).remove("LOCK")
    for _ in 1...2 {
      // The second time there is a lock file again, which the refused opener made.
      let error = #expect(throws: LogError.self) {
        try SegmentedLog.open(directory.path, options: small())
      }
      #expect(error?.code == .locked)
    }
    try await log.append(Bytes("second"))
    try await log.close()
    let again = try SegmentedLog.open(directory.path, options: small())
    #expect(try again.read(1).payload.text == "first" && again.read(2).payload.text == "second")
    try await again.close()
  }

  @Test func anotherDirectoryIsNotTurnedIntoALog() throws {
    let other = try POSIXDirectory(path: directory.path)
    try other.open("thesis.txt", .create).write(Bytes("years of work"), at: 0)
    let error = #expect(throws: LogError.self) {
      try SegmentedLog.open(directory.path, options: small())
    }
    #expect(error?.code == .notALogDirectory)
    #expect(try other.open("thesis.txt", .read).read(100, at: 0).text == "years of work")
    // Nothing was made, not even a lock file.
    #expect(try other.list().map(\.name) == ["thesis.txt"])
  }

  @Test func aMissingLogIsNotMadeUnasked() throws {
    var options = small()
    options.createsIfMissing = false
    let error = #expect(throws: LogError.self) {
      try SegmentedLog.open(directory.path + "/nowhere", options: options)
    }
    #expect(error?.code == .noLog)
    let empty = #expect(throws: LogError.self) {
      try SegmentedLog.open(directory.path, options: options)
    }
    #expect(empty?.code == .noLog)
    #expect(try POSIXDirectory(path: directory.path).list().isEmpty)
  }

  @Test func aForeignGroupIsRefused() async throws {
    try await SegmentedLog.open(directory.path, options: small()).close()
    var options = small()
    options.group = UID(high: 1, low: 2)
    let error = #expect(throws: LogError.self) {
      try SegmentedLog.open(directory.path, options: options)
    }
    #expect(error?.code == .foreign)
    // A copy of the log without its lock file does not get one either.
    let copy = try POSIXDirectory(path: directory.path)
    try copy.remove("LOCK")
    let files = try copy.list()
    #expect(throws: LogError.self) { try SegmentedLog.open(directory.path, options: options) }
    #expect(try copy.list() == files)
  }

  @Test func anEntryOverTheLimitIsRefusedWhole() async throws {
    let log = try SegmentedLog.open(directory.path, options: small { $0.entryBytesMax = 10 })
    let error = await #expect(throws: LogError.self) {
      try await log.append(contentsOf: [Bytes("fits"), Bytes("does not fit")])
    }
    #expect(error?.code == .entryTooLarge)
    #expect(log.appendedIndex == 0)
    try await log.close()
  }

  @Test func indicesOutsideTheLogAreRefused() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    try await log.append(contentsOf: payloads(1...3))
    #expect(throws: LogError.self) { try log.read(4) }
    #expect(throws: LogError.self) { try log.read(0) }
    await #expect(throws: LogError.self) { try await log.truncate(after: 9) }
    await #expect(throws: LogError.self) { try await log.compact(through: 4) }
    try await log.close()
    await #expect(throws: LogError.self) { try await log.append(Bytes("late")) }
  }

  @Test func aTermNeverFalls() async throws {
    let log = try SegmentedLog.open(directory.path, options: small())
    try await log.append(Bytes("a"), term: 5)
    let error = await #expect(throws: LogError.self) { try await log.append(Bytes("b"), term: 4) }
    #expect(error?.code == .termWentBack)
    try await log.close()
  }
}

@Suite struct FullDiskTests {
  @Test func appendsFailWholeAndGoOnWhenThereIsRoom() async throws {
    let disk = SharedDisk()
    disk.withDisk { $0.capacity = 256 << 10 }
    let log = try SegmentedLog.open(disk, options: small(), seed: 1)
    var acknowledged: LogIndex = 0
    var failure: LogError?
    for i in 1...2_000 {
      do {
        acknowledged = try await log.append(Bytes("entry \(i)"))
      } catch {
        failure = error
        break
      }
    }
    #expect(failure?.code == .diskFull)
    #expect(acknowledged > 10)
    #expect(log.appendedIndex == acknowledged)
    #expect(try log.read(acknowledged).payload.text == "entry \(acknowledged)")
    // Votes still work, and so does compaction, which makes room.
    try await log.save(HardState(term: 1, vote: 1))
    try await log.compact(through: acknowledged - 1)
    #expect(try await log.append(Bytes("resumed")) == acknowledged + 1)
    try await log.close()
    let again = try SegmentedLog.open(disk, options: small(), seed: 2)
    #expect(try again.read(acknowledged + 1).payload.text == "resumed")
    try await again.close()
  }

  @Test func theLogsOwnCapIsHonoured() async throws {
    let disk = SharedDisk()
    let options = small { $0.bytesMax = 200 << 10 }
    let log = try SegmentedLog.open(disk, options: options, seed: 1)
    var failure: LogError?
    while failure == nil {
      do { try await log.append(Bytes("entry")) } catch { failure = error }
    }
    #expect(failure?.code == .capReached)
    #expect(log.status.diskBytes <= 200 << 10)
    try await log.compact(through: log.durableIndex)
    try await log.append(Bytes("resumed"))
    try await log.close()
  }
}

@Suite struct FailedSyncTests {
  /// fsync fails once and then claims success (ATC '20): nobody may believe it.
  @Test func aFailedSyncStopsTheLog() async throws {
    let disk = SharedDisk()
    let log = try SegmentedLog.open(disk, options: small { $0.reserveBytes = 0 }, seed: 1)
    try await log.append(Bytes("kept"))
    disk.withDisk { $0.failNextSync() }
    let error = await #expect(throws: LogError.self) { try await log.append(Bytes("doubtful")) }
    #expect(error?.code == .poisoned)
    let later = await #expect(throws: LogError.self) { try await log.append(Bytes("later")) }
    #expect(later?.code == .poisoned)
    #expect(log.durableIndex == 1)
    #expect(try log.read(1).payload.text == "kept")
    // Closing says why once more, and gives the directory up all the same.
    let last = await #expect(throws: LogError.self) { try await log.close() }
    #expect(last?.code == .poisoned)
    let again = try SegmentedLog.open(disk, options: small { $0.reserveBytes = 0 }, seed: 2)
    #expect(try again.read(1).payload.text == "kept")
    try await again.close()
  }

  @Test func closingTwiceAtOnceIsFine() async throws {
    for seed in 1...50 as ClosedRange<UInt64> {
      let disk = SharedDisk()
      let log = try SegmentedLog.open(disk, options: small { $0.reserveBytes = 0 }, seed: seed)
      try await log.append(Bytes("kept"))
      let receipt = try await log.enqueue([Bytes("last")])
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 1...4 { group.addTask { try await log.close() } }
        try await group.waitForAll()
      }
      // It was done, and stays so.
      try await log.wait(for: receipt)
      let again = try SegmentedLog.open(disk, options: small { $0.reserveBytes = 0 }, seed: 99)
      #expect(again.durableIndex == 2)
      try await again.close()
    }
  }
}

@Suite struct CrashLoopTests {
  /// Kills without end leave neither a segment each nor a slow open.
  @Test func aCrashLoopCostsLittle() async throws {
    let disk = SharedDisk()
    let options = small {
      $0.segmentBytesFirst = 64 << 10; $0.segmentBytes = 64 << 10
    }
    for i in 1...300 {
      // Dropped without a close: the process is gone.
      let log = try SegmentedLog.open(disk, options: options, seed: UInt64(i))
      try await log.append(Bytes("entry \(i)"))
    }
    let files = try disk.list()
    #expect(files.filter { $0.name.hasSuffix(".wal") }.count < 60)
    #expect(files.filter { $0.name.hasPrefix("spare") }.count <= 1)
    let log = try SegmentedLog.open(disk, options: options, seed: 0)
    #expect(log.durableIndex == 300)
    let texts = try log.read(1...300, bytesMax: .max).map(\.payload.text)
    #expect(texts == (1...300).map { "entry \($0)" })
    try await log.close()
  }
}
