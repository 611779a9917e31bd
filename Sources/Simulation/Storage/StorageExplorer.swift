// StorageExplorer: tries a crash before every change of the disk, and everything that it may leave.
//
// What must always hold: a failure names the operations, the crash and the image, and the same seed
// finds it again. States are counted as distinct images, by hash.

import ByteBuffers
import LogFormat
import LogFormat
import LogStorage
import Recovery
import StorageIO

/// What an exploration saw.
public struct StorageReport: Sendable {
  public var sequences = 0
  /// Places in a sequence at which a crash was tried.
  public var crashPoints = 0
  /// Distinct disk images that were recovered.
  public var states = 0
  /// Of these, images of a crash during the recovery from another crash.
  public var statesInRecovery = 0
  /// Failures of a call that were tried, and images of a power cut after them.
  public var faults = 0
  public var faultStates = 0
  /// Images per row of the decision table.
  public var verdicts: [String: Int] = [:]
  public var failures: [String] = []

  public init() {}

  public mutating func add(_ other: StorageReport) {
    sequences += other.sequences
    crashPoints += other.crashPoints
    states += other.states
    statesInRecovery += other.statesInRecovery
    faults += other.faults
    faultStates += other.faultStates
    verdicts.merge(other.verdicts, uniquingKeysWith: +)
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

  public init() {}
}

/// The states of a disk that a crash is tried on, each with what may be left of the log.
private final class CrashRecord {
  var expectation = Expectation(logs: [LogModel()], hardStates: [HardState()])
  var points: [(state: DiskState, expectation: Expectation)] = []
}

public final class StorageExplorer {
  private let exploration: StorageExploration
  let options: EngineOptions
  private var random: SplitMix64
  private let seed: UInt64
  private var seen: Set<UInt64> = []
  public internal(set) var report = StorageReport()
  private var operations: [StorageOperation] = []

  public init(seed: UInt64, exploration: StorageExploration = StorageExploration()) {
    self.seed = seed
    self.exploration = exploration
    random = SplitMix64(seed: seed)
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
    disk.onChange = { record.points.append(($0, record.expectation)) }
    driver.onExpectation = { record.expectation = $0 }
    do {
      for operation in operations {
        try driver.perform(operation)
        record.points.append((disk.state, driver.expectation))
      }
      disk.onChange = nil
      try driver.finish()
    } catch {
      fail(error, image: nil)
      return
    }
    for point in record.points { crash(point.state, point.expectation) }
  }

  /// - Parameter first: the image that a crash during its recovery is tried on, if it is one.
  private func crash(
    _ state: DiskState, _ expectation: Expectation, during first: DiskImage? = nil
  ) {
    let isNested = first != nil
    report.crashPoints += 1
    let images = CrashImages(
      state: state, directory: random.next() % 2 == 0 ? .ordered : .weak,
      garbage: random.next() % 3 == 0, exhaustiveMax: isNested ? 3 : 8)
    var left = isNested ? 24 : exploration.imagesPerPoint
    var generator = random.split()
    images.forEach(using: &generator) { image in
      var image = image
      // What the first crash made of a sector is still there.
      image.hasGarbage = image.hasGarbage || first?.hasGarbage == true
      guard left > 0, report.failures.count < 5 else { return }
      guard seen.insert(image.hash).inserted else { return }
      left -= 1
      report.states += 1
      if isNested { report.statesInRecovery += 1 }
      recover(image, expectation, isNested: isNested)
    }
  }

  private func recover(_ image: DiskImage, _ expectation: Expectation, isNested: Bool) {
    let disk = SimulatedDisk(image.state)
    var during: [DiskState] = []
    let crashesAgain = !isNested && random.next() % exploration.recoveryCrashEvery == 0
    if crashesAgain { disk.onChange = { during.append($0) } }
    do {
      let recovered = try RecoveredImage.open(disk, options: options, seed: random.next())
      disk.onChange = nil
      for finding in recovered.plan.findings {
        report.verdicts[finding.verdict.rawValue, default: 0] += 1
      }
      if recovered.plan.findings.isEmpty { report.verdicts["A", default: 0] += 1 }
      try recovered.check(expectation, hasGarbage: image.hasGarbage)
      if random.next() % exploration.continueEvery == 0 {
        try goOn(disk, recovered)
      }
      // Garbage may be cut with what was asked for, so a second crash allows what the first did.
      for state in during { crash(state, expectation, during: image) }
    } catch {
      fail(error, image: image)
    }
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
    let all = StorageOperation.allCases
    return (0..<4 + Int(random.next() % 9)).map { _ in all[Int(random.next() % UInt64(all.count))] }
  }
}
