// KnownLosses: entries of which it is known that they are gone, though no reader comes across them.
//
// What must always hold: it is what a repair of the same directory would give up, and what files
// held that carry the name of a segment and do not show one. Nothing is changed.

import LogFormat
import Recovery
import StorageIO

/// What is missing of a log beside what reading it shows.
struct KnownLosses {
  /// In order, no entry twice; they may hold entries that can be read.
  private(set) var losses: [Loss] = []
  /// What else a repair says, a line each; where the manifest is gone there is one at least.
  private(set) var notes: [String] = []

  init(_ inspection: Inspection) {
    // One file by itself shows what it shows, and a log that opens has lost nothing.
    guard !inspection.isDetached, !inspection.diagnosis.refusals.isEmpty else { return }
    let hasManifest = inspection.manifest != nil && !inspection.diagnosis.hidesManifest
    var generator = SystemRandomNumberGenerator()
    do {
      let plan = try RepairPlan.make(
        for: inspection.diagnosis, in: inspection.directory, accepting: [], keep: .before,
        using: &generator)
      losses = plan.losses
      if !hasManifest { notes = plan.notes }
    } catch {
      // What cannot be repaired can be salvaged all the same.
      if !hasManifest { notes = ["no manifest says where the log began or ended"] }
    }
    if !hasManifest { losses += Self.blankSegments(inspection.evidence) }
    losses = losses.sorted { $0.first < $1.first }
      .reduce([]) { known, loss in known + Loss.left(of: [loss], without: known) }
  }

  /// Where no manifest says it: what files held of which the name is all that is left.
  private static func blankSegments(_ evidence: DirectoryEvidence) -> [Loss] {
    let known =
      evidence.segments.compactMap { SegmentName($0.record.fileName) }
      + evidence.unknown.filter { $0.scan != nil }.compactMap { SegmentName($0.file.name) }
    return evidence.unknown.compactMap { file in
      guard file.scan == nil, let name = SegmentName(file.file.name) else { return nil }
      switch file.content {
      case .unreadable, .undelivered, .unfinished: break
      default: return nil
      }
      let next = known.filter { $0.sequence > name.sequence }.map(\.firstIndex).min()
      // One that was being made held nothing yet; it was made when another one is behind it.
      if next == nil, file.content == .unfinished { return nil }
      let first = max(name.firstIndex, 1)
      guard let next else { return Loss(first: first) }
      return first < next ? Loss(first...next - 1) : nil
    }
  }
}

extension Loss {
  /// What is left of these entries without others.
  func without(_ other: Loss) -> [Loss] {
    guard other.first <= last ?? .max, first <= other.last ?? .max else { return [self] }
    var rest: [Loss] = []
    if first < other.first { rest.append(Loss(first...other.first - 1)) }
    // Behind an open end there is nothing.
    if let end = other.last, end < last ?? .max { rest.append(Loss(first: end + 1, last: last)) }
    return rest
  }

  /// What is left of all of `losses` without each of `others`.
  static func left(of losses: [Loss], without others: [Loss]) -> [Loss] {
    losses.flatMap { loss in
      others.reduce([loss]) { rest, other in rest.flatMap { $0.without(other) } }
    }
  }
}
