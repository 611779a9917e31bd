// Names that something else has: what the log does when a file that is no part of it yet cannot be
// made, named or removed. Nothing that was acknowledged is in doubt, so the log goes on.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO
import TestSupport
import Testing

/// An engine on a real directory, where a directory has a name that the log wants.
private final class ObstructedLog {
  let place = TemporaryDirectory()
  let disk: POSIXDirectory
  var engine: LogEngine
  private var writer: DiskExecutor
  private var background: DiskExecutor

  init(reserve: Int = 0) throws {
    var options = EngineOptions()
    options.segmentBytes = 64 << 10
    options.segmentBytesFirst = 64 << 10
    options.reserveBytes = reserve
    disk = try POSIXDirectory(path: place.path)
    let plan = try LogOpener.open(disk, options: options, seed: 1)
    engine = LogEngine(plan.opened, options: options, seed: 2)
    writer = DiskExecutor(directory: disk)
    background = DiskExecutor(directory: disk)
  }

  /// Carries out the jobs of these lanes, and reports what became of them.
  func settle(_ lanes: [Lane] = [.writer, .background]) {
    var isDone = false
    while !isDone {
      isDone = true
      for lane in lanes {
        guard let job = engine.nextJob(lane, now: .zero) else { continue }
        isDone = false
        var failure: StorageError?
        do throws(StorageError) {
          if lane == .writer { try writer.run(job.steps) } else { try background.run(job.steps) }
        } catch {
          failure = error
        }
        engine.completed(job.id, failure, now: .zero)
      }
    }
  }

  /// Appends an entry; the error, if it failed.
  func append(_ text: String, _ lanes: [Lane] = [.writer, .background]) throws -> LogError? {
    _ = try engine.append([Bytes(text)])
    settle(lanes)
    return engine.takeFailures().first?.error
  }

  var isClosed: Bool { engine.isClosed }
  var isPoisoned: Bool { engine.poison != nil }
  var segments: Int { engine.manifest.segments.count }
  var segment: SegmentRecord { engine.active.record }
  var lastIndices: (durable: LogIndex, taken: LogIndex) {
    (engine.durableIndex, engine.lastIndex)
  }
  func takeObstacles() -> [StorageError] { engine.takeObstacles() }
}

@Suite struct ObstacleTests {
  @Test func withoutAReserveTheLogGoesOn() throws {
    let log = try ObstructedLog(reserve: 64 << 10)
    try log.disk.makeDirectory("reserve")
    #expect(try log.append("kept") == nil)
    let obstacles = log.takeObstacles()
    #expect(obstacles.count == 1)
    #expect(obstacles.first?.path == "\(log.place.path)/reserve")
    #expect(!log.isPoisoned && log.lastIndices == (1, 1))
    // What has the name is let alone.
    #expect(try log.disk.list().contains(FileInfo(name: "reserve", size: 0, kind: .directory)))
  }

  @Test func aSpareThatCannotBeMadeIsMadeUnderTheNextNumber() throws {
    let log = try ObstructedLog()
    try log.disk.makeDirectory("spare-1")
    for i in 1...40 { #expect(try log.append("entry \(i)") == nil) }
    #expect(!log.isPoisoned && log.segments > 1 && log.lastIndices == (40, 40))
    #expect(log.takeObstacles().map(\.path) == ["\(log.place.path)/spare-1"])
    #expect(try log.disk.list().contains(FileInfo(name: "spare-1", size: 0, kind: .directory)))
  }

  /// The append that needs the segment fails and says why; the next one gets the next number.
  @Test func aSegmentsNameThatIsTakenFailsTheAppend() throws {
    let log = try ObstructedLog()
    let sequence = log.segment.sequence + 1
    let names = (2...40).map { SegmentName(sequence: sequence, firstIndex: $0).description }
    for name in names { try log.disk.makeDirectory(name) }
    var failure: LogError?
    var appended: LogIndex = 0
    while failure == nil {
      try #require(appended < 40)
      failure = try log.append("entry \(appended + 1)")
      if failure == nil { appended += 1 }
    }
    let error = try #require(failure)
    let name = SegmentName(sequence: sequence, firstIndex: appended + 1).description
    #expect(error.code == .storage)
    #expect(error.message.contains("\(log.place.path)/\(name)"))
    #expect(!log.isPoisoned && log.segments == 1)
    #expect(log.lastIndices == (appended, appended))
    #expect(try log.append("resumed") == nil)
    #expect(!log.isPoisoned && log.segments == 2)
    #expect(log.segment.sequence == sequence + 1)
    #expect(log.lastIndices == (appended + 1, appended + 1))
    // Nothing is left of the attempt.
    #expect(try log.disk.list().filter { $0.name.hasPrefix("spare") }.count <= 1)
  }

  /// A spare that cannot be removed keeps no log from being closed.
  @Test func aSpareThatCannotBeRemovedIsLeft() throws {
    let log = try ObstructedLog()
    var spare: String?
    while spare == nil {
      #expect(try log.append("entry") == nil)
      spare = try log.disk.list().map(\.name).first { $0.hasPrefix("spare-") }
    }
    try log.disk.remove(spare!)
    try log.disk.makeDirectory(spare!)
    _ = try log.engine.close()
    log.settle()
    #expect(log.isClosed && !log.isPoisoned)
    #expect(log.takeObstacles().map(\.path) == ["\(log.place.path)/\(spare!)"])
    let again = try LogOpener.open(log.disk, options: log.engine.options, seed: 9)
    #expect(again.findings.isEmpty && again.opened.active.end.index == log.lastIndices.taken)
  }

  @Test func aDroppedFileThatCannotBeRemovedIsLeft() throws {
    let log = try ObstructedLog()
    let name = log.segment.fileName
    while log.segments < 4 { #expect(try log.append("entry") == nil) }
    let others = log.engine.manifest.segments.dropFirst().dropLast().map(\.fileName)
    let last = log.lastIndices.durable
    _ = try log.engine.compact(through: last)
    log.settle([.writer])
    try log.disk.remove(name)
    try log.disk.makeDirectory(name)
    log.settle()
    #expect(log.takeObstacles().map(\.path) == ["\(log.place.path)/\(name)"])
    // The others are gone all the same.
    #expect(others.count == 2)
    #expect(try log.disk.list().allSatisfy { !others.contains($0.name) })
    let dropped = log.engine.manifest.dropped.map(\.description)
    #expect(dropped == [name])
    #expect(try log.append("resumed") == nil)
    #expect(!log.isPoisoned && log.lastIndices == (last + 1, last + 1))
  }
}
