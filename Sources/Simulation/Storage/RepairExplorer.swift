// RepairExplorer: damages logs until they refuse to open, repairs them, and tries a crash before every
// change that the repair makes. What is left is repaired once more, and opened.
//
// What must always hold: a second repair asks for no loss that the first did not name, and keeps,
// byte for byte, what the first promised to keep; every file that was changed or left the log is in
// quarantine/ as it was, and what was there stays there. The same seed does the same.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO

/// What exploring repairs came to.
public struct RepairReport: Sendable {
  /// Repairs that were carried out.
  public var repairs = 0
  /// Repairs that gave something up.
  public var repairsWithLoss = 0
  /// Logs that ended in the middle of a write that was to replace a suffix.
  public var tornTails = 0
  /// Places before such an end that were zeroed.
  public var injuriesBeforeTails = 0
  /// Places in a repair at which a crash was tried.
  public var crashPoints = 0
  /// Images of a crash that were repaired again.
  public var states = 0
  /// Of these, images from which the first repair was not there yet, and its work was done again.
  public var statesRepeated = 0
  /// Per row that refused, how many repairs met it.
  public var verdicts: [String: Int] = [:]
  public var failures: [String] = []

  public init() {}

  public mutating func add(_ other: RepairReport) {
    repairs += other.repairs
    repairsWithLoss += other.repairsWithLoss
    tornTails += other.tornTails
    injuriesBeforeTails += other.injuriesBeforeTails
    crashPoints += other.crashPoints
    states += other.states
    statesRepeated += other.statesRepeated
    verdicts.merge(other.verdicts, uniquingKeysWith: +)
    failures += other.failures
  }
}

public struct RepairExplorer {
  /// What is done to a log.
  private enum Injury: String, CaseIterable {
    /// A bit of a segment is flipped, behind its header.
    case flip
    /// A segment that was written before the last one is gone.
    case missing
    /// The last segment is gone.
    case missingLast
    /// Both manifests are gone, or not readable.
    case manifestsMissing, manifestsDamaged

    var takesManifests: Bool { self == .manifestsMissing || self == .manifestsDamaged }
  }

  /// A repair that was carried out to its end, and what it came to.
  private struct Repaired {
    var injured: DiskImage
    var plan: RepairPlan
    var keep: RepairPlan.Keep
    /// Before each change that was made, and behind the last one.
    var states: [DiskState]
    var promised: LogModel
    var history: String
  }

  private let seed: UInt64
  private var random: SplitMix64
  private let options: EngineOptions
  private let imagesPerPoint: Int
  private var digests: Set<UInt64> = []
  public private(set) var report = RepairReport()

  /// - Parameter imagesPerPoint: images tried at one crash point at most.
  public init(seed: UInt64, imagesPerPoint: Int = 8) {
    self.seed = seed
    self.imagesPerPoint = imagesPerPoint
    random = SplitMix64(seed: seed)
    var options = StorageExplorer.tinyOptions(&random)
    // Requests are finished one by one, so that all of them are acknowledged.
    options.syncMode = .always
    options.reserveBytes = 0
    self.options = options
  }

  /// Makes a log, injures it in `count` ways, and explores the repair of each, either side kept.
  public mutating func explore(injuries count: Int = 6) {
    do {
      let written = try write()
      for _ in 0..<count {
        guard let (injured, what) = try injure(written.image, isTorn: written.isTorn) else {
          continue
        }
        for keep in RepairPlan.Keep.allCases {
          let history = "seed \(seed), \(what), keep \(keep.rawValue)"
          try explore(injured, written.model, keep, history)
          if report.failures.count >= 5 { return }
        }
      }
    } catch {
      report.failures.append("seed \(seed): \(error)")
    }
  }

  // MARK: Making and injuring a log

  private mutating func write() throws(SimulationFailure)
    -> (image: DiskImage, model: LogModel, isTorn: Bool)
  {
    let disk = SimulatedDisk()
    let driver = StorageDriver(disk: disk, options: options, seed: random.next())
    driver.finishesEach = true
    let kinds: [StorageOperation] = [
      .append, .batch, .large, .hardState, .idle, .append, .large, .truncate, .append,
    ]
    for _ in 0..<6 + Int(random.next() % 8) {
      try driver.perform(kinds[Int(random.next() % UInt64(kinds.count))])
    }
    let before = driver.expectation.logs[0]
    let isTorn = random.next() % 2 == 0
    if isTorn, let torn = try tear(driver, disk, before) {
      return (torn, before, true)
    }
    // What was asked for is done.
    try driver.perform(.idle)
    let model = driver.expectation.logs[0]
    if random.next() % 2 == 0 { try driver.perform(.close) } else { driver.crash() }
    let files = disk.state.entries.sorted { $0.key < $1.key }.map {
      (name: $0.key, content: disk.state.inodes[$0.value].content)
    }
    return (DiskImage(files: files), model, false)
  }

  /// What a crash leaves in the middle of a write that was to replace a suffix; nil if none of several
  /// tries led to a torn frame. Opening cuts it, and what was there before stands.
  private mutating func tear(
    _ driver: StorageDriver, _ disk: SimulatedDisk, _ model: LogModel
  ) throws(SimulationFailure) -> DiskImage? {
    try driver.requestReplacement()
    for _ in 0..<40 {
      // Once it is acknowledged the old suffix is gone.
      guard driver.expectation.logs[0] == model else { return nil }
      if disk.state.inodes.contains(where: { $0.pending.count > 1 }) {
        for _ in 0..<4 {
          if let image = try tornImage(disk.state, model) { return image }
        }
      }
      try driver.step()
    }
    return nil
  }

  /// What a crash leaves of `state`, if that ends in a torn frame.
  private mutating func tornImage(
    _ state: DiskState, _ model: LogModel
  ) throws(SimulationFailure) -> DiskImage? {
    let image = CrashImages(state: state, directory: .ordered, garbage: false)
      .draw(using: &random)
    let findings = try diagnose(SimulatedDisk(image.state)).findings
    guard findings.contains(where: { $0.verdict == .tornBody }) else { return nil }
    let opened = try RecoveredImage.open(
      SimulatedDisk(image.state), options: options, seed: random.next())
    guard opened.model == model else {
      throw SimulationFailure(description: "a torn frame took something along: \(findings)")
    }
    report.tornTails += 1
    return image
  }

  /// A copy that refuses to open; nil if none of several tries led to one.
  private mutating func injure(
    _ image: DiskImage, isTorn: Bool
  ) throws(SimulationFailure) -> (DiskImage, what: String)? {
    for _ in 0..<10 {
      var injured = image
      var what: [String] = []
      var injuries: [Injury] = []
      // What lies before a torn frame is vouched for by that alone.
      let before = isTorn && random.next() % 2 == 0 ? injureLast(&injured) : nil
      if let before {
        injuries.append(.flip)
        what.append(before)
      }
      for _ in 0..<(what.isEmpty ? 1 : 0) + random.next() % 2 {
        let injury = Injury.allCases[Int(random.next() % UInt64(Injury.allCases.count))]
        // With the manifests gone nothing tells that a file was there.
        let combines = injuries.allSatisfy { $0 == .flip } || injury == .flip
        guard combines, let done = inflict(injury, on: &injured) else { continue }
        injuries.append(injury)
        what.append(done)
      }
      let diagnosis = try diagnose(SimulatedDisk(injured.state))
      guard !diagnosis.refusals.isEmpty else { continue }
      if before != nil { report.injuriesBeforeTails += 1 }
      for row in Set(diagnosis.refusals.map(\.verdict.rawValue)) {
        report.verdicts[row, default: 0] += 1
      }
      return (injured, what.joined(separator: ", "))
    }
    return nil
  }

  /// Zeros a page of the last segment, or the first part of one, and says so.
  private mutating func injureLast(_ image: inout DiskImage) -> String? {
    let segments = image.files.indices.filter { SegmentName(image.files[$0].name) != nil }
    guard let i = segments.last else { return nil }
    let used = image.files[i].content.lastIndex { $0 != 0 } ?? 0
    let pages = (used - Layout.segmentHeader) / Layout.page
    // The last page is the torn frame's.
    guard pages > 0 else { return nil }
    let start = Layout.segmentHeader + Int(random.next() % UInt64(pages)) * Layout.page
    let count = random.next() % 2 == 0 ? Layout.page : Layout.frame
    image.files[i].content.replaceSubrange(
      start..<start + count, with: repeatElement(0, count: count))
    return "\(image.files[i].name) zeroed at bytes \(start)-\(start + count - 1)"
  }

  /// Injures `image`, and says how; nil where there is nothing to injure like that.
  private mutating func inflict(_ injury: Injury, on image: inout DiskImage) -> String? {
    let segments = image.files.indices.filter { SegmentName(image.files[$0].name) != nil }
    switch injury {
    case .flip:
      guard !segments.isEmpty else { return nil }
      let i = segments[Int(random.next() % UInt64(segments.count))]
      let used = image.files[i].content.lastIndex { $0 != 0 } ?? 0
      guard used > Layout.segmentHeader else { return nil }
      let range = UInt64(used + 1 - Layout.segmentHeader)
      let offset = Layout.segmentHeader + Int(random.next() % range)
      image.files[i].content[offset] ^= 1 << UInt8(random.next() % 8)
      return "\(image.files[i].name) flipped at byte \(offset)"
    case .missing, .missingLast:
      guard segments.count > 1 else { return nil }
      let i =
        injury == .missingLast
        ? segments[segments.count - 1]
        : segments[Int(random.next() % UInt64(segments.count - 1))]
      return "\(image.files.remove(at: i).name) removed"
    case .manifestsMissing:
      image.files.removeAll { ManifestHeader.names.contains($0.name) }
    case .manifestsDamaged:
      for i in image.files.indices where ManifestHeader.names.contains(image.files[i].name) {
        image.files[i].content[20] ^= 1
      }
    }
    return injury.rawValue
  }

  private func diagnose(_ disk: SimulatedDisk) throws(SimulationFailure) -> Diagnosis {
    do {
      return Diagnosis(try DirectoryEvidence.gather(disk, depth: .everything))
    } catch {
      throw SimulationFailure(description: "the directory cannot be read: \(error)")
    }
  }

  // MARK: Repairing

  private mutating func explore(
    _ injured: DiskImage, _ model: LogModel, _ keep: RepairPlan.Keep, _ history: String
  ) throws(SimulationFailure) {
    let repaired: Repaired
    do throws(SimulationFailure) {
      repaired = try repair(injured, model, keep, history)
    } catch {
      report.failures.append("\(history): \(error)")
      return
    }
    report.repairs += 1
    report.repairsWithLoss += repaired.plan.losses.isEmpty ? 0 : 1
    for (number, state) in repaired.states.enumerated() {
      report.crashPoints += 1
      let images = CrashImages(
        state: state, directory: random.next() % 2 == 0 ? .ordered : .weak,
        garbage: random.next() % 3 == 0, exhaustiveMax: 3)
      for _ in 0..<imagesPerPoint {
        let image = images.draw(using: &random)
        guard digests.insert(image.hash).inserted else { continue }
        report.states += 1
        do throws(SimulationFailure) {
          try repairAgain(image, repaired)
        } catch {
          report.failures.append("\(history), crash at change \(number): \(error)")
          if report.failures.count >= 5 { return }
        }
      }
    }
  }

  private func plan(
    _ diagnosis: Diagnosis, on disk: SimulatedDisk, accepting: [Loss], _ keep: RepairPlan.Keep,
    seed: UInt64
  ) throws(SimulationFailure) -> RepairPlan {
    var generator = SplitMix64(seed: seed)
    let sizes = OpeningOptions(
      segmentBytes: options.segmentBytesFirst, manifestRoom: options.manifestRoom)
    do {
      return try RepairPlan.make(
        for: diagnosis, in: disk, accepting: accepting, keep: keep, options: sizes,
        using: &generator)
    } catch {
      throw SimulationFailure(description: "no repair is planned: \(error)")
    }
  }

  private func carryOut(
    _ plan: RepairPlan, on disk: SimulatedDisk
  ) throws(SimulationFailure) {
    var executor = DiskExecutor(directory: disk)
    do {
      try executor.run(plan.steps)
    } catch {
      throw SimulationFailure(description: "a repair cannot be carried out: \(error)")
    }
  }

  /// Repairs without a crash, and opens: what is missing afterwards was named.
  private mutating func repair(
    _ injured: DiskImage, _ model: LogModel, _ keep: RepairPlan.Keep, _ history: String
  ) throws(SimulationFailure) -> Repaired {
    let disk = SimulatedDisk(injured.state)
    let diagnosis = try diagnose(disk)
    let plan = try plan(
      diagnosis, on: disk, accepting: [Loss(first: 1)], keep, seed: random.next())
    var states: [DiskState] = []
    disk.onChange = { states.append($0) }
    try carryOut(plan, on: disk)
    disk.onChange = nil
    states.append(disk.state)
    try expectSaved(injured, on: disk)
    let opened = try RecoveredImage.open(disk, options: options, seed: random.next())
    for (entry, index) in zip(model.entries, model.firstIndex...) {
      let isCut = diagnosis.findings.contains {
        $0.verdict == .ambiguousTail && index >= $0.firstIndex ?? 1 && index <= $0.lastIndex ?? .max
      }
      guard !isCut, !plan.losses.contains(where: { $0.contains(index) }) else { continue }
      guard opened.model.entry(index) == entry else {
        throw SimulationFailure(
          description: "entry \(index) is not what it was, and was not given up: \(plan.losses)")
      }
    }
    return Repaired(
      injured: injured, plan: plan, keep: keep, states: states, promised: opened.model,
      history: history)
  }

  /// Repairs what a crash left of a repair, with the acceptance that the first one was given.
  private mutating func repairAgain(
    _ image: DiskImage, _ first: Repaired
  ) throws(SimulationFailure) {
    let disk = SimulatedDisk(image.state)
    let diagnosis = try diagnose(disk)
    if diagnosis.isUnborn { throw SimulationFailure(description: "the log is gone") }
    if !diagnosis.refusals.isEmpty { report.statesRepeated += 1 }
    let second = try plan(
      diagnosis, on: disk, accepting: first.plan.losses, first.keep,
      seed: random.next())
    guard second.isAccepted else {
      throw SimulationFailure(
        description: "\(second.losses) would be given up, the first repair named "
          + "\(first.plan.losses)")
    }
    try carryOut(second, on: disk)
    try expectSaved(first.injured, on: disk)
    for file in image.files where file.name.hasPrefix("quarantine/") {
      guard disk.state.content(of: file.name) == file.content else {
        throw SimulationFailure(description: "\(file.name) is not what it was")
      }
    }
    let opened = try RecoveredImage.open(disk, options: options, seed: random.next()).model
    guard opened.firstIndex == first.promised.firstIndex, opened.entries == first.promised.entries
    else {
      throw SimulationFailure(
        description: "entries \(opened.firstIndex)-\(opened.lastIndex) are left, promised were "
          + "\(first.promised.firstIndex)-\(first.promised.lastIndex), each as it was")
    }
  }

  /// Every file that held something is what it was, or lies in quarantine/ as it was.
  private func expectSaved(
    _ injured: DiskImage, on disk: SimulatedDisk
  ) throws(SimulationFailure) {
    let saved = disk.state.entries.filter { $0.key.hasPrefix("quarantine/") }
      .map { disk.state.inodes[$0.value].content }
    // What was dropped holds nothing of the log, and goes.
    let manifest = try diagnose(SimulatedDisk(injured.state)).evidence.manifest
    let dropped = Set((manifest?.state.dropped ?? []).map(\.description))
    for file in injured.files where !dropped.contains(file.name) {
      let isSegment = SegmentName(file.name) != nil
      guard isSegment || ManifestHeader.names.contains(file.name) else { continue }
      // A segment without a frame holds nothing.
      if isSegment, file.content.dropFirst(Layout.segmentHeader).allSatisfy({ $0 == 0 }) {
        continue
      }
      guard disk.state.content(of: file.name) == file.content || saved.contains(file.content)
      else {
        throw SimulationFailure(description: "\(file.name) was changed, and was not saved")
      }
    }
  }
}

extension DiskState {
  /// What a reader sees of a file; nil if there is none.
  fileprivate func content(of name: String) -> [UInt8]? {
    entries[name].map { inodes[$0].content }
  }
}

extension LogModel {
  fileprivate func entry(_ index: LogIndex) -> ModelEntry? {
    index >= firstIndex && index <= lastIndex ? entries[Int(index - firstIndex)] : nil
  }
}
