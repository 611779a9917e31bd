// RepairPlan: how a directory that opening refuses is made to open again, and what that costs.
//
// What must always hold: nothing is planned that loses entries unless their range was named; every
// file that is changed or leaves the log is kept in quarantine/; the manifest is replaced last, so
// that a crash in the middle leaves the directory as it was. What is planned can be read back, and
// opens: ended segments first, and one to go on in behind them.

import ByteBuffers
import LogFormat
public import StorageIO

public struct RepairPlan: Sendable {
  /// What of a log with a damaged middle goes on as the log.
  public enum Keep: String, Sendable, CaseIterable {
    /// The entries before the damage.
    case before
    /// The entries behind it.
    case after
  }

  /// To be carried out in order; empty while a loss is not accepted.
  public let steps: [DiskStep]
  /// Why, a line each.
  public let reasons: [String]
  /// What else there is to know before it is carried out, a line each.
  public let notes: [String]
  /// Entries that will be gone.
  public let losses: [Loss]
  /// What each side of the damage would cost; empty where there is no side to choose.
  public let choices: [Choice]
  /// True when `losses` were named by the caller, or there are none.
  public let isAccepted: Bool

  /// A side of the damage to keep, and what that gives up.
  public struct Choice: Hashable, Sendable {
    public let keep: Keep
    public let losses: [Loss]
  }

  /// True when there is nothing to repair.
  public var isNothing: Bool { steps.isEmpty && isAccepted }
}

extension RepairPlan {
  /// Plans the repair of a directory.
  ///
  /// - Parameters:
  ///   - accepting: the entries that may be lost; the plan has no steps unless these cover them. A
  ///     loss without an end is covered only by one that has none either.
  ///   - keep: which side of damage goes on.
  ///   - options: the sizes of what is made anew.
  /// - Throws: `RecoveryError` for what no repair here can mend; with the code `storage` where the
  ///   device did not deliver what the repair would give up.
  public static func make(
    for diagnosis: Diagnosis, in directory: any StorageDirectory,
    accepting: [Loss], keep: Keep, options: OpeningOptions = OpeningOptions(),
    using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> RepairPlan {
    let path = diagnosis.evidence.path
    if diagnosis.isUnborn { throw RecoveryError(.noLog, "\(path) holds no log") }
    let refused = diagnosis.findings.filter { $0.verdict.severity == .refused }
    if !refused.isEmpty { throw RecoveryError(refusing: refused, path: path) }
    // What was not delivered may be what the repair would make anew, or give up.
    let withheld = diagnosis.withheld
    if !withheld.isEmpty { throw RecoveryError(refusing: withheld, path: path) }
    if diagnosis.findings.isEmpty {
      return RepairPlan(
        steps: [], reasons: [], notes: [], losses: [], choices: [], isAccepted: true)
    }
    try diagnosis.evidence.requireWritable()
    if diagnosis.refusals.isEmpty {
      return try mending(
        diagnosis, in: directory, accepting: accepting, options, using: &generator)
    }
    var planner = RepairPlanner(diagnosis, directory, options, accepting: accepting)
    try planner.plan(keep, using: &generator)
    let isAccepted = accepting.cover(planner.losses)
    let steps = isAccepted ? try planner.allSteps() : []
    let left = diagnosis.findings.filter {
      !$0.verdict.refusesOpening && $0.verdict.severity >= .damaged
    }
    let notes =
      planner.notes + left.map { "left to the next opening: \($0): \($0.verdict.action)" }
      + diagnosis.findings.compactMap(\.uncertain).map(Finding.warning)
      + voteNotes(diagnosis)
    return RepairPlan(
      steps: steps, reasons: planner.reasons, notes: notes, losses: planner.losses,
      choices: planner.choices, isAccepted: isAccepted)
  }

  /// What to do about a lost vote, which no entry depends on and no step here brings back.
  private static func voteNotes(_ diagnosis: Diagnosis) -> [String] {
    let evidence = diagnosis.evidence
    // Without a manifest the vote files are not judged, and the next opening will have to.
    let isLost =
      evidence.manifest == nil
      ? evidence.votes.allSatisfy { $0.file == nil }
      : diagnosis.findings.contains { $0.verdict == .voteLost }
    guard isLost else { return [] }
    return [
      "no entry is concerned by the lost vote; the term and vote that were saved last cannot be "
        + "read. If a copy of \(VoteFile.names[0]) or \(VoteFile.names[1]) exists, put it back "
        + "before anything else. Else the log goes on in a term above every one that can still be "
        + "read, without a vote: opening it does the same as a repair"
    ]
  }

  /// What opening would do by itself, behind copies of everything that it changes. What may have been
  /// acknowledged is cut here only when that was accepted: opening cuts it unasked.
  private static func mending(
    _ diagnosis: Diagnosis, in directory: any StorageDirectory, accepting: [Loss],
    _ options: OpeningOptions, using generator: inout some RandomNumberGenerator
  ) throws(RecoveryError) -> RepairPlan {
    let evidence = diagnosis.evidence
    let plan = try OpeningPlan.make(
      for: diagnosis, in: directory, options: options, using: &generator)
    // Space that was prepared holds nothing, and neither does a file that did not get finished.
    let blank = Set(
      evidence.unknown.filter { $0.content == .unfinished || $0.content == .empty }
        .map(\.file.name))
    let changed = Set(plan.steps.compactMap(\.changedFile)).subtracting(blank)
    let names = evidence.files.filter { $0.isRegular && changed.contains($0.name) }.map(\.name)
    let saving = try Self.saving(
      names, before: (evidence.manifest?.number ?? 0) + 1, in: directory)
    let losses = Loss.merged(diagnosis.ambiguousLosses)
    let isAccepted = accepting.cover(losses)
    let cut = losses.map(\.description).joined(separator: ", ")
    let cutNotes =
      losses.isEmpty
      ? []
      : [
        "\(cut) may have been acknowledged: opening the log gives up the same, saved in quarantine/ "
          + "as here, and does not ask"
      ]
    return RepairPlan(
      steps: isAccepted ? saving + plan.steps : [],
      reasons: diagnosis.findings.map { "\($0): \($0.verdict.action)" },
      notes: cutNotes + voteNotes(diagnosis), losses: losses, choices: [], isAccepted: isAccepted)
  }

  /// What is said where the device failed: nothing is given up that may still be there, unless it was
  /// named.
  static func undelivered(
    _ sector: Range<Int>, of name: String, path: String, _ what: String, named loss: Loss? = nil
  ) -> RecoveryError {
    let acceptance = loss.map { "; or accept the loss of \($0.range) by name" } ?? ""
    return RecoveryError(
      .storage,
      "\(path)/\(name): the device did not deliver the \(sector.count) bytes at byte "
        + "\(sector.lowerBound): \(what) may still be there, and nothing is given up for that; copy "
        + "the directory to a device that works, and repair the copy\(acceptance)")
  }

  /// Copies files into quarantine/, and makes the copies and their names durable.
  static func saving(
    _ names: [String], before edit: UInt64, in directory: any StorageDirectory
  ) throws(RecoveryError) -> [DiskStep] {
    let quarantine = DirectoryEvidence.Names.quarantine
    var steps: [DiskStep] = [.makeDirectory(quarantine)]
    for name in names {
      let copy = try directory.quarantineName("\(name).before-edit-\(edit)")
      steps += [.copy(name, from: 0, to: copy), .sync(copy), .close(copy)]
    }
    return steps + [.syncDirectory(quarantine), .syncDirectory(nil)]
  }
}

extension DiskStep {
  /// The file whose bytes are other ones, or gone, once this step is done.
  fileprivate var changedFile: String? {
    switch self {
    case .create(let name, zeros: _), .write(let name, _, at: _), .truncate(let name, to: _),
      .remove(let name), .rename(_, let name):
      name
    case .sync, .makeDirectory, .syncDirectory, .copy, .close: nil
    }
  }
}

extension Diagnosis {
  /// What the cut of an ambiguous tail takes (row E).
  fileprivate var ambiguousLosses: [Loss] { ambiguousLosses(in: nil) }

  /// The same, of one file.
  func ambiguousLosses(in file: String?) -> [Loss] {
    findings.compactMap { finding in
      guard finding.verdict == .ambiguousTail, file == nil || finding.file == file,
        let first = finding.firstIndex
      else { return nil }
      // A damaged frame that is known to have held none.
      if let last = finding.lastIndex, last < first { return nil }
      return Loss(first: first, last: finding.lastIndex)
    }
  }

  /// Findings of row Y that no accepted loss covers: nobody knows what the files say that decide.
  fileprivate var withheld: [Finding] {
    findings.filter { finding in
      guard finding.verdict == .inputOutput else { return false }
      switch finding.evidence {
      // Entries in frames that cannot be read: they may be given up by name.
      case .segmentBreak: return false
      case .unknown:
        // Without a manifest its frames are looked at like those of the others.
        let isRead = evidence.unknown.contains { $0.file.name == finding.file && $0.scan != nil }
        return evidence.manifest != nil || !isRead
      default: return true
      }
    }
  }
}
