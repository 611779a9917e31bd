// StorageExplorer: tries a crash before every change of the disk, and everything that it may leave.
//
// What must always hold: a failure names the operations, the crash and the image, and the same seed
// finds it again. States are counted as distinct images, by hash, over all reports that are added.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO

/// What an exploration saw.
public struct StorageReport: Sendable {
  public var sequences = 0
  /// Places in a sequence at which a crash was tried.
  public var crashPoints = 0
  /// Distinct disk images that were recovered, by hash.
  public var digests: Set<UInt64> = []
  public var states: Int { digests.count }
  /// Of these, as each explorer counts its own, images of a crash during the recovery from another.
  public var statesInRecovery = 0
  /// Compactions that were asked for while a truncation still waited for the disk.
  public var compactionsBehindTruncation = 0
  /// Failures of a call that were tried, and images of a power cut after them.
  public var faults = 0
  public var faultStates = 0
  /// Times that requests failed for want of space.
  public var failuresForSpace = 0
  /// Appends that were done after such a failure and a compaction behind it.
  public var appendsResumed = 0
  /// Images per row of the decision table.
  public var verdicts: [String: Int] = [:]
  /// Distinct images that show each fate, images of a crash during a recovery included.
  public var fates: [CrashFate: Int] = [:]
  public var failures: [String] = []

  public init() {}

  public mutating func add(_ other: StorageReport) {
    sequences += other.sequences
    crashPoints += other.crashPoints
    digests.formUnion(other.digests)
    statesInRecovery += other.statesInRecovery
    compactionsBehindTruncation += other.compactionsBehindTruncation
    faults += other.faults
    faultStates += other.faultStates
    failuresForSpace += other.failuresForSpace
    appendsResumed += other.appendsResumed
    verdicts.merge(other.verdicts, uniquingKeysWith: +)
    fates.merge(other.fates, uniquingKeysWith: +)
    failures += other.failures
  }
}

/// How much is tried.
public struct StorageExploration: Sendable {
  /// Images tried at one crash point at most.
  public var imagesPerPoint = 600
  /// One image in so many is crashed again while it is recovered.
  public var recoveryCrashEvery: UInt64 = 40
  /// One image in so many is appended to, closed and opened again after its recovery.
  public var continueEvery: UInt64 = 25
  /// One operation in so many of a drawn sequence is a burst; 0 for none.
  public var burstEvery: UInt64 = 4
  /// A crash is tried at one point in so many, and wherever the log was closed.
  public var pointsEvery: UInt64 = 1
  /// True when the images of a point are drawn, and not gone through in order.
  public var drawsImages = false

  public init() {}
}

/// The states of a disk that a crash is tried on, each with what may be left of the log.
private final class CrashRecord {
  struct Point {
    var state: DiskState
    var expectation: Expectation
    var origin: CrashOrigin
  }

  var expectation = Expectation(logs: [LogModel()], hardStates: [HardState()])
  var points: [Point] = []

  func add(_ state: DiskState, _ origin: CrashOrigin = .crash) {
    points.append(Point(state: state, expectation: expectation, origin: origin))
  }
}

public final class StorageExplorer {
  private let exploration: StorageExploration
  let options: EngineOptions
  private var random: SplitMix64
  private let seed: UInt64
  /// Draws bursts, apart from everything else: without them a seed does what it always did.
  private var bursts: SplitMix64
  public internal(set) var report = StorageReport()
  /// Shown the images that it wants.
  public var visitor: (any CrashVisitor)?
  private var operations: [StorageOperation] = []

  public init(seed: UInt64, exploration: StorageExploration = StorageExploration()) {
    self.seed = seed
    self.exploration = exploration
    random = SplitMix64(seed: seed)
    bursts = SplitMix64(seed: ~seed)
    options = Self.tinyOptions(&random)
  }

  /// Options under which everything that happens once in a gigabyte happens every few entries.
  static func tinyOptions(_ random: inout SplitMix64) -> EngineOptions {
    var options = EngineOptions()
    options.segmentBytes = EngineOptions.segmentBytesMin << Int(random.next() % 2)
    options.segmentBytesFirst = EngineOptions.segmentBytesMin
    options.entryBytesMax = 8 << 10
    options.batchBytesMax = 8 << 10
    options.manifestRoom = 1 << 10
    options.reserveBytes = random.next() % 4 == 0 ? 4096 : 0
    options.compression = random.next() % 4 == 0 ? .lz4 : .none
    options.syncMode =
      switch random.next() % 4 {
      case 0: .never
      case 1: .interval(.milliseconds(20))
      default: .always
      }
    return options
  }

  /// Runs a sequence of operations, with a crash before every change it makes.
  public func explore(_ operations: [StorageOperation]) {
    report.sequences += 1
    self.operations = operations
    let disk = SimulatedDisk()
    let driver = StorageDriver(disk: disk, options: options, seed: random.next())
    let record = CrashRecord()
    disk.onChange = { record.add($0) }
    driver.onExpectation = { record.expectation = $0 }
    do {
      for operation in operations {
        try driver.perform(operation)
        record.expectation = driver.expectation
        record.add(disk.state, operation == .close ? .close : .crash)
      }
      disk.onChange = nil
      try driver.finish()
    } catch {
      fail(error, image: nil)
      return
    }
    report.compactionsBehindTruncation += driver.compactionsBehindTruncation
    for point in record.points where point.origin == .close || isTried() {
      crash(point.state, point.expectation, point.origin)
    }
  }

  /// True for one crash point in `pointsEvery`.
  private func isTried() -> Bool {
    exploration.pointsEvery <= 1 || random.next() % exploration.pointsEvery == 0
  }

  /// - Parameter first: the image that a crash during its recovery is tried on, if it is one.
  private func crash(
    _ state: DiskState, _ expectation: Expectation, _ origin: CrashOrigin,
    during first: DiskImage? = nil
  ) {
    let isNested = first != nil
    report.crashPoints += 1
    let images = CrashImages(
      state: state, directory: random.next() % 2 == 0 ? .ordered : .weak,
      garbage: random.next() % 3 == 0, exhaustiveMax: isNested ? 3 : 8)
    var left = isNested ? min(24, exploration.imagesPerPoint) : exploration.imagesPerPoint
    var generator = random.split()
    func isEnough(with image: DiskImage) -> Bool {
      guard left > 0, report.failures.count < 5 else { return true }
      guard report.digests.insert(image.hash).inserted else { return false }
      left -= 1
      for fate in image.fates { report.fates[fate, default: 0] += 1 }
      if isNested { report.statesInRecovery += 1 }
      var image = image
      // What the first crash made of a sector is still there.
      image.hasGarbage = image.hasGarbage || first?.hasGarbage == true
      recover(image, expectation, origin)
      return left == 0
    }
    guard exploration.drawsImages else {
      return images.forEach(using: &generator) { !isEnough(with: $0) }
    }
    // What is drawn may have been seen before, and a point may have one image and no more.
    for _ in 0..<2 * left where isEnough(with: images.draw(using: &generator)) { break }
  }

  private func recover(_ image: DiskImage, _ expectation: Expectation, _ origin: CrashOrigin) {
    let disk = SimulatedDisk(image.state)
    var during: [DiskState] = []
    let crashesAgain =
      origin != .recovery && random.next() % exploration.recoveryCrashEvery == 0
    if crashesAgain { disk.onChange = { during.append($0) } }
    do {
      let recovered = try RecoveredImage.open(disk, options: options, seed: random.next())
      disk.onChange = nil
      for finding in recovered.plan.findings {
        report.verdicts[finding.verdict.rawValue, default: 0] += 1
      }
      if recovered.plan.findings.isEmpty { report.verdicts["A", default: 0] += 1 }
      try recovered.check(expectation, hasGarbage: image.hasGarbage)
      try show(image, recovered, on: disk, origin)
      if random.next() % exploration.continueEvery == 0 {
        try goOn(disk, recovered)
      }
      // Garbage may be cut with what was asked for, so a second crash allows what the first did.
      for state in during where isTried() { crash(state, expectation, .recovery, during: image) }
    } catch {
      fail(error, image: image)
    }
  }

  private func show(
    _ image: DiskImage, _ recovered: RecoveredImage, on disk: SimulatedDisk, _ origin: CrashOrigin
  ) throws(SimulationFailure) {
    guard let visitor, visitor.wants(origin) else { return }
    let names = operations.map(\.rawValue).joined(separator: " ")
    visitor.visit(
      try CrashedDirectory(
        image, origin, "seed \(seed), [\(names)]", recovered: recovered, on: disk))
  }

  /// A log that was recovered takes appends, and has them after another stop.
  private func goOn(_ disk: SimulatedDisk, _ recovered: RecoveredImage) throws(SimulationFailure) {
    let driver = StorageDriver(disk: disk, options: options, seed: random.next())
    driver.expect(recovered.model, recovered.hardState)
    for operation in [StorageOperation.append, .large, .kill, .append] {
      try driver.perform(operation)
    }
    try driver.finish()
  }

  func drawSeed() -> UInt64 { random.next() }

  private func fail(_ failure: SimulationFailure, image: DiskImage?) {
    let files = image?.files.map { "\($0.name):\($0.content.count)" }.joined(separator: " ") ?? ""
    fail(failure, operations, files)
  }

  func fail(_ failure: SimulationFailure, _ operations: [StorageOperation], _ where_: String) {
    let names = operations.map(\.rawValue).joined(separator: " ")
    report.failures.append("seed \(seed), [\(names)]: \(failure) {\(where_)}")
  }
}

extension StorageExplorer {
  /// Every sequence of three operations whose number is in `range`; there are `sequencesOfThree`.
  public static var sequencesOfThree: Int {
    let count = StorageOperation.allCases.count
    return count * count * count
  }

  /// The sequence of three operations with this number.
  public static func sequence(_ number: Int) -> [StorageOperation] {
    let all = StorageOperation.allCases
    let count = all.count
    return [all[number / count / count % count], all[number / count % count], all[number % count]]
  }

  /// A longer sequence, drawn.
  public func randomSequence() -> [StorageOperation] {
    let single = StorageOperation.allCases.filter { $0 != .burst }
    let count = 4 + Int(random.next() % 9)
    let drawn = (0..<count).map { _ in single[Int(random.next() % UInt64(single.count))] }
    guard exploration.burstEvery > 0 else { return drawn }
    return drawn.map { bursts.next() % exploration.burstEvery == 0 ? .burst : $0 }
  }
}
