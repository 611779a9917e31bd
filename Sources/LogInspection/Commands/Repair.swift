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
      to be given up their range must be named with --accept-loss. A loss of which nobody knows the \
      end is named without one, as 401-: neither 401 nor 401-500 accepts it. An ambiguous tail, \
      which opening the log cuts without asking, is such a loss as well.
      """)

  @OptionGroup var subject: SubjectOptions

  @Flag(help: "Carry the plan out.")
  var apply = false

  @Option(
    parsing: .singleValue,
    help: """
      Entries that may be given up: FIRST-LAST, or FIRST- for all from there on. Once for each range.
      """)
  var acceptLoss: [AcceptedLoss] = []

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
    let isVoteLost = Diagnosis(evidence).findings.contains { $0.verdict == .voteLost }
    return try check(look.directory, isVoteLost: isVoteLost, to: &output)
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
      for: diagnosis, in: directory, accepting: acceptLoss.map(\.loss), keep: keep.kept,
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

  /// The losses, and the options that accept them.
  private static func refusal(_ plan: RepairPlan, path: String) -> Failure {
    Failure(
      .damaged,
      "\(path): nothing was changed: \(words(plan.losses)) would be given up; `walinspect salvage` "
        + "saves what is readable, \(acceptance(plan)) accepts")
  }

  /// The options that accept what a plan gives up, and no more than that.
  private static func acceptance(_ plan: RepairPlan) -> String {
    plan.losses.map { "--accept-loss \($0.range)" }.joined(separator: " ")
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
      try output.line(Terminal.output.paint("gives up \(loss)", .bad))
    }
    for note in plan.notes { try output.line("note: " + Wording.escaped(note)) }
    if !plan.choices.isEmpty {
      let choices = plan.choices.map {
        "--keep \($0.keep.rawValue) gives up \(Self.words($0.losses))"
      }
      try output.line("there is a side to choose: " + choices.joined(separator: "; "))
    }
    for (i, step) in plan.steps.enumerated() {
      try output.line("\(i + 1)".leading(4) + ". " + Wording.escaped(step.words))
    }
    if !plan.isAccepted {
      try output.line(
        "no step is taken before this loss is accepted by name, with \(Self.acceptance(plan))")
    } else if !apply {
      try output.line("nothing was changed; --apply carries this out")
    }
  }

  private static func words(_ losses: [Loss]) -> String {
    losses.isEmpty ? "nothing" : losses.map(\.description).joined(separator: ", ")
  }

  private func json(_ plan: RepairPlan) -> JSONWriter {
    var json = JSONWriter(format: Self.format)
    json.field("type", "plan")
    json.field("path", subject.path)
    json.field("isNothing", plan.isNothing)
    json.field("isAccepted", plan.isAccepted)
    json.field("isApplied", apply && plan.isAccepted)
    json.strings("reasons", plan.reasons)
    json.strings("notes", plan.notes)
    json.objects("losses", plan.losses) { Self.write($1, to: &$0) }
    json.objects("choices", plan.choices) { json, choice in
      json.field("keep", choice.keep.rawValue)
      json.objects("losses", choice.losses) { Self.write($1, to: &$0) }
    }
    json.objects("steps", plan.steps) { json, step in
      json.field("step", step.verb)
      json.field("words", step.words)
    }
    return json
  }

  /// - Note: a loss without a known end has a null for its last index.
  private static func write(_ loss: Loss, to json: inout JSONWriter) {
    json.field("firstIndex", loss.first)
    json.field("lastIndex", loss.last)
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
    _ directory: any StorageDirectory, isVoteLost: Bool, to output: inout Output
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
    if isVoteLost { try tellVote(diagnosis, to: &output) }
    // What opening mends by itself needs no second repair, and a lost vote is not brought back by one.
    let left = diagnosis.findings.filter { $0.verdict != .voteLost }.map(\.severity).max()
    return left ?? .clean <= .mended ? .clean : status
  }

  /// Opening goes on without the vote, and so does the repaired log.
  private func tellVote(_ diagnosis: Diagnosis, to output: inout Output) throws {
    let isStillLost = diagnosis.findings.contains { $0.verdict == .voteLost }
    guard !subject.json else { return }
    guard !isStillLost else {
      try output.line("the lost vote is left to the next opening, which goes on without it")
      return
    }
    let votes = diagnosis.evidence.votes.compactMap(\.file)
    guard let vote = votes.max(by: { $0.generation < $1.generation }) else { return }
    try output.line(
      "the lost vote is not brought back: the log goes on in term \(vote.state.term), without one")
  }
}

/// A `Loss` on the command line: FIRST-LAST, FIRST alone for one entry, or FIRST- without an end.
struct AcceptedLoss: ExpressibleByArgument {
  var loss: Loss

  init?(argument: String) {
    if argument.hasSuffix("-") {
      guard let first = LogIndex(argument.dropLast()), first >= 1 else { return nil }
      loss = Loss(first: first)
    } else {
      guard let range = IndexRange(argument: argument) else { return nil }
      loss = Loss(range.indices)
    }
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
