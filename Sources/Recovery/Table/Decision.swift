// Decision: the table as one pure function, from evidence to a row.
//
// What must always hold: every combination of evidence has exactly one row; the compiler checks that
// the switches are exhaustive, and a test walks through all of them.

/// The facts about one thing in a directory, reduced to what the decision depends on.
public enum Evidence: Hashable, Sendable {
  /// A place where a valid frame was expected.
  case segmentBreak(BreakFacts)
  /// The header of a segment that the manifest names.
  case header(HeaderFacts)
  /// The footer of a sealed segment.
  case footer(FooterFacts)
  /// A segment that ended without a seal.
  case unsealed
  case manifest(ManifestFacts)
  case votes(VoteFacts)
  /// A segment that the manifest names is not there.
  case missing(holdsEntries: Bool)
  /// A file that the manifest does not name; `isLive` while a writer is at work.
  case unknown(UnknownFile, isLive: Bool)
  /// A frame or change of a kind that this program does not know and may not ignore.
  case unknownKind
  /// A segment that the manifest names is there, and nothing of it can be read.
  case unopenable(UnopenableFile)
  /// Bytes were not delivered that hold no entry, and that nothing else here depends on.
  case unusedSpace
}

public struct BreakFacts: Hashable, Sendable {
  public enum Mark: Hashable, Sendable, CaseIterable {
    /// Nothing outside later frames says that the batch was ever durable.
    case above
    /// The manifest, a digest or an earlier sync vouches for it.
    case atOrBelow
  }
  public enum Place: Hashable, Sendable, CaseIterable {
    /// In the segment that was being written.
    case active
    /// In a segment that an edit ended, before that end.
    case ended
  }
  public enum Stop: Hashable, Sendable, CaseIterable {
    /// The last edit is "closed".
    case clean
    case unclean
    /// A writer is at work right now.
    case live
  }

  public var shape: BreakShape
  public var later: LaterFrames
  public var mark: Mark
  public var place: Place
  public var stop: Stop
  /// True when a frame behind this may not have been delivered: it might vouch for this one.
  public var hidesLater: Bool

  public init(
    shape: BreakShape, later: LaterFrames, mark: Mark, place: Place, stop: Stop,
    hidesLater: Bool = false
  ) {
    self.hidesLater = hidesLater
    self.shape = shape
    self.later = later
    self.mark = mark
    self.place = place
    self.stop = stop
  }
}

public enum HeaderFacts: Hashable, Sendable, CaseIterable {
  case valid
  /// Not readable; the manifest knows what it said.
  case damaged
  /// Not delivered; the manifest knows what it said.
  case undelivered
  /// Valid, but of another segment: the file that the manifest names is gone.
  case otherSegment
  case otherGroup
  case newer
}

public enum FooterFacts: Hashable, Sendable, CaseIterable {
  case valid
  /// The footer or the file's size is wrong; the batches are all there.
  case damaged
  /// The footer was not delivered; the batches are all there.
  case undelivered
}

/// Why nothing can be read of a file that is there.
public enum UnopenableFile: Hashable, Sendable, CaseIterable {
  /// This user may not.
  case denied
  /// A symbolic link: what it leads to is not this directory's.
  case symbolicLink
  /// A directory, a pipe, a socket, a device.
  case notAFile
  /// Any other error of the file system.
  case failed
}

public struct ManifestFacts: Hashable, Sendable {
  public enum Copy: Hashable, Sendable, CaseIterable {
    case missing, unusable, newerFormat
    /// Not delivered, in whole or in the part that everything else depends on.
    case undelivered
    /// Valid to its end.
    case clean
    /// Valid up to an edit, with bytes behind it that are none.
    case damagedTail
    /// Valid up to an edit; behind it something was not delivered.
    case undeliveredTail
  }
  public enum Order: Hashable, Sendable, CaseIterable {
    /// Both end with the same edit.
    case same
    case firstIsLonger, secondIsLonger
    /// They contradict each other about an edit that both have.
    case conflict
  }

  public var first: Copy
  public var second: Copy
  public var order: Order
  /// True when a frame names an edit behind the last one that either copy has.
  public var isCarriedBeyond: Bool
  /// True when there is a batch, or a vote was ever written.
  public var isBorn: Bool

  public init(first: Copy, second: Copy, order: Order, isCarriedBeyond: Bool, isBorn: Bool) {
    self.first = first
    self.second = second
    self.order = order
    self.isCarriedBeyond = isCarriedBeyond
    self.isBorn = isBorn
  }
}

public struct VoteFacts: Hashable, Sendable {
  public enum Copy: Hashable, Sendable, CaseIterable {
    case missing, unusable, newerFormat, usable
    /// Not delivered.
    case undelivered
  }
  public enum Order: Hashable, Sendable, CaseIterable {
    case same, different
    /// The same generation says two things.
    case conflict
  }

  public var first: Copy
  public var second: Copy
  public var order: Order

  public init(first: Copy, second: Copy, order: Order) {
    self.first = first
    self.second = second
    self.order = order
  }
}

/// What a file is that the manifest does not name.
public enum UnknownFile: Hashable, Sendable, CaseIterable {
  /// Looks like a segment, and its header is not readable.
  case unreadable
  case newer
  case otherGroup
  /// A segment of this log without a frame.
  case empty
  /// A segment with frames that goes on where the log ends.
  case continues
  /// A copy that was never part of the log, and holds nothing that the named segments do not.
  case copy
  /// Any other segment with frames.
  case stray
  /// A spare, a temporary file, or one that was dropped.
  case unfinished
  /// A segment by its name, and what says which was not delivered.
  case undelivered
}

extension Verdict {
  /// The table.
  public static func decide(_ evidence: Evidence) -> Verdict {
    switch evidence {
    case .segmentBreak(let facts): decide(facts)
    case .header(let facts): decide(facts)
    case .footer(.valid): .clean
    case .footer(.damaged), .footer(.undelivered): .healedFooter
    case .unsealed: .unsealed
    case .manifest(let facts): decide(facts)
    case .votes(let facts): decide(facts)
    case .missing(holdsEntries: true): .lostFile
    case .missing(holdsEntries: false): .leftover
    case .unknown(let file, let isLive): decide(file, isLive: isLive)
    case .unknownKind: .unsupported
    case .unopenable: .inputOutput
    case .unusedSpace: .unusedSpace
    }
  }

  private static func decide(_ facts: BreakFacts) -> Verdict {
    // What was durable once is never cut, whatever it looks like now.
    if facts.place == .ended || facts.mark == .atOrBelow || facts.later == .vouching {
      return facts.shape == .outOfOrder ? .corruptOrder : .corruptBatch
    }
    switch (facts.shape, facts.later, facts.stop) {
    case (.zeros, _, _): return .clean
    // No writer does this, and no power cut that anybody could tell from a failing device.
    case (.unreadable, _, .live), (.unreadable, _, .unclean): return .inputOutput
    case (.outOfOrder, _, .unclean): return .corruptOrder
    // What cannot be seen may be what says that this was synced.
    case (_, _, .live) where facts.hidesLater, (_, _, .unclean) where facts.hidesLater:
      return .inputOutput
    // A writer is at work: this is the batch that it is writing.
    case (_, _, .live): return .clean
    case (_, _, .clean): return .behindClose
    case (_, .notVouching, .unclean), (_, .vouching, .unclean): return .tornSeveral
    case (.bodyCutByZeros, .none, .unclean): return .tornBody
    case (.frameMissing, .none, .unclean): return .tornFrame
    case (.bodyDamaged, .none, .unclean), (.frameDamaged, .none, .unclean),
      (.fileEnds, .none, .unclean):
      return .ambiguousTail
    }
  }

  private static func decide(_ facts: HeaderFacts) -> Verdict {
    switch facts {
    case .valid: .clean
    case .damaged, .undelivered: .healedHeader
    case .otherSegment: .lostFile
    case .otherGroup: .foreign
    case .newer: .unsupported
    }
  }

  private static func decide(_ facts: ManifestFacts) -> Verdict {
    switch (facts.first, facts.second) {
    case (.newerFormat, _), (_, .newerFormat):
      return .unsupported
    case (.missing, .missing):
      return facts.isBorn ? .manifestLost : .unborn
    case (.missing, .unusable), (.unusable, .missing), (.unusable, .unusable):
      return .manifestLost
    case (.undelivered, let other), (let other, .undelivered):
      // An edit is in both copies before anything relies on it: one that is whole is enough. What
      // the other one lacks may be in this one, and so is nothing to rebuild from segments.
      return other == .clean && !facts.isCarriedBeyond ? .healedManifest : .inputOutput
    case (.undeliveredTail, let other), (let other, .undeliveredTail):
      if facts.order == .conflict { return .corruptManifest }
      return other == .clean && !facts.isCarriedBeyond ? .healedManifest : .inputOutput
    case _ where facts.isCarriedBeyond:
      return .corruptManifest
    case (.clean, .missing), (.clean, .unusable), (.missing, .clean), (.unusable, .clean):
      return .healedManifest
    case (.damagedTail, .missing), (.damagedTail, .unusable), (.missing, .damagedTail),
      (.unusable, .damagedTail):
      return .tornEdit
    case (.clean, .clean), (.clean, .damagedTail), (.damagedTail, .clean),
      (.damagedTail, .damagedTail):
      return decideUsable(facts)
    }
  }

  private static func decideUsable(_ facts: ManifestFacts) -> Verdict {
    switch facts.order {
    case .conflict: return .corruptManifest
    case .firstIsLonger: return facts.first == .clean ? .healedManifest : .tornEdit
    case .secondIsLonger: return facts.second == .clean ? .healedManifest : .tornEdit
    case .same:
      return facts.first == .clean && facts.second == .clean ? .clean : .tornEdit
    }
  }

  private static func decide(_ facts: VoteFacts) -> Verdict {
    switch (facts.first, facts.second) {
    case (.newerFormat, _), (_, .newerFormat): return .unsupported
    case (.usable, .usable):
      switch facts.order {
      case .same: return .clean
      case .different: return .healedVote
      case .conflict: return .voteLost
      }
    // A vote is in both copies before it is answered: one is enough.
    case (.usable, _), (_, .usable): return .healedVote
    case (.undelivered, _), (_, .undelivered): return .inputOutput
    case (.missing, .missing), (.missing, .unusable), (.unusable, .missing), (.unusable, .unusable):
      return .voteLost
    }
  }

  private static func decide(_ file: UnknownFile, isLive: Bool) -> Verdict {
    switch (file, isLive) {
    case (.newer, _): .unsupported
    case (.otherGroup, _): .foreign
    case (.unreadable, _): .orphan
    case (.undelivered, _): .inputOutput
    // A writer prepares files, and the manifest that names them was read before it did.
    case (.empty, true), (.copy, true), (.unfinished, true), (.stray, true), (.continues, true):
      .clean
    case (.empty, false), (.copy, false), (.unfinished, false): .leftover
    case (.stray, false): .orphan
    case (.continues, false): .unknownContinues
    }
  }
}
