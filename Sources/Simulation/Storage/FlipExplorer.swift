// FlipExplorer: one flipped bit at every byte of a log's directory, every shorter length of its last
// segment, and pages of segments in the place of others. Rot is never a crash, and never silent.
//
// What must always hold: no reader gets a payload that was not written; an entry that is not
// delivered is covered by a finding that says so; a log opens only without a loss, or with the loss
// reported.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO

/// What flipping came to.
public struct FlipReport: Sendable {
  public var bytes = 0
  public var lengths = 0
  /// Pages that were put in the place of another.
  public var pages = 0
  /// Per verdict, how often it was the gravest one.
  public var verdicts: [String: Int] = [:]
  public var failures: [String] = []

  public init() {}
}

public struct FlipExplorer {
  private let log: StoppedLog
  public private(set) var report = FlipReport()

  /// Makes a small log with several segments, and stops it.
  public init(stop: StopKind, seed: UInt64) throws {
    log = try StoppedLog(small: stop, seed: seed)
  }

  /// Makes a log whose segments hold several batches each, one of them rewritten, and stops it.
  public init(misdirecting stop: StopKind, seed: UInt64) throws {
    log = try StoppedLog(manyBatches: stop, seed: seed)
  }

  private var image: DiskImage { log.image }
  private var model: LogModel { log.model }

  /// Bytes of the directory.
  public var bytes: Int { image.files.reduce(0) { $0 + $1.content.count } }

  /// Flips one bit of every `step`-th byte.
  public mutating func flipAll(every step: Int = 1) {
    for (i, file) in image.files.enumerated() {
      for offset in stride(from: 0, to: file.content.count, by: step) {
        guard report.failures.count < 5 else { return }
        var rotten = image
        // Which bit goes round, so that all of them are met.
        rotten.files[i].content[offset] ^= 1 << UInt8((offset / step) % 8)
        report.bytes += 1
        examine(rotten, "\(file.name) at byte \(offset)")
      }
    }
  }

  /// Shortens the segment that was written last to every `step`-th length.
  public mutating func shortenAll(every step: Int = 1) {
    guard let i = image.files.lastIndex(where: { SegmentName($0.name) != nil }) else { return }
    let file = image.files[i]
    for length in stride(from: 0, to: file.content.count, by: step) {
      guard report.failures.count < 5 else { return }
      var rotten = image
      rotten.files[i].content.removeLast(file.content.count - length)
      report.lengths += 1
      examine(rotten, "\(file.name) cut to \(length) bytes")
    }
  }

  /// Puts every page of each segment in the place of every other one: what a device leaves that
  /// writes a page to the wrong place, or reads it from there.
  public mutating func misdirectAll() {
    let active = image.files.lastIndex { SegmentName($0.name) != nil }
    for (i, file) in image.files.enumerated() where SegmentName(file.name) != nil {
      let count = file.content.count / Layout.page
      for source in 0..<count where i != active || !isBlank(file, source) {
        for target in 0..<count where target != source {
          guard report.failures.count < 5 else { return }
          var rotten = image
          rotten.files[i].content.replaceSubrange(
            Self.page(target), with: file.content[Self.page(source)])
          report.pages += 1
          examine(rotten, "\(file.name), page \(source) in the place of page \(target)")
        }
      }
    }
  }

  private static func page(_ number: Int) -> Range<Int> {
    number * Layout.page..<(number + 1) * Layout.page
  }

  /// True for a page with zeros in it: in the segment that is being written, where the last batch
  /// belongs, it is what a write leaves that a power cut interrupted, and nothing tells the two apart.
  private func isBlank(_ file: (name: String, content: [UInt8]), _ page: Int) -> Bool {
    stride(from: page * Layout.page, to: (page + 1) * Layout.page, by: Layout.sector).contains {
      file.content[$0..<$0 + Layout.sector].allSatisfy { $0 == 0 }
    }
  }

  private mutating func examine(_ rotten: DiskImage, _ what: String) {
    do {
      let verdict = try look(rotten)
      report.verdicts[verdict?.rawValue ?? "A", default: 0] += 1
      try open(rotten)
    } catch {
      report.failures.append("\(log.stop) stop, \(what): \(error)")
    }
  }

  /// Reads what can be read; the gravest row that fired.
  private func look(_ rotten: DiskImage) throws -> Verdict? {
    let disk = SimulatedDisk(rotten.state)
    let diagnosis = Diagnosis(try DirectoryEvidence.gather(disk, depth: .everything))
    let gravest = diagnosis.findings.max { $0.verdict.severity < $1.verdict.severity }?.verdict
    guard let view = LogView(diagnosis, in: disk) else {
      guard diagnosis.severity >= .damaged else {
        throw SimulationFailure(description: "no manifest, and verdict \(diagnosis.severity)")
      }
      return gravest
    }
    var delivered: Set<LogIndex> = []
    var gaps = 0
    try view.replay(onDamage: { _ in gaps += 1 }) { entries in
      for entry in entries {
        guard model.holds(entry) else {
          throw SimulationFailure(description: "entry \(entry.index) was never written like this")
        }
        delivered.insert(entry.index)
      }
      return true
    }
    let missing = model.indices.filter { !delivered.contains($0) }
    for index in missing where !diagnosis.findings.contains(where: { $0.covers(index) }) {
      throw SimulationFailure(
        description: "entry \(index) is missing, and no finding says so: \(diagnosis.findings)")
    }
    return gravest
  }

  /// Opening refuses, or has everything, or says what it cut.
  private func open(_ rotten: DiskImage) throws(SimulationFailure) {
    let disk = SimulatedDisk(rotten.state)
    let plan: OpeningPlan
    do {
      plan = try LogOpener.open(disk, options: log.options, seed: 1)
    } catch {
      guard !error.findings.isEmpty else {
        throw SimulationFailure(description: "refused without a finding: \(error)")
      }
      return
    }
    // Rot in a sealed segment is met when it is read, not when the log is opened.
    guard let recovered = try RecoveredImage.read(disk, toleratesDamage: true) else { return }
    let lost = model.indices.filter { $0 > recovered.lastIndex || $0 < recovered.firstIndex }
    for index in lost where !plan.findings.contains(where: { $0.covers(index) }) {
      throw SimulationFailure(
        description: "opened without entry \(index), and no finding says so: \(plan.findings)")
    }
    let kept = model.entries.prefix(recovered.entries.count)
    guard recovered.firstIndex == model.firstIndex, Array(kept) == recovered.entries else {
      throw SimulationFailure(description: "opened with other entries")
    }
    let state = plan.opened.hardState
    let isReported = plan.findings.contains { $0.verdict == .voteLost }
    guard state == log.hardState || isReported else {
      throw SimulationFailure(description: "opened with \(state), not \(log.hardState)")
    }
  }
}
