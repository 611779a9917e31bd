// Verdict: the rows of the decision table. Recovery.md shows it; comments elsewhere cite the letters.
//
// What must always hold: each row says what opening does, and how bad it is. A row that can mean
// the loss of something acknowledged is never one that opening passes over in silence.

/// A row of the table: what was found, and so what is done.
public enum Verdict: String, Hashable, Sendable, CaseIterable {
  /// @A Zeros behind the last valid batch.
  case clean = "A"
  /// @B A body cut by zeros in the last batch: the write did not finish.
  case tornBody = "B"
  /// @C A frame that is zeros or behind the file's end, with bytes following it.
  case tornFrame = "C"
  /// @D An invalid batch with later ones, none of which says that it was synced.
  case tornSeveral = "D"
  /// @E An invalid last batch that no torn write explains: it may have been acknowledged.
  case ambiguousTail = "E"
  /// @F An invalid batch that was durable once.
  case corruptBatch = "F"
  /// @G A valid frame in the wrong place.
  case corruptOrder = "G"
  /// @H Bytes behind the point at which the log was closed: nobody acknowledged them.
  case behindClose = "H"
  /// @I A footer that its segment contradicts.
  case healedFooter = "I"
  /// @J A header that the manifest can restore.
  case healedHeader = "J"
  /// @K One vote file is bad or older.
  case healedVote = "K"
  /// @L One manifest is bad or shorter.
  case healedManifest = "L"
  /// @M A segment that ended and was not sealed yet.
  case unsealed = "M"
  /// @N The last edit is in neither manifest, and nothing relies on it.
  case tornEdit = "N"
  /// @O An edit that something relies on is in neither manifest.
  case corruptManifest = "O"
  /// @P There is a log here, and no manifest.
  case manifestLost = "P"
  /// @Q Both vote files are bad.
  case voteLost = "Q"
  /// @R A file that the manifest names is not there.
  case lostFile = "R"
  /// @S A segment that the manifest does not know continues the log.
  case unknownContinues = "S"
  /// @T A file that the manifest does not know, and that holds, or may hold, what nothing else does.
  case orphan = "T"
  /// @U Work that did not get finished: a spare, a temporary file, a copy whose source holds it all.
  case leftover = "U"
  /// @V No log was started here, or its start did not get finished.
  case unborn = "V"
  /// @W Written by a newer program.
  case unsupported = "W"
  /// @X Of another group.
  case foreign = "X"
  /// @Y Something that decides was not delivered by the device or the file system.
  case inputOutput = "Y"
  /// @Z What was not delivered holds no entry, and decides nothing.
  case unusedSpace = "Z"

  /// How bad a row is; each level includes what the lower ones allow.
  public enum Severity: Int, Sendable, Comparable, CaseIterable {
    /// Nothing to do.
    case clean = 0
    /// Opening mends it, or for a footer that it does not read in full a repair; nothing acknowledged
    /// is touched.
    case mended = 1
    /// Something acknowledged is, or may be, unreadable.
    case damaged = 2
    /// A file is gone.
    case lost = 3
    /// Hands off.
    case refused = 4
    /// The device or the file system does not deliver what it holds: no row of a lower level is
    /// certain. A finding of any row is of this level if something of it was not delivered.
    case inputOutput = 5

    public static func < (a: Severity, b: Severity) -> Bool { a.rawValue < b.rawValue }
  }

  public var severity: Severity {
    switch self {
    case .clean, .unborn, .unusedSpace: .clean
    case .tornBody, .tornFrame, .tornSeveral, .behindClose, .healedFooter, .healedHeader,
      .healedVote, .healedManifest, .unsealed, .tornEdit, .orphan, .leftover:
      .mended
    // A lost vote too: opening mends it, but a term that was acknowledged may be forgotten.
    case .ambiguousTail, .corruptBatch, .corruptOrder, .corruptManifest, .unknownContinues,
      .voteLost:
      .damaged
    case .manifestLost, .lostFile: .lost
    case .unsupported, .foreign: .refused
    case .inputOutput: .inputOutput
    }
  }

  /// True when a log on one machine does not open until somebody accepts the loss by name.
  public var refusesOpening: Bool {
    switch self {
    case .corruptBatch, .corruptOrder, .corruptManifest, .manifestLost, .lostFile,
      .unknownContinues, .unsupported, .foreign, .inputOutput:
      true
    default: false
    }
  }

  /// The row's name in a word or two.
  public var title: String {
    switch self {
    case .clean: "clean"
    case .tornBody, .tornFrame, .tornSeveral: "torn"
    case .ambiguousTail, .unknownContinues: "ambiguous"
    case .corruptBatch, .corruptOrder, .corruptManifest: "corrupt"
    case .behindClose, .healedFooter, .healedHeader, .healedVote, .healedManifest: "healed"
    case .unsealed: "seal adopted"
    case .tornEdit: "torn edit"
    case .manifestLost: "manifest lost"
    case .voteLost: "vote lost"
    case .lostFile: "lost"
    case .orphan: "orphan"
    case .leftover: "leftover"
    case .unborn: "no log"
    case .unsupported: "unsupported"
    case .foreign: "foreign"
    case .inputOutput, .unusedSpace: "I/O error"
    }
  }

  /// What opening does about it.
  public var action: String {
    switch self {
    case .clean: "nothing to do"
    case .tornBody, .tornFrame, .tornSeveral:
      "cut before it: it was never synced"
    case .ambiguousTail:
      "cut before it, after saving its bytes in quarantine/: it may have been acknowledged"
    case .corruptBatch, .corruptOrder:
      "never cut: the log does not open until the range is repaired or its loss is accepted"
    case .behindClose: "cut before it: the log was closed there"
    case .healedFooter:
      "the footer is rebuilt from the batches, by opening if it reads what is wrong; where only a "
        + "look at every byte shows it, `walinspect repair` does, and no entry is concerned"
    case .healedHeader: "the header is restored from the manifest"
    case .healedVote: "the bad or older copy is rewritten from the other"
    case .healedManifest: "the bad or shorter copy is rewritten from the other"
    case .unsealed: "the footer is written and the file sealed"
    case .tornEdit: "the edit is dropped: nothing relied on it"
    case .corruptManifest, .manifestLost:
      "the log does not open: the manifest can be rebuilt from the segments"
    case .voteLost: "the term goes up by one: the last term and vote may be forgotten"
    case .lostFile: "the log does not open until the file is back or its loss is accepted"
    case .unknownContinues:
      "the log does not open: the manifest may have lost the edit that names this file"
    case .orphan: "moved to quarantine/, never replayed"
    case .leftover: "removed: nothing refers to it"
    case .unborn: "a log is started here"
    case .unsupported: "refused, nothing is touched: use the program that wrote it"
    case .foreign: "refused, nothing is touched: this file belongs to another group"
    case .inputOutput:
      "refused, nothing is touched: it may be what the log needs, and be readable the next time"
    case .unusedSpace: "nothing to do: no entry is there; copy the log to a device that is sound"
    }
  }
}
