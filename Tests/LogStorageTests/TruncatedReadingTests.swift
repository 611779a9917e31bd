// Reading beside truncations: nothing is delivered that was taken back, and what took its place is.

import ByteBuffers
import Dispatch
import LogFormat
import LogStorage
import Simulation
import StorageIO
import Synchronization
import SystemPackage
import TestSupport
import Testing

private func small() -> LogOptions {
  var options = LogOptions()
  options.engine.segmentBytes = 32 << 10
  options.engine.segmentBytesFirst = 16 << 10
  options.engine.batchBytesMax = 4 << 10
  options.engine.entryBytesMax = 16 << 10
  options.engine.reserveBytes = 0
  options.engine.recentBytesMax = 0
  return options
}

/// A disk on which opening one file waits until the test says so, and then finds it gone.
private final class HeldDisk: ForwardingDirectory {
  let disk = SharedDisk()
  private let held = Mutex<String?>(nil)
  private let release = DispatchSemaphore(value: 0)
  private let reached: AsyncStream<Void>.Continuation
  private let arrivals: AsyncStream<Void>

  init() { (arrivals, reached) = AsyncStream.makeStream() }

  /// The next to open `name` for reading waits.
  func hold(_ name: String) { held.withLock { $0 = name } }

  func waitUntilReached() async {
    for await _ in arrivals { return }
  }

  func letGo() { release.signal() }

  var directory: any StorageDirectory { disk }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    let isHeld = held.withLock { held in
      guard held == name, case .read = access else { return false }
      held = nil
      return true
    }
    guard isHeld else { return try disk.open(name, access) }
    reached.yield()
    release.wait()
    throw StorageError(.open, path: name, errno: .noSuchFileOrDirectory)
  }
}

/// A disk on which reading one file waits, with what it read, until the test says so.
private final class PausedDisk: ForwardingDirectory {
  let disk = SharedDisk()
  private let held = Mutex<String?>(nil)
  private let release = DispatchSemaphore(value: 0)
  private let reached: AsyncStream<Void>.Continuation
  private let arrivals: AsyncStream<Void>

  init() { (arrivals, reached) = AsyncStream.makeStream() }

  /// The next to read from `name` waits.
  func hold(_ name: String) { held.withLock { $0 = name } }

  func waitUntilReached() async {
    for await _ in arrivals { return }
  }

  func letGo() { release.signal() }

  fileprivate func wait(at name: String) {
    let isHeld = held.withLock { held in
      guard held == name else { return false }
      held = nil
      return true
    }
    guard isHeld else { return }
    reached.yield()
    release.wait()
  }

  var directory: any StorageDirectory { disk }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    let file = try disk.open(name, access)
    guard case .read = access else { return file }
    return PausedFile(self, name, file)
  }
}

private final class PausedFile: ForwardingFile {
  private let disk: PausedDisk
  private let name: String
  let file: any StorageFile

  init(_ disk: PausedDisk, _ name: String, _ file: any StorageFile) {
    self.disk = disk
    self.name = name
    self.file = file
  }

  func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes {
    let bytes = try file.read(count, at: offset)
    disk.wait(at: name)
    return bytes
  }
}

@Suite struct TruncatedReadingTests {
  /// Reads beside a truncation that comes while the first file is being read.
  ///
  /// - Parameters:
  ///   - size: bytes of the segments.
  ///   - kept: the last entry that the truncation keeps.
  ///   - last: the last entry that is appended behind it.
  private func read(
    _ range: ClosedRange<LogIndex>, of count: LogIndex, size: Int, kept: LogIndex,
    last: LogIndex
  ) async throws -> (texts: Result<[String], any Error>, firstFileHolds: LogIndex) {
    let disk = PausedDisk()
    var options = small()
    options.engine.segmentBytes = size
    options.engine.segmentBytesFirst = size
    let log = try SegmentedLog.open(disk, options: options, seed: 1)
    for i in 1...count { try await log.append(Bytes("entry \(i)")) }
    let names = try disk.list().map(\.name).filter { $0.hasSuffix(".wal") }
    let second = names.dropFirst().first.flatMap { SegmentName($0)?.firstIndex }
    disk.hold(names[0])
    async let reading = withCheckedContinuation { continuation in
      // A thread that may block.
      DispatchQueue.global().async {
        continuation.resume(
          returning: Result { try log.read(range, bytesMax: .max).map(\.payload.text) })
      }
    }
    await disk.waitUntilReached()
    try await log.truncate(after: kept)
    if last > kept { for i in kept + 1...last { try await log.append(Bytes("new \(i)")) } }
    disk.letGo()
    let texts = await reading
    try await log.close()
    return (texts, (second ?? count + 1) - 1)
  }

  /// Entries of before and of behind a truncation are never returned by one call.
  @Test func aReadOfSeveralRoundsIsOneLog() async throws {
    let (texts, first) = try await read(1...60, of: 60, size: 64 << 10, kept: 4, last: 60)
    // The first round reads some that are taken back, and not all of them.
    try #require(first > 4 && first < 60)
    let expected = (1...4).map { "entry \($0)" } + (5...60).map { "new \($0)" }
    #expect(try texts.get() == expected)
  }

  @Test func whatIsTakenBackWhileItIsReadIsNotReturned() async throws {
    let (texts, first) = try await read(1...40, of: 40, size: 4 << 20, kept: 20, last: 25)
    try #require(first == 40)
    #expect(
      try texts.get() == (1...20).map { "entry \($0)" } + (21...25).map { "new \($0)" })
  }

  @Test func anEntryThatIsTakenBackWhileItIsReadIsNotThere() async throws {
    let (texts, first) = try await read(30...30, of: 40, size: 4 << 20, kept: 20, last: 20)
    try #require(first == 40)
    let error = #expect(throws: LogError.self) { try texts.get() }
    #expect(error?.code == .outOfRange)
  }

  /// A segment is cut off between the moment at which a reader finds out where an entry lies and the
  /// one at which it opens the file.
  @Test func aReadThatRacesWithACutReadsWhatTookThePlace() async throws {
    let disk = HeldDisk()
    let log = try SegmentedLog.open(disk, options: small(), seed: 1)
    for i in 1...40 { try await log.append(Bytes("entry \(i)")) }
    let names = try disk.list().map(\.name).filter { $0.hasSuffix(".wal") }
    let segments = names.compactMap { name in
      name.split(whereSeparator: { "-.".contains($0) }).dropFirst().first.flatMap { LogIndex($0) }
    }
    // The first segment that begins behind entry 4; the name of a segment ends with its first index.
    let position = try #require(segments.firstIndex { $0 > 4 })
    let index = segments[position]
    try #require(position < segments.count - 1)
    disk.hold(names[position])
    async let reading = withCheckedContinuation { continuation in
      // A thread that may block.
      DispatchQueue.global().async {
        continuation.resume(returning: Result { try log.read(index) })
      }
    }
    await disk.waitUntilReached()
    try await log.truncate(after: 4)
    for i in 5...40 { try await log.append(Bytes("new \(i)")) }
    disk.letGo()
    let entry = try await reading.get()
    #expect(entry.index == index)
    #expect(entry.payload.text == "new \(index)")
    try await log.close()
  }

  /// More batches in one segment than a reader takes over at a time.
  @Test func aSegmentOfManyBatchesIsReadWhole() async throws {
    var options = small()
    options.engine.segmentBytes = 16 << 20
    options.engine.segmentBytesFirst = 16 << 20
    options.engine.syncMode = .never
    let directory = TemporaryDirectory()
    let log = try SegmentedLog.open(directory.path, options: options)
    for i in 1...2_500 { try await log.append(Bytes("entry \(i)")) }
    #expect(log.status.segments == 1)
    let texts = try log.read(1...2_500, bytesMax: .max).map(\.payload.text)
    #expect(texts == (1...2_500).map { "entry \($0)" })
    #expect(try log.read(1_020...1_030, bytesMax: .max).map(\.index) == Array(1_020...1_030))
    try await log.close()
  }

  @Test func whatWasReadAheadAndTakenBackIsNotDelivered() async throws {
    let log = try SegmentedLog.open(SharedDisk(), options: small(), seed: 1)
    for i in 1...10 { try await log.append(Bytes("entry \(i)")) }
    var entries = log.entries(from: 1).makeAsyncIterator()
    var texts: [String] = []
    for _ in 1...2 { texts.append(try #require(try await entries.next()).payload.text) }
    try await log.truncate(after: 5)
    for i in 6...12 { try await log.append(Bytes("new \(i)")) }
    for _ in 3...12 { texts.append(try #require(try await entries.next()).payload.text) }
    #expect(texts == (1...5).map { "entry \($0)" } + (6...12).map { "new \($0)" })
    try await log.close()
  }

  @Test(arguments: [LogIndex(1), 8])
  func whatWasDeliveredAndTakenBackIsDeliveredAnew(from first: LogIndex) async throws {
    let log = try SegmentedLog.open(SharedDisk(), options: small(), seed: 1)
    for i in 1...10 { try await log.append(Bytes("entry \(i)")) }
    let (delivered, isDelivered) = AsyncStream<Void>.makeStream()
    // It may wait for entry 11 already when the log is cut back, or not yet.
    let reading = Task {
      var seen: [Entry] = []
      for try await entry in log.entries(from: first) {
        seen.append(entry)
        if entry.payload.text == "entry 10" { isDelivered.yield() }
        if entry.payload.text == "new 9" { break }
      }
      return seen
    }
    for await _ in delivered { break }
    try await log.truncate(after: 5)
    for i in 6...9 { try await log.append(Bytes("new \(i)")) }
    let seen = try await reading.value
    // Never to below the index that it began with.
    let again = max(first, 6)
    #expect(seen.map(\.index) == Array(first...10) + Array(again...9))
    #expect(seen.suffix(2).map(\.payload.text) == ["new 8", "new 9"])
    try await log.close()
  }
}
