// walinspect repair: shows what would make a log whole again, and does it when told to.
//
// What must always hold: nothing is changed without --apply and the lock; entries are given up only
// if the caller named them.

import ArgumentParser
import LogFormat
import ProgramSupport
import Recovery
import StorageIO

struct Repair: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Plans the repair of a log, and carries it out with --apply.",
    discussion: """
      Without --apply nothing is changed. With it the lock is taken, everything that is about to \
      change is saved in quarantine/, and the log is checked again at the end. Where entries have \
      to be given up their range must be named with --accept-loss.
      """)

  @OptionGroup var subject: SubjectOptions

  @Flag(help: "Carry the plan out.")
  var apply = false

  @Option(help: "Entries that may be given up: FIRST-LAST.")
  var acceptLoss: IndexRange?

  @Option(help: "The side of the damage that goes on as the log: before or after.")
  var keep = Side.before

  func inspect(_ output: inout Output) throws -> ExitStatus {
    // Looked at before the lock is taken: taking it makes a file, and not every path is a log's.
    let look = try Inspection(subject.path, depth: .everything, label: "reading")
    guard !look.isDetached else {
      throw Failure(
        .usage, "\(subject.path) is one file: name the directory of the log that it belongs to")
    }
    guard apply else {
      if look.isLive { Output.complain("\(subject.path): a writer is at work; stop it first") }
      try show(try plan(look), to: &output)
      return .clean
    }
    // What no repair here can mend is left as it is: without even a lock file.
    if !look.isLive { _ = try plan(look) }
    let lock = try Self.lock(look.directory)
    defer { lock.release() }
    // What was seen before the lock was taken may be out of date.
    let evidence = try gather(look.directory)
    let plan = try plan(Diagnosis(evidence), in: look.directory)
    try show(plan, to: &output)
    try output.flush()
    guard plan.isAccepted else { throw Self.refusal(plan, path: subject.path) }
    if plan.isNothing { return .clean }
    try carryOut(plan, in: look.directory)
    return try check(look.directory, to: &output)
  }

  private static let format = "walinspect.repair/1"

  // MARK: Planning

  private func plan(_ look: Inspection) throws -> RepairPlan {
    try plan(look.diagnosis, in: look.directory)
  }

  private func plan(
    _ diagnosis: Diagnosis, in directory: any StorageDirectory
  ) throws -> RepairPlan {
    var generator = SystemRandomNumberGenerator()
    return try RepairPlan.make(
      for: diagnosis, in: directory, accepting: acceptLoss?.indices, keep: keep.kept,
      using: &generator)
  }

  private func gather(_ directory: any StorageDirectory) throws -> DirectoryEvidence {
    let line = ProgressLine("reading")
    return try DirectoryEvidence.gather(
      directory, depth: .everything, progress: { done, total in line.show(done, of: total) })
  }

  private static func lock(_ directory: any StorageDirectory) throws -> any DirectoryLock {
    do {
      return try directory.lock()
    } catch {
      guard error.isLocked else { throw error }
      throw Failure(
        .locked,
        "\(directory.path) is locked: another process has the log open; stop it, and run this again"
      )
    }
  }

  /// The ranges as the option wants them: one that covers them all.
  private static func refusal(_ plan: RepairPlan, path: String) -> Failure {
    let ranges = plan.losses.map { Wording.indices($0.lowerBound, $0.upperBound) }
    let first = plan.losses.map(\.lowerBound).min() ?? 1
    let last = plan.losses.map(\.upperBound).max() ?? 1
    return Failure(
      .damaged,
      "\(path): nothing was changed: entries \(ranges.joined(separator: ", ")) would be given up; "
        + "`walinspect salvage` saves what is readable, --accept-loss \(first)-\(last) accepts")
  }

  // MARK: Showing

  private func show(_ plan: RepairPlan, to output: inout Output) throws {
    if subject.json {
      try output.line(json(plan))
      return
    }
    if plan.isNothing {
      try output.line("nothing to repair")
      return
    }
    for reason in plan.reasons { try output.line("because " + Wording.escaped(reason)) }
    for loss in plan.losses {
      let entries = Wording.indices(loss.lowerBound, loss.upperBound)
      try output.line(Terminal.output.paint("gives up entries \(entries)", .bad))
    }
    for (i, step) in plan.steps.enumerated() {
      try output.line("\(i + 1)".leading(4) + ". " + Wording.escaped(step.words))
    }
    if !plan.isAccepted {
      try output.line(
        "no step is taken before this loss is accepted by name, with --accept-loss FIRST-LAST")
    } else if !apply {
      try output.line("nothing was changed; --apply carries this out")
    }
  }

  private func json(_ plan: RepairPlan) -> JSONWriter {
    var json = JSONWriter(format: Self.format)
    json.field("type", "plan")
    json.field("path", subject.path)
    json.field("isNothing", plan.isNothing)
    json.field("isAccepted", plan.isAccepted)
    json.field("isApplied", apply && plan.isAccepted)
    json.strings("reasons", plan.reasons)
    json.objects("losses", plan.losses) { json, loss in
      json.field("firstIndex", loss.lowerBound)
      json.field("lastIndex", loss.upperBound)
    }
    json.objects("steps", plan.steps) { json, step in
      json.field("step", step.verb)
      json.field("words", step.words)
    }
    return json
  }

  // MARK: Acting

  private func carryOut(_ plan: RepairPlan, in directory: any StorageDirectory) throws {
    let progress = ProgressLine("repairing")
    var executor = DiskExecutor(directory: directory)
    for (i, step) in plan.steps.enumerated() {
      progress.show(i, of: plan.steps.count)
      do {
        try executor.run(step)
      } catch {
        let advice = "\(error); step \(i + 1) of \(plan.steps.count) failed"
        throw Failure(
          .inputOutput,
          "\(advice): what was saved is in quarantine/, and the repair can be run again")
      }
    }
  }

  /// Looks once more, and says what a log it is now.
  private func check(
    _ directory: any StorageDirectory, to output: inout Output
  ) throws -> ExitStatus {
    let diagnosis = Diagnosis(try gather(directory))
    let status = ExitStatus(diagnosis.severity)
    if subject.json {
      var json = JSONWriter(format: Self.format)
      json.field("type", "result")
      json.field("path", subject.path)
      json.field("verdict", status.word)
      json.field("findings", diagnosis.findings.count)
      json.field("opens", diagnosis.refusals.isEmpty)
      try output.line(json)
    } else {
      for finding in diagnosis.findings { try output.line(Wording.escaped("\(finding)")) }
      try output.line("repaired; the log is \(status.word) now")
    }
    // What opening mends by itself needs no second repair.
    return diagnosis.severity <= .mended ? .clean : status
  }
}

/// `RepairPlan.Keep` on the command line.
enum Side: String, ExpressibleByArgument, CaseIterable {
  case before, after

  var kept: RepairPlan.Keep {
    switch self {
    case .before: .before
    case .after: .after
    }
  }
}
