// SegmentRole: what the manifest says of the segment that is fuzzed.

import LogFormat
import Recovery

struct SegmentRole {
  enum Place {
    /// It is being written.
    case active
    /// As `active`, and the log was closed.
    case closed
    /// The log has left it.
    case ended
    /// The log has left it, and it has a footer.
    case sealed
  }

  enum Mark {
    case none, chain, chainAndOneMore
  }

  var place: Place
  /// Up to which frame an edit vouches for it.
  var mark: Mark
  /// The file is shorter than it was made.
  var isShort: Bool

  init(byte: UInt8) {
    place =
      switch byte & 3 {
      case 0: .active
      case 1: .closed
      case 2: .ended
      default: .sealed
      }
    mark =
      switch byte >> 2 & 3 {
      case 0, 1: .none
      case 2: .chain
      default: .chainAndOneMore
      }
    isShort = byte >> 4 & 7 == 1
  }

  /// The segment's record, for a file in which `scan` was found.
  func record(_ scan: SegmentScan, footer: SegmentFooter?) -> SegmentRecord {
    var record = SegmentRecord(
      header: scan.header, capacity: scan.fileBytes + (isShort ? Layout.page : 0))
    switch mark {
    case .none: break
    case .chain: record.durableThrough = scan.end.ordinal
    case .chainAndOneMore: record.durableThrough = scan.end.ordinal + 1
    }
    if place == .ended || place == .sealed { record.end = scan.end(at: scan.end.ordinal) }
    if place == .sealed {
      record.seal = SegmentSeal(size: scan.fileBytes, digest: footer?.digest ?? scan.digest)
    }
    return record
  }
}
