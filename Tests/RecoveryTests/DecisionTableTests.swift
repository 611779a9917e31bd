// DecisionTableTests: the table, row by row, and what must hold over every combination of evidence.
//
// The rows are quoted from the decision table of the log's design; the properties below them are
// stated without a look at how the decision is made.

import Recovery
import Testing

// MARK: Every combination of evidence

enum EveryEvidence {
  static let breaks: [BreakFacts] = BreakShape.allCases.flatMap { shape in
    LaterFrames.allCases.flatMap { later in
      BreakFacts.Mark.allCases.flatMap { mark in
        BreakFacts.Place.allCases.flatMap { place in
          BreakFacts.Stop.allCases.flatMap { stop in
            [false, true].map { hidesLater in
              BreakFacts(
                shape: shape, later: later, mark: mark, place: place, stop: stop,
                hidesLater: hidesLater)
            }
          }
        }
      }
    }
  }

  static let manifests: [ManifestFacts] = ManifestFacts.Copy.allCases.flatMap { first in
    ManifestFacts.Copy.allCases.flatMap { second in
      ManifestFacts.Order.allCases.flatMap { order in
        [false, true].flatMap { isCarriedBeyond in
          [false, true].map { isBorn in
            ManifestFacts(
              first: first, second: second, order: order, isCarriedBeyond: isCarriedBeyond,
              isBorn: isBorn)
          }
        }
      }
    }
  }

  static let votes: [VoteFacts] = VoteFacts.Copy.allCases.flatMap { first in
    VoteFacts.Copy.allCases.flatMap { second in
      VoteFacts.Order.allCases.map { VoteFacts(first: first, second: second, order: $0) }
    }
  }

  static let all: [Evidence] =
    breaks.map { .segmentBreak($0) } + HeaderFacts.allCases.map { .header($0) }
    + FooterFacts.allCases.map { .footer($0) } + [.unsealed] + manifests.map { .manifest($0) }
    + votes.map { .votes($0) } + [.missing(holdsEntries: true), .missing(holdsEntries: false)]
    + UnknownFile.allCases.flatMap { file in
      [true, false].map { .unknown(file, isLive: $0) }
    } + [.unknownKind, .unusedSpace] + UnopenableFile.allCases.map { .unopenable($0) }
}

extension BreakFacts {
  /// True when something says that the broken batch was durable once.
  fileprivate var isVouchedFor: Bool {
    mark == .atOrBelow || place == .ended || later == .vouching
  }

  fileprivate var verdict: Verdict { Verdict.decide(.segmentBreak(self)) }
}

extension ManifestFacts {
  fileprivate var copies: [Copy] { [first, second] }
  /// True when something of a copy was not delivered.
  fileprivate var isHidden: Bool {
    copies.contains(.undelivered) || copies.contains(.undeliveredTail)
  }
  fileprivate var verdict: Verdict { Verdict.decide(.manifest(self)) }
}

extension VoteFacts {
  fileprivate var copies: [Copy] { [first, second] }
  fileprivate var verdict: Verdict { Verdict.decide(.votes(self)) }
}

// MARK: The rows

struct DecisionTableTests {
  /// A break above the mark in the last segment, after an unclean stop.
  private func tail(
    _ shape: BreakShape, _ later: LaterFrames = .none, mark: BreakFacts.Mark = .above,
    place: BreakFacts.Place = .active, stop: BreakFacts.Stop = .unclean, hidesLater: Bool = false
  ) -> Verdict {
    BreakFacts(
      shape: shape, later: later, mark: mark, place: place, stop: stop, hidesLater: hidesLater
    ).verdict
  }

  private func manifest(
    _ first: ManifestFacts.Copy, _ second: ManifestFacts.Copy,
    _ order: ManifestFacts.Order = .same, isCarriedBeyond: Bool = false, isBorn: Bool = true
  ) -> Verdict {
    ManifestFacts(
      first: first, second: second, order: order, isCarriedBeyond: isCarriedBeyond, isBorn: isBorn
    ).verdict
  }

  private func votes(
    _ first: VoteFacts.Copy, _ second: VoteFacts.Copy, _ order: VoteFacts.Order = .same
  ) -> Verdict {
    VoteFacts(first: first, second: second, order: order).verdict
  }

  /// @A "zeros after the last valid batch, to the end": clean, open.
  @Test func zerosBehindTheLastBatchAreClean() {
    for stop in BreakFacts.Stop.allCases { #expect(tail(.zeros, stop: stop) == .clean) }
    #expect(!Verdict.clean.refusesOpening)
    // Not where a batch is known to have been.
    #expect(tail(.zeros, mark: .atOrBelow) == .corruptBatch)
  }

  /// @B "frame valid, body invalid, more zero sectors than its frame counts, nothing valid later":
  /// torn, cut.
  @Test func aBodyCutByZerosIsTorn() {
    #expect(tail(.bodyCutByZeros) == .tornBody)
    #expect(tail(.bodyDamaged) != .tornBody)
  }

  /// @C "bytes after the last valid batch, frame unreadable, its first sector zero or cut short by
  /// zeros; nothing valid later": torn, cut.
  @Test func aMissingFrameIsTorn() {
    #expect(tail(.frameMissing) == .tornFrame)
    #expect(tail(.frameDamaged) != .tornFrame)
  }

  /// @D "invalid X, later valid batches, none vouching for X": torn, several writes in flight, cut
  /// at X.
  @Test func laterBatchesThatDoNotVouchMakeItTorn() {
    let shapes = BreakShape.allCases.filter {
      $0 != .zeros && $0 != .outOfOrder && $0 != .unreadable
    }
    #expect(shapes.count == 5)
    for shape in shapes { #expect(tail(shape, .notVouching) == .tornSeveral) }
  }

  /// @E "invalid X of any other look, nothing valid later": ambiguous; cut, saved aside, and the
  /// range that may have been acknowledged is reported.
  @Test func anyOtherLookAtTheEndIsAmbiguous() {
    for shape in [BreakShape.bodyDamaged, .frameDamaged, .fileEnds] {
      #expect(tail(shape) == .ambiguousTail)
    }
    // A log on one machine comes back from a power cut by itself, and says what may be missing.
    #expect(!Verdict.ambiguousTail.refusesOpening)
    #expect(Verdict.ambiguousTail.severity == .damaged)
  }

  /// @F "invalid X at or below the durable mark": corrupt, never cut.
  @Test func whatWasDurableIsCorruptAndNeverCut() {
    for shape in BreakShape.allCases where shape != .outOfOrder {
      #expect(tail(shape, mark: .atOrBelow) == .corruptBatch)
      #expect(tail(shape, .vouching) == .corruptBatch)
      #expect(tail(shape, place: .ended) == .corruptBatch)
    }
    #expect(Verdict.corruptBatch.refusesOpening)
  }

  /// @G "index goes back without truncateAfter, or a gap": corrupt, as above.
  @Test func aValidFrameInTheWrongPlaceIsCorrupt() {
    for later in LaterFrames.allCases { #expect(tail(.outOfOrder, later) == .corruptOrder) }
    #expect(tail(.outOfOrder, mark: .atOrBelow) == .corruptOrder)
    #expect(Verdict.corruptOrder.refusesOpening)
  }

  /// @H "a bad trailing marker beyond 'closed'": healed.
  @Test func whatLiesBehindACloseIsNobodysData() {
    for shape in BreakShape.allCases where shape != .zeros {
      #expect(tail(shape, stop: .clean) == .behindClose)
      #expect(tail(shape, mark: .atOrBelow, stop: .clean).refusesOpening)
    }
  }

  /// @I "footer bad, body and chain good": healed, rebuilt.
  @Test func aBadFooterIsRebuilt() {
    #expect(Verdict.decide(.footer(.damaged)) == .healedFooter)
    #expect(Verdict.decide(.footer(.undelivered)) == .healedFooter)
    #expect(Verdict.decide(.footer(.valid)) == .clean)
  }

  /// @J "header bad, batches with its salt found": healed, rebuilt.
  @Test func aBadHeaderIsRestored() {
    #expect(Verdict.decide(.header(.damaged)) == .healedHeader)
    #expect(Verdict.decide(.header(.undelivered)) == .healedHeader)
    #expect(Verdict.decide(.header(.valid)) == .clean)
  }

  /// @K "one vote file bad or older": healed, rebuilt from the other.
  @Test func oneVoteFileIsEnough() {
    for bad in [VoteFacts.Copy.missing, .unusable, .undelivered] {
      #expect(votes(.usable, bad) == .healedVote && votes(bad, .usable) == .healedVote)
    }
    #expect(votes(.usable, .usable, .different) == .healedVote)
    #expect(votes(.usable, .usable) == .clean)
  }

  /// @L "one manifest copy bad, shorter or torn": healed, rebuilt from the other.
  @Test func oneManifestIsEnough() {
    for bad in [ManifestFacts.Copy.missing, .unusable, .undelivered, .undeliveredTail] {
      #expect(manifest(.clean, bad) == .healedManifest && manifest(bad, .clean) == .healedManifest)
    }
    #expect(manifest(.clean, .clean, .firstIsLonger) == .healedManifest)
    #expect(manifest(.clean, .damagedTail, .firstIsLonger) == .healedManifest)
    #expect(manifest(.damagedTail, .clean, .secondIsLonger) == .healedManifest)
    #expect(manifest(.clean, .clean) == .clean)
  }

  /// @M The order "seal": "a crash between rebuilds the footer".
  @Test func aSegmentThatEndedIsSealed() {
    #expect(Verdict.decide(.unsealed) == .unsealed)
  }

  /// @N "both manifests invalid at edit n, and no frame, footer or vote file carries n or more":
  /// torn, cut the edit.
  @Test func anEditThatNothingCarriesIsTorn() {
    #expect(manifest(.damagedTail, .damagedTail) == .tornEdit)
    #expect(manifest(.damagedTail, .missing) == .tornEdit)
    #expect(manifest(.unusable, .damagedTail) == .tornEdit)
    #expect(manifest(.damagedTail, .clean, .firstIsLonger) == .tornEdit)
    #expect(!Verdict.tornEdit.refusesOpening)
  }

  /// @O "both manifests invalid at edit n, and something carries n or more": corrupt; one machine
  /// refuses.
  @Test func anEditThatSomethingCarriesIsCorrupt() {
    #expect(manifest(.damagedTail, .damagedTail, isCarriedBeyond: true) == .corruptManifest)
    #expect(manifest(.clean, .clean, isCarriedBeyond: true) == .corruptManifest)
    #expect(manifest(.clean, .clean, .conflict) == .corruptManifest)
    #expect(Verdict.corruptManifest.refusesOpening)
  }

  /// @P The order "first start": "no manifest but any of these: manifest lost".
  @Test func aLogWithoutAManifestHasLostIt() {
    #expect(manifest(.missing, .missing) == .manifestLost)
    #expect(manifest(.unusable, .missing) == .manifestLost)
    #expect(manifest(.unusable, .unusable, isBorn: false) == .manifestLost)
    #expect(Verdict.manifestLost.refusesOpening && Verdict.manifestLost.severity == .lost)
  }

  /// @Q "both vote files bad": vote lost; a sole voter with its log intact starts again at last
  /// term + 1.
  @Test func withoutAVoteFileTheVoteIsLost() {
    for first in [VoteFacts.Copy.missing, .unusable] {
      for second in [VoteFacts.Copy.missing, .unusable] {
        #expect(votes(first, second) == .voteLost)
      }
    }
    #expect(votes(.usable, .usable, .conflict) == .voteLost)
    #expect(!Verdict.voteLost.refusesOpening)
    // A term and a vote that were acknowledged may be gone: that is not mended without a loss.
    #expect(Verdict.voteLost.severity == .damaged)
  }

  /// @R "manifest names a file that is not there": lost, report the exact index range.
  @Test func aFileThatIsNotThereIsLost() {
    #expect(Verdict.decide(.missing(holdsEntries: true)) == .lostFile)
    #expect(Verdict.decide(.header(.otherSegment)) == .lostFile)
    #expect(Verdict.lostFile.refusesOpening && Verdict.lostFile.severity == .lost)
  }

  /// @S "a file that the manifest does not know, with frames, that continues the log": ambiguous.
  @Test func aSegmentThatContinuesTheLogIsNotPassedOver() {
    #expect(Verdict.decide(.unknown(.continues, isLive: false)) == .unknownContinues)
    #expect(Verdict.unknownContinues.severity == .damaged)
    #expect(Verdict.unknownContinues.refusesOpening)
    // "... unless its header's purpose is copy-forward, shipping or rebuild."
    #expect(Verdict.decide(.unknown(.copy, isLive: false)) == .leftover)
  }

  /// @T "any other file that the manifest does not know": orphan, quarantine, never replay.
  @Test func anyOtherSegmentIsAnOrphan() {
    #expect(Verdict.decide(.unknown(.stray, isLive: false)) == .orphan)
    #expect(Verdict.decide(.unknown(.unreadable, isLive: false)) == .orphan)
  }

  /// While a writer is at work, files come and go; only what it would never make is reported.
  @Test func filesBesideALiveWriterAreItsOwn() {
    for file in [UnknownFile.empty, .continues, .copy, .stray, .unfinished] {
      #expect(Verdict.decide(.unknown(file, isLive: true)) == .clean)
    }
    #expect(Verdict.decide(.unknown(.unreadable, isLive: true)) == .orphan)
    #expect(Verdict.decide(.unknown(.otherGroup, isLive: true)) == .foreign)
    #expect(Verdict.decide(.unknown(.newer, isLive: true)) == .unsupported)
  }

  /// @U The order "cut and copy-forward": "an unreferenced copy-forward file whose source is whole is
  /// deleted"; and what other orders leave half done.
  @Test func unfinishedWorkIsRemoved() {
    for file in [UnknownFile.empty, .copy, .unfinished] {
      #expect(Verdict.decide(.unknown(file, isLive: false)) == .leftover)
    }
    #expect(Verdict.decide(.missing(holdsEntries: false)) == .leftover)
  }

  /// @V The order "first start": "no manifest, no batch and no vote generation above 0: start over".
  @Test func aDirectoryWithoutALogMayBecomeOne() {
    #expect(manifest(.missing, .missing, isBorn: false) == .unborn)
    #expect(!Verdict.unborn.refusesOpening && Verdict.unborn.severity == .clean)
  }

  /// @W "unknown incompatible bit or newer major": unsupported, refuse, touch nothing.
  @Test func aNewerFormatIsUnsupported() {
    #expect(Verdict.decide(.header(.newer)) == .unsupported)
    #expect(Verdict.decide(.unknown(.newer, isLive: false)) == .unsupported)
    #expect(Verdict.decide(.unknownKind) == .unsupported)
    #expect(manifest(.newerFormat, .clean) == .unsupported)
    #expect(votes(.usable, .newerFormat) == .unsupported)
    #expect(Verdict.unsupported.refusesOpening && Verdict.unsupported.severity == .refused)
  }

  /// @X "another group's UUID": foreign, refuse, touch nothing.
  @Test func anotherGroupIsForeign() {
    #expect(Verdict.decide(.header(.otherGroup)) == .foreign)
    #expect(Verdict.decide(.unknown(.otherGroup, isLive: false)) == .foreign)
    #expect(Verdict.foreign.refusesOpening && Verdict.foreign.severity == .refused)
  }

  /// @Y What was not delivered is neither lost nor rot: no manifest is made anew for it, no vote
  /// forgotten, no tail cut, no file moved aside.
  @Test func whatIsNotDeliveredIsAnInputOutputError() {
    for other in [ManifestFacts.Copy.missing, .unusable, .damagedTail, .undelivered] {
      #expect(manifest(.undelivered, other) == .inputOutput)
      #expect(manifest(.undeliveredTail, other) == .inputOutput)
    }
    #expect(manifest(.undeliveredTail, .undeliveredTail) == .inputOutput)
    // What a frame relies on may be in the copy that does not come.
    #expect(manifest(.clean, .undelivered, isCarriedBeyond: true) == .inputOutput)
    #expect(manifest(.clean, .undeliveredTail, isCarriedBeyond: true) == .inputOutput)
    for other in [VoteFacts.Copy.missing, .unusable, .undelivered] {
      #expect(votes(.undelivered, other) == .inputOutput)
    }
    for later in [LaterFrames.none, .notVouching] {
      #expect(tail(.unreadable, later) == .inputOutput)
      #expect(tail(.unreadable, later, stop: .live) == .inputOutput)
    }
    for file in UnopenableFile.allCases {
      #expect(Verdict.decide(.unopenable(file)) == .inputOutput)
    }
    for isLive in [true, false] {
      #expect(Verdict.decide(.unknown(.undelivered, isLive: isLive)) == .inputOutput)
    }
    #expect(Verdict.inputOutput.refusesOpening && Verdict.inputOutput.severity == .inputOutput)
  }

  /// @Z Padding, or space behind the end: told, and no reason to refuse.
  @Test func unusedSpaceThatIsNotDeliveredIsToldAndNoMore() {
    #expect(Verdict.decide(.unusedSpace) == .unusedSpace)
    #expect(!Verdict.unusedSpace.refusesOpening)
  }
}

// MARK: What holds over all of it

struct DecisionPropertyTests {
  /// Verdicts after which what follows the break is gone, or passed over.
  private static let cuts: Set<Verdict> = [
    .clean, .tornBody, .tornFrame, .tornSeveral, .ambiguousTail, .behindClose,
  ]

  /// The combinations are all there; the tests below would say little about fewer.
  @Test func theEvidenceIsComplete() {
    #expect(EveryEvidence.breaks.count == 8 * 3 * 2 * 2 * 3 * 2)
    #expect(EveryEvidence.manifests.count == 7 * 7 * 4 * 2 * 2)
    #expect(EveryEvidence.votes.count == 5 * 5 * 3)
    #expect(EveryEvidence.all.count == 576 + 784 + 75 + 6 + 3 + 1 + 2 + 18 + 1 + 4 + 1)
    #expect(Set(EveryEvidence.all).count == EveryEvidence.all.count)
  }

  @Test func everyRowHasEvidenceThatLeadsToIt() {
    let reached = Set(EveryEvidence.all.map(Verdict.decide))
    #expect(Set(Verdict.allCases).subtracting(reached) == [])
    #expect(Verdict.allCases.map(\.rawValue).joined() == "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
  }

  @Test func everyRowSaysWhatItIsAndWhatIsDone() {
    for verdict in Verdict.allCases {
      #expect(!verdict.title.isEmpty && !verdict.action.isEmpty)
    }
  }

  @Test func severityAndRefusalAgree() {
    for verdict in Verdict.allCases {
      // What is refused is bad; what is gone, or not ours, is refused.
      if verdict.refusesOpening { #expect(verdict.severity >= .damaged, "\(verdict)") }
      if verdict.severity >= .lost { #expect(verdict.refusesOpening, "\(verdict)") }
      // Opening passes over damage in two rows only: one saves the bytes and reports the range, the
      // other goes on in a term in which nothing can have been forgotten.
      if verdict.severity == .damaged, verdict != .ambiguousTail, verdict != .voteLost {
        #expect(verdict.refusesOpening, "\(verdict)")
      }
      if verdict.severity < .damaged { #expect(!verdict.refusesOpening, "\(verdict)") }
    }
  }

  // MARK: Breaks

  /// Property 3 of the design: damage to acknowledged data is never mistaken for a torn tail.
  @Test func whatIsVouchedForIsNeverCut() {
    let vouched = EveryEvidence.breaks.filter(\.isVouchedFor)
    #expect(vouched.count == 576 - 8 * 2 * 3 * 2)
    for facts in vouched {
      #expect(!Self.cuts.contains(facts.verdict), "\(facts)")
      #expect(facts.verdict.refusesOpening, "\(facts)")
    }
  }

  /// A reader beside a live writer, and an opening after a clean close, are never told of damage
  /// that nobody vouches for; but no writer makes a device fail, and behind what it does not deliver
  /// somebody might vouch.
  @Test func liveAndCleanlyClosedTailsAreNeverDamaged() {
    let tails = EveryEvidence.breaks.filter {
      !$0.isVouchedFor && $0.stop != .unclean
        && !($0.stop == .live && ($0.shape == .unreadable || $0.hidesLater && $0.shape != .zeros))
    }
    // Without the shape that is hidden itself, and of the others but zeros those that hide more.
    #expect(tails.count == 8 * 2 * 2 * 2 - 2 * 2 - 6 * 2)
    for facts in tails {
      #expect(facts.verdict.severity < .damaged, "\(facts)")
      #expect(!facts.verdict.refusesOpening, "\(facts)")
    }
    // What a live writer is writing is nothing to report at all.
    for facts in tails where facts.stop == .live { #expect(facts.verdict == .clean, "\(facts)") }
  }

  @Test func zerosAboveTheMarkAreClean() {
    let zeros = EveryEvidence.breaks.filter { $0.shape == .zeros && !$0.isVouchedFor }
    #expect(zeros.count == 2 * 3 * 2)
    for facts in zeros { #expect(facts.verdict == .clean, "\(facts)") }
  }

  /// Only an unclean stop leaves torn or ambiguous tails, and only in the last segment.
  @Test func tornAndAmbiguousAreOfAnUncleanStopAlone() {
    let torn: Set<Verdict> = [.tornBody, .tornFrame, .tornSeveral, .ambiguousTail]
    for facts in EveryEvidence.breaks where torn.contains(facts.verdict) {
      #expect(facts.stop == .unclean && facts.place == .active && facts.mark == .above)
      #expect(facts.shape != .zeros && facts.shape != .outOfOrder)
    }
  }

  /// What was not delivered is cut behind a clean close alone: there it was nobody's.
  @Test func whatIsNotDeliveredIsNeverCutButBehindAClose() {
    let hidden = EveryEvidence.breaks.filter { $0.shape == .unreadable }
    #expect(hidden.count == 3 * 2 * 2 * 3 * 2)
    for facts in hidden where facts.isVouchedFor || facts.stop != .clean {
      #expect(facts.verdict.refusesOpening, "\(facts)")
    }
  }

  /// A frame that was not delivered might vouch for what a cut would take: nothing is cut before it.
  @Test func nothingIsCutBeforeWhatIsNotDelivered() {
    let cut = EveryEvidence.breaks.filter {
      !$0.hidesLater && $0.stop == .unclean && $0.shape != .zeros && Self.cuts.contains($0.verdict)
    }
    #expect(Set(cut.map(\.verdict)) == [.tornBody, .tornFrame, .tornSeveral, .ambiguousTail])
    for facts in cut {
      var hidden = facts
      hidden.hidesLater = true
      #expect(hidden.verdict == .inputOutput, "\(facts)")
    }
    // What is known anyway does not change.
    for facts in EveryEvidence.breaks where facts.hidesLater {
      var shown = facts
      shown.hidesLater = false
      let isKept = shown.verdict.refusesOpening || facts.stop == .clean || facts.shape == .zeros
      if isKept { #expect(facts.verdict == shown.verdict, "\(facts)") }
    }
  }

  /// More reason to believe that a batch was durable never makes its verdict milder. One that was not
  /// delivered is an I/O error in any row.
  @Test func vouchingNeverMakesItMilder() {
    for facts in EveryEvidence.breaks where facts.shape != .unreadable && !facts.hidesLater {
      var marked = facts
      marked.mark = .atOrBelow
      #expect(marked.verdict.severity >= facts.verdict.severity, "\(facts)")
      var witnessed = facts
      witnessed.later = .vouching
      #expect(witnessed.verdict.severity >= facts.verdict.severity, "\(facts)")
      var ended = facts
      ended.place = .ended
      #expect(ended.verdict.severity >= facts.verdict.severity, "\(facts)")
    }
  }

  /// Without zeros a torn write explains nothing: what is left out is reported.
  @Test func whatNoTornWriteExplainsIsReported() {
    for facts in EveryEvidence.breaks
    where facts.stop == .unclean && facts.later == .none && !facts.isVouchedFor
      && !facts.hidesLater
    {
      let isExplained = [.zeros, .bodyCutByZeros, .frameMissing].contains(facts.shape)
      #expect((facts.verdict.severity < .damaged) == isExplained, "\(facts)")
    }
  }

  // MARK: Copies

  @Test func aNewerFormatInAnyCopyIsAlwaysUnsupported() {
    let manifests = EveryEvidence.manifests.filter { $0.copies.contains(.newerFormat) }
    #expect(manifests.count == 13 * 16)
    for facts in manifests { #expect(facts.verdict == .unsupported, "\(facts)") }
    let votes = EveryEvidence.votes.filter { $0.copies.contains(.newerFormat) }
    #expect(votes.count == 9 * 3)
    for facts in votes { #expect(facts.verdict == .unsupported, "\(facts)") }
    for evidence in [
      Evidence.header(.newer), .unknown(.newer, isLive: false), .unknownKind,
    ] {
      #expect(Verdict.decide(evidence) == .unsupported)
    }
  }

  @Test func onlyANewerFormatIsUnsupported() {
    let unsupported = EveryEvidence.all.count { Verdict.decide($0) == .unsupported }
    #expect(unsupported == 13 * 16 + 9 * 3 + 4)
  }

  @Test func anEditThatIsCarriedBeyondIsCorruptWithAnyUsableCopy() {
    let carried = EveryEvidence.manifests.filter { facts in
      facts.isCarriedBeyond && !facts.copies.contains(.newerFormat) && !facts.isHidden
        && (facts.copies.contains(.clean) || facts.copies.contains(.damagedTail))
    }
    #expect(carried.count == (16 - 4) * 4 * 2)
    for facts in carried { #expect(facts.verdict == .corruptManifest, "\(facts)") }
  }

  /// Where something was not delivered, a manifest is made anew only for what is known to be wrong.
  @Test func nothingIsRebuiltForWhatWasNotDelivered() {
    let hidden = EveryEvidence.manifests.filter(\.isHidden)
    #expect(hidden.count == (49 - 25) * 16)
    for facts in hidden where facts.order != .conflict {
      #expect(
        [.healedManifest, .inputOutput, .unsupported].contains(facts.verdict), "\(facts)")
    }
    for facts in hidden where facts.verdict == .healedManifest {
      #expect(facts.copies.contains(.clean) && !facts.isCarriedBeyond, "\(facts)")
    }
    for facts in EveryEvidence.votes where facts.copies.contains(.undelivered) {
      #expect([.healedVote, .inputOutput, .unsupported].contains(facts.verdict), "\(facts)")
    }
  }

  /// A log whose manifest cannot be read never starts anew over what is there.
  @Test func aLogIsStartedOnlyWhereThereWasNone() {
    for facts in EveryEvidence.manifests where facts.verdict == .unborn {
      #expect(facts.copies == [.missing, .missing] && !facts.isBorn)
    }
  }

  @Test func withoutAUsableCopyNothingIsHealed() {
    for facts in EveryEvidence.manifests
    where !facts.copies.contains(.clean) && !facts.copies.contains(.damagedTail)
      && !facts.copies.contains(.undeliveredTail)
    {
      #expect(
        [.manifestLost, .unborn, .unsupported, .inputOutput].contains(facts.verdict), "\(facts)")
    }
    for facts in EveryEvidence.votes where !facts.copies.contains(.usable) {
      #expect([.voteLost, .unsupported, .inputOutput].contains(facts.verdict), "\(facts)")
    }
  }

  /// Which copy is called the first makes no difference.
  @Test func theCopiesAreEqual() {
    for facts in EveryEvidence.manifests {
      var mirrored = facts
      (mirrored.first, mirrored.second) = (facts.second, facts.first)
      switch facts.order {
      case .firstIsLonger: mirrored.order = .secondIsLonger
      case .secondIsLonger: mirrored.order = .firstIsLonger
      case .same, .conflict: break
      }
      #expect(mirrored.verdict == facts.verdict, "\(facts)")
    }
    for facts in EveryEvidence.votes {
      let mirrored = VoteFacts(first: facts.second, second: facts.first, order: facts.order)
      #expect(mirrored.verdict == facts.verdict, "\(facts)")
    }
  }

  /// Nothing to do is said only where nothing is wrong.
  @Test func cleanCopiesAreTheSameCopies() {
    for facts in EveryEvidence.manifests where facts.verdict == .clean {
      #expect(facts.copies == [.clean, .clean] && facts.order == .same && !facts.isCarriedBeyond)
    }
    for facts in EveryEvidence.votes where facts.verdict == .clean {
      #expect(facts.copies == [.usable, .usable] && facts.order == .same)
    }
  }
}
