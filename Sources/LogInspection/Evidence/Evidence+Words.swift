// Evidence in words: every fact that a decision depended on, for a person and for a script.
//
// What must always hold: every field of every kind of evidence is here; the compiler sees to the
// cases, `Fact.name` is the field's.

import Recovery

/// One field of the evidence.
struct Fact {
  /// The field.
  var name: String
  /// Its value, as the program calls it.
  var value: String
  /// What that means.
  var words: String
}

extension Evidence {
  /// What kind of evidence this is.
  var kind: String {
    switch self {
    case .segmentBreak: "segmentBreak"
    case .header: "header"
    case .footer: "footer"
    case .unsealed: "unsealed"
    case .manifest: "manifest"
    case .votes: "votes"
    case .missing: "missing"
    case .unknown: "unknown"
    case .unknownKind: "unknownKind"
    case .unopenable: "unopenable"
    case .unusedSpace: "unusedSpace"
    }
  }

  var facts: [Fact] {
    switch self {
    case .segmentBreak(let facts): facts.facts
    case .header(let facts): [Fact(name: "header", value: "\(facts)", words: facts.words)]
    case .footer(let facts): [Fact(name: "footer", value: "\(facts)", words: facts.words)]
    case .unsealed:
      [
        Fact(
          name: "seal", value: "none",
          words: "the log has left this segment, and its footer was not written")
      ]
    case .manifest(let facts): facts.facts
    case .votes(let facts): facts.facts
    case .missing(let holdsEntries):
      [
        Fact(
          name: "holdsEntries", value: "\(holdsEntries)",
          words: holdsEntries
            ? "the log has entries in the file that is not there"
            : "the log has no entry in the file that is not there")
      ]
    case .unknown(let content, let isLive):
      [
        Fact(name: "content", value: "\(content)", words: content.words),
        Fact(
          name: "isLive", value: "\(isLive)",
          words: isLive ? "a writer is at work" : "no writer is at work"),
      ]
    case .unknownKind:
      [
        Fact(
          name: "frameKind", value: "unknown",
          words: "a frame of a kind that this program does not know and may not pass over")
      ]
    case .unopenable(let file): [Fact(name: "file", value: "\(file)", words: file.words)]
    case .unusedSpace:
      [
        Fact(
          name: "space", value: "unused",
          words: "what was not delivered holds no entry, and nothing else depends on it")
      ]
    }
  }
}

extension BreakFacts {
  fileprivate var facts: [Fact] {
    [
      Fact(name: "shape", value: shape.rawValue, words: shape.words),
      Fact(name: "later", value: later.rawValue, words: later.words),
      Fact(name: "mark", value: "\(mark)", words: mark.words),
      Fact(name: "place", value: "\(place)", words: place.words),
      Fact(name: "stop", value: "\(stop)", words: stop.words),
    ]
  }
}

extension BreakShape {
  fileprivate var words: String {
    switch self {
    case .zeros: "nothing but zeros from here to the end of the file"
    case .bodyCutByZeros:
      "the frame is valid and its body is not: more of it is zero than the frame says was written "
        + "as zero, as when a write does not finish"
    case .bodyDamaged: "the frame is valid, its body is not, and zeros do not explain it"
    case .frameMissing: "where a frame should be there are zeros, and something follows them"
    case .frameDamaged: "where a frame should be there are bytes that are none"
    case .outOfOrder: "a valid frame that does not belong in this place"
    case .fileEnds: "the file ends before what was made of it; no crash does that"
    case .unreadable: "the device would not deliver the frame, or a part of its body"
    }
  }
}

extension LaterFrames {
  fileprivate var words: String {
    switch self {
    case .none: "no valid frame lies behind it"
    case .notVouching:
      "valid frames lie behind it, and none says that this one was synced before: several writes "
        + "were in flight"
    case .vouching: "a valid frame behind it says that this one had been synced"
    }
  }
}

extension BreakFacts.Mark {
  fileprivate var words: String {
    switch self {
    case .above: "nothing else says that it was ever durable"
    case .atOrBelow: "the manifest or an earlier sync vouches that it was durable"
    }
  }
}

extension BreakFacts.Place {
  fileprivate var words: String {
    switch self {
    case .active: "it lies in the segment that was being written"
    case .ended: "it lies in a segment that was complete, before its end"
    }
  }
}

extension BreakFacts.Stop {
  fileprivate var words: String {
    switch self {
    case .clean: "the log was closed before"
    case .unclean: "the log was not closed: process or machine stopped while it was open"
    case .live: "a writer is at work"
    }
  }
}

extension HeaderFacts {
  fileprivate var words: String {
    switch self {
    case .valid: "the header is valid"
    case .damaged: "the header is not readable; the manifest knows what it said"
    case .undelivered: "the device would not deliver the header; the manifest knows what it said"
    case .otherSegment: "the header is valid, and of another segment than the manifest names"
    case .otherGroup: "the header is valid, and of another group"
    case .newer: "the header was written by a newer program"
    }
  }
}

extension FooterFacts {
  fileprivate var words: String {
    switch self {
    case .valid: "the footer is what the manifest says"
    case .damaged: "the footer or the file's size is wrong; the batches are all there"
    case .undelivered: "the device would not deliver the footer; the batches are all there"
    }
  }
}

extension UnopenableFile {
  fileprivate var words: String {
    switch self {
    case .denied: "the file is there, and this user may not read it"
    case .symbolicLink: "a symbolic link has the name of the file; it is not followed"
    case .notAFile: "a directory, pipe, socket or device has the name of the file"
    case .failed: "the file is there, and the file system would not deliver it"
    }
  }
}

extension ManifestFacts {
  fileprivate var facts: [Fact] {
    [
      Fact(name: "first", value: "\(first)", words: "the first copy " + first.words),
      Fact(name: "second", value: "\(second)", words: "the second copy " + second.words),
      Fact(name: "order", value: "\(order)", words: order.words),
      Fact(
        name: "isCarriedBeyond", value: "\(isCarriedBeyond)",
        words: isCarriedBeyond
          ? "a frame names an edit that neither copy has"
          : "no frame names an edit that the copies do not have"),
      Fact(
        name: "isBorn", value: "\(isBorn)",
        words: isBorn ? "there is a log here" : "there is no sign that a log was ever started"),
    ]
  }
}

extension ManifestFacts.Copy {
  fileprivate var words: String {
    switch self {
    case .missing: "is missing"
    case .unusable: "is not readable"
    case .newerFormat: "was written by a newer program"
    case .undelivered: "was not delivered by the device or the file system"
    case .clean: "is valid to its end"
    case .damagedTail: "is valid up to an edit, with bytes behind it that are none"
    case .undeliveredTail: "is valid up to an edit, and something behind it was not delivered"
    }
  }
}

extension ManifestFacts.Order {
  fileprivate var words: String {
    switch self {
    case .same: "no copy has an edit that the other lacks"
    case .firstIsLonger: "the first copy has edits that the second lacks"
    case .secondIsLonger: "the second copy has edits that the first lacks"
    case .conflict: "they contradict each other about an edit that both have"
    }
  }
}

extension VoteFacts {
  fileprivate var facts: [Fact] {
    [
      Fact(name: "first", value: "\(first)", words: "the first copy " + first.words),
      Fact(name: "second", value: "\(second)", words: "the second copy " + second.words),
      Fact(name: "order", value: "\(order)", words: order.words),
    ]
  }
}

extension VoteFacts.Copy {
  fileprivate var words: String {
    switch self {
    case .missing: "is missing"
    case .unusable: "is not readable"
    case .newerFormat: "was written by a newer program"
    case .undelivered: "was not delivered by the device or the file system"
    case .usable: "is valid"
    }
  }
}

extension VoteFacts.Order {
  fileprivate var words: String {
    switch self {
    case .same: "there are no two copies that differ"
    case .different: "one copy is older than the other"
    case .conflict: "the copies are of one generation and say two things"
    }
  }
}

extension UnknownFile {
  fileprivate var words: String {
    switch self {
    case .unreadable: "it looks like a segment, and its header is not readable"
    case .newer: "it was written by a newer program"
    case .otherGroup: "it belongs to another group"
    case .empty: "it is a segment of this log without a frame"
    case .continues: "it is a segment with frames that goes on where the log ends"
    case .copy:
      "it is a copy that was not finished, and all that it holds is in the segments of the log"
    case .stray:
      "it is a segment with frames that continues nothing, or a copy of what nothing else holds"
    case .unfinished: "it is a prepared or temporary file, or one that was dropped from the log"
    case .undelivered:
      "it is a segment by its name, and what says which was not delivered: it may hold what nothing "
        + "else does"
    }
  }
}
