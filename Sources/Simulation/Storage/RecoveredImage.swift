// RecoveredImage: a log brought back from a simulated disk, held against what it may be.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import StorageIO

struct RecoveredImage {
  let plan: OpeningPlan
  let model: LogModel

  var hardState: HardState { plan.opened.hardState }

  /// Opens the log on `disk` as production does, then reads all of it back.
  static func open(
    _ disk: SimulatedDisk, options: EngineOptions, seed: UInt64
  ) throws(SimulationFailure) -> RecoveredImage {
    let plan: OpeningPlan
    do {
      plan = try LogOpener.open(disk, options: options, seed: seed)
    } catch {
      throw SimulationFailure(
        description: "the log does not open: \(error)",
        isRefusedOpening: error.storageError != nil)
    }
    return RecoveredImage(plan: plan, model: try read(disk))
  }

  /// Reads the log on `disk` without opening it.
  static func read(_ disk: SimulatedDisk) throws(SimulationFailure) -> LogModel {
    guard let model = try read(disk, toleratesDamage: false) else {
      throw SimulationFailure(description: "the recovered log is damaged")
    }
    return model
  }

  /// Reads the log on `disk`; nil if it is damaged and that is no surprise.
  static func read(
    _ disk: SimulatedDisk, toleratesDamage: Bool
  ) throws(SimulationFailure) -> LogModel? {
    do {
      let diagnosis = Diagnosis(try DirectoryEvidence.gather(disk))
      guard let view = LogView(diagnosis, in: disk) else {
        throw SimulationFailure(description: "there is no manifest after opening")
      }
      if let wrong = diagnosis.findings.first(where: { $0.verdict.severity > .mended }) {
        throw SimulationFailure(description: "after opening: \(wrong)")
      }
      var model = LogModel(
        firstIndex: view.firstIndex, previousTerm: view.state.previousTerm, entries: [])
      try view.replay { entries in
        for entry in entries {
          guard entry.index == model.lastIndex + 1 else {
            throw SimulationFailure(
              description: "entry \(entry.index) behind entry \(model.lastIndex)")
          }
          model.append(entry.payload, term: entry.term)
        }
        return true
      }
      return model
    } catch let failure as SimulationFailure {
      throw failure
    } catch let error as RecoveryError where toleratesDamage && error.code == .damaged {
      return nil
    } catch {
      throw SimulationFailure(description: "the recovered log cannot be read: \(error)")
    }
  }

  /// Holds this log against what it may be.
  func check(_ expectation: Expectation, hasGarbage: Bool) throws(SimulationFailure) {
    guard expectation.logs.contains(model) else {
      throw SimulationFailure(
        description: "recovered entries \(model.firstIndex)-\(model.lastIndex), acknowledged were "
          + "\(expectation.logs[0].firstIndex)-\(expectation.logs[0].lastIndex), "
          + "\(expectation.logs.count) states were possible, this is none of them")
    }
    guard expectation.hardStates.contains(hardState) else {
      throw SimulationFailure(
        description: "recovered \(hardState), possible were \(expectation.hardStates)")
    }
    for finding in plan.findings where !isCrash(finding.verdict, hasGarbage: hasGarbage) {
      throw SimulationFailure(description: "a crash was taken for more: \(finding)")
    }
  }

  /// True for what a crash without rot may be found to have done.
  private func isCrash(_ verdict: Verdict, hasGarbage: Bool) -> Bool {
    switch verdict {
    case .corruptBatch, .corruptOrder, .corruptManifest, .manifestLost, .voteLost, .lostFile,
      .unknownContinues, .unsupported, .foreign, .healedHeader, .healedFooter, .inputOutput,
      .unusedSpace:
      false
    case .ambiguousTail: hasGarbage
    default: true
    }
  }
}
