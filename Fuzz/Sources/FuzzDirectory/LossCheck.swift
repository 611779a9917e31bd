// LossCheck: whether what a disk did to a sample is covered by findings, entry by entry.
//
// What must always hold: no loss is excused by a finding about another one. An entry that the sample
// had and that is not read any more lies in the range of a finding that the sample did not show.

import FuzzSupport
import LogFormat
import Recovery

struct LossCheck {
  /// What the sample shows while nothing has happened to it.
  private let baseline: DirectoryReading
  private let known: Set<Finding>

  private init(_ sample: SampleDirectory) {
    baseline = DirectoryReading(SampleDirectory.disk(sample.files))
    known = Set(baseline.diagnosis.findings)
    expect(
      baseline.diagnosis.refusals.isEmpty && baseline.damages == 0
        && !baseline.diagnosis.evidence.segments.isEmpty,
      "the sample \(sample.name) is no healthy log")
  }

  private static let all = SampleDirectory.all.map(LossCheck.init)

  /// The check for the sample that an input's byte names.
  static func chosen(by byte: UInt8) -> LossCheck { all[Int(byte) % all.count] }

  /// Ends the process unless everything in which `reading` differs from the sample is explained.
  func expectExplained(_ reading: DirectoryReading, by findings: [Finding]) {
    guard reading.entries != baseline.entries else { return }
    let new = findings.filter { $0.verdict.mayLose && !known.contains($0) }
    expect(
      !new.isEmpty,
      "\(baseline.entries.count) entries became \(reading.entries.count), and no finding says why")
    let read = Dictionary(uniqueKeysWithValues: reading.entries.map { ($0.index, $0) })
    for entry in baseline.entries where read[entry.index] != entry {
      let file = baseline.segment(of: entry.index) ?? ""
      let isReplaced = read[entry.index] != nil
      expect(
        new.contains {
          $0.covers(entry.index, in: file) || (isReplaced && $0.mayBringBackEntries(in: file))
        },
        "entry \(entry.index) of \(file) is \(isReplaced ? "another one" : "gone"), and no finding "
          + "covers it: \(findings)")
    }
  }
}

extension Finding {
  /// True when this finding says that the entry at `index`, which was in `file`, may be gone.
  fileprivate func covers(_ index: LogIndex, in file: String) -> Bool {
    guard let firstIndex else {
      // Nothing of a file that is refused is taken, and nothing without a manifest.
      return verdict.refusesOpening && (self.file == file || isOfManifest)
    }
    // What is cut goes with everything behind it.
    return index >= firstIndex && index <= (verdict.cuts ? .max : lastIndex ?? .max)
  }

  private var isOfManifest: Bool { ManifestHeader.names.contains(file) }

  /// True when a frame of `file` is gone that may have taken older entries back: from which index on
  /// was in that frame alone.
  fileprivate func mayBringBackEntries(in file: String) -> Bool {
    if case .segmentBreak = evidence { self.file == file } else { false }
  }
}

extension Verdict {
  /// True when entries may be gone that were there.
  fileprivate var mayLose: Bool {
    switch self {
    case .tornBody, .tornFrame, .tornSeveral, .ambiguousTail, .corruptBatch, .corruptOrder,
      .corruptManifest, .manifestLost, .lostFile, .unknownContinues, .unsupported, .foreign,
      .inputOutput:
      true
    // An edit that nothing relies on is torn in one copy, and the other one is whole.
    case .tornEdit, .clean, .behindClose, .healedFooter, .healedHeader, .healedVote,
      .healedManifest, .unsealed, .voteLost, .orphan, .leftover, .unborn, .unusedSpace:
      false
    }
  }

  /// True when opening ends the log in that place.
  fileprivate var cuts: Bool {
    switch self {
    case .tornBody, .tornFrame, .tornSeveral, .ambiguousTail: true
    default: false
    }
  }
}
