// SectorExplorer: one sector after the other of a log's directory that the device does not deliver,
// files that do not open, and reads that fail once.
//
// What must always hold: no reader gets a payload that was not written; what is not delivered is told
// as an I/O error, and never as rot, as a file that is lost, or as a manifest to be rebuilt; a log
// opens with everything that was acknowledged or not at all, and then it is all there once the device
// delivers again.

import LogFormat
import LogStorage
import Recovery
import StorageIO
import SystemPackage

/// What unreadable sectors came to.
public struct SectorReport: Sendable {
  public var sectors = 0
  /// Files that did not open.
  public var files = 0
  /// Reads that failed once.
  public var reads = 0
  /// Directories that were not opened, and directories that were.
  public var refusals = 0
  public var openings = 0
  /// Per row, how often it was among the findings.
  public var verdicts: [String: Int] = [:]
  public var failures: [String] = []

  public init() {}
}

public struct SectorExplorer {
  private let log: StoppedLog
  /// Bytes of each file that the log needs, or looks at.
  private let extents: [String: Int]
  public private(set) var report = SectorReport()

  /// Makes a small log with several segments, and stops it.
  public init(stop: StopKind, seed: UInt64) throws {
    try self.init(StoppedLog(small: stop, seed: seed))
  }

  /// Makes a log whose segments hold several batches each, one of them rewritten, and stops it.
  public init(manyBatches stop: StopKind, seed: UInt64) throws {
    try self.init(StoppedLog(manyBatches: stop, seed: seed))
  }

  private init(_ log: StoppedLog) throws {
    self.log = log
    let evidence = try DirectoryEvidence.gather(SimulatedDisk(log.image.state), depth: .everything)
    var extents: [String: Int] = [:]
    for file in evidence.files
    where ManifestHeader.names.contains(file.name) || VoteFile.names.contains(file.name) {
      extents[file.name] = file.size
    }
    for segment in evidence.segments {
      // What lies behind the end of a segment that the log has left is nobody's, until it is sealed.
      let end = segment.record.seal == nil ? segment.record.end?.offset : nil
      extents[segment.record.fileName] = end ?? segment.fileBytes
    }
    self.extents = extents
  }

  /// Sectors of the directory.
  public var sectors: Int { log.image.files.reduce(0) { $0 + Self.sectors(of: $1.content.count) } }

  private static func sectors(of bytes: Int) -> Int {
    (bytes + DiskState.sector - 1) / DiskState.sector
  }

  private static let openErrors: [Errno] = [
    .ioError, .permissionDenied, .isDirectory, .tooManySymbolicLinkLevels,
  ]

  /// All of the below.
  public mutating func exploreAll() {
    hideAll()
    hideCopies()
    closeAll()
    failEachRead()
  }

  /// Hides each sector of each file in turn.
  public mutating func hideAll() {
    for file in log.image.files {
      for sector in 0..<Self.sectors(of: file.content.count) {
        report.sectors += 1
        let matters = sector * DiskState.sector < extents[file.name] ?? 0
        examine(
          [.unreadable(file: file.name, sector: sector)], matters: matters,
          "\(file.name), sector \(sector)")
      }
    }
  }

  /// Hides each pair of sectors in the two copies of the manifest, and of the hard state.
  public mutating func hideCopies() {
    for names in [ManifestHeader.names, VoteFile.names] {
      let counts = names.map { Self.sectors(of: extents[$0] ?? 0) }
      for first in 0..<counts[0] {
        for second in 0..<counts[1] {
          report.sectors += 2
          examine(
            [
              .unreadable(file: names[0], sector: first),
              .unreadable(file: names[1], sector: second),
            ], matters: true, "\(names[0]), sector \(first), and \(names[1]), sector \(second)")
        }
      }
    }
  }

  /// Lets each file in turn not open, for each of some reasons.
  public mutating func closeAll() {
    for file in log.image.files {
      for errno in Self.openErrors {
        report.files += 1
        examine(
          [.unopenable(file: file.name, errno: errno.rawValue)],
          matters: extents[file.name] != nil, "\(file.name) does not open: \(errno)")
      }
    }
  }

  /// Lets each read of an opening in turn fail once.
  public mutating func failEachRead() {
    let calm = SimulatedDisk(log.image.state)
    guard (try? LogOpener.open(calm, options: log.options, seed: 1)) != nil, calm.reads > 0 else {
      report.failures.append("\(log.stop) stop: the log does not open")
      return
    }
    for call in 1...calm.reads {
      guard report.failures.count < 5 else { return }
      report.reads += 1
      do {
        try open([.failRead(call: call, errno: Errno.ioError.rawValue)])
      } catch {
        report.failures.append("\(log.stop) stop, read \(call): \(error)")
      }
    }
  }

  /// - Parameter matters: something that is read does not come.
  private mutating func examine(_ faults: [SimulatedFault], matters: Bool, _ what: String) {
    guard report.failures.count < 5 else { return }
    do {
      let diagnosis = try look(faults, matters: matters)
      for verdict in Set(diagnosis.findings.map(\.verdict)) {
        report.verdicts[verdict.rawValue, default: 0] += 1
      }
      try open(faults)
    } catch {
      report.failures.append("\(log.stop) stop, \(what): \(error)")
    }
  }

  private func disk(_ faults: [SimulatedFault]) -> SimulatedDisk {
    let disk = SimulatedDisk(log.image.state)
    disk.faults = faults
    return disk
  }

  /// Rows that say that something is gone which was only not delivered.
  private static let untrue: Set<Verdict> = [
    .manifestLost, .corruptManifest, .voteLost, .lostFile, .unborn, .unsupported, .foreign,
  ]

  /// Reads what can be read, and holds it and the findings against what is known.
  private func look(_ faults: [SimulatedFault], matters: Bool) throws -> Diagnosis {
    let disk = disk(faults)
    let diagnosis = Diagnosis(try DirectoryEvidence.gather(disk, depth: .everything))
    if matters, diagnosis.severity != .inputOutput {
      throw SimulationFailure(
        description: "severity \(diagnosis.severity): \(diagnosis.findings)")
    }
    try check(diagnosis)
    try check(Diagnosis(try DirectoryEvidence.gather(disk)))
    try replay(diagnosis, disk)
    try planRepair(diagnosis, disk)
    return diagnosis
  }

  private func check(_ diagnosis: Diagnosis) throws(SimulationFailure) {
    for finding in diagnosis.findings where Self.untrue.contains(finding.verdict) {
      throw SimulationFailure(description: "what was not delivered was taken for \(finding)")
    }
  }

  private func replay(_ diagnosis: Diagnosis, _ disk: SimulatedDisk) throws {
    guard let view = LogView(diagnosis, in: disk) else {
      guard diagnosis.refusals.contains(where: { $0.verdict == .inputOutput }) else {
        throw SimulationFailure(description: "no manifest: \(diagnosis.findings)")
      }
      return
    }
    var delivered: Set<LogIndex> = []
    var errors: [RecoveryError] = []
    try view.replay(onDamage: { errors.append($0) }) { entries in
      for entry in entries {
        guard log.model.holds(entry) else {
          throw SimulationFailure(description: "entry \(entry.index) was never written like this")
        }
        delivered.insert(entry.index)
      }
      return true
    }
    for error in errors where error.code != .storage {
      throw SimulationFailure(description: "\(error.code): \(error)")
    }
    for index in log.model.indices where !delivered.contains(index) {
      guard diagnosis.findings.contains(where: { $0.covers(index) }) else {
        throw SimulationFailure(
          description: "entry \(index) is missing, and no finding says so: \(diagnosis.findings)")
      }
    }
  }

  /// A repair may refuse; it never makes a manifest anew where there may be one.
  private func planRepair(
    _ diagnosis: Diagnosis, _ disk: SimulatedDisk
  ) throws(SimulationFailure) {
    var random = SplitMix64(seed: 1)
    let plan: RepairPlan
    do throws(RecoveryError) {
      plan = try RepairPlan.make(
        for: diagnosis, in: disk, accepting: [], keep: .before, using: &random)
    } catch {
      return
    }
    if let reason = plan.reasons.first(where: { $0.contains("manifest is rebuilt") }) {
      throw SimulationFailure(description: "a repair was planned in which \(reason)")
    }
  }

  /// Opening refuses and touches nothing, or has everything.
  private mutating func open(_ faults: [SimulatedFault]) throws {
    let disk = disk(faults)
    let plan: OpeningPlan
    do {
      plan = try LogOpener.open(disk, options: log.options, seed: 1)
    } catch {
      report.refusals += 1
      try requireUntouched(disk, error)
      disk.faults = []
      let recovered = try RecoveredImage.open(disk, options: log.options, seed: 2)
      try requireWhole(recovered.model, recovered.hardState)
      return
    }
    report.openings += 1
    disk.faults = []
    try requireWhole(try RecoveredImage.read(disk), plan.opened.hardState)
  }

  private func requireUntouched(
    _ disk: SimulatedDisk, _ error: LogError
  ) throws(SimulationFailure) {
    guard error.code == .storage, error.findings.isEmpty || error.storageError != nil else {
      throw SimulationFailure(description: "refused as \(error.code): \(error)")
    }
    guard disk.state.image.hash == log.image.hash else {
      throw SimulationFailure(description: "refused, and the directory was changed: \(error)")
    }
  }

  private func requireWhole(
    _ model: LogModel, _ hardState: HardState
  ) throws(SimulationFailure) {
    guard model == log.model else {
      throw SimulationFailure(
        description: "opened with entries \(model.firstIndex)-\(model.lastIndex), acknowledged "
          + "were \(log.model.firstIndex)-\(log.model.lastIndex)")
    }
    guard hardState == log.hardState else {
      throw SimulationFailure(description: "opened with \(hardState), not \(log.hardState)")
    }
  }
}
