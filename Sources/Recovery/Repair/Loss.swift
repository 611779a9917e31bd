// Loss: entries that a repair gives up, by name.
//
// What must always hold: a loss whose end nobody knows is open. It is covered by an open one alone:
// who accepts a range up to an index does not accept what may have lain behind it.

public import LogFormat

/// A range of entries; both ends belong to it.
public struct Loss: Hashable, Sendable {
  public var first: LogIndex
  /// Nil where nobody can know how far it went.
  public var last: LogIndex?

  public init(first: LogIndex, last: LogIndex? = nil) {
    self.first = first
    self.last = last
  }

  public init(_ range: ClosedRange<LogIndex>) {
    self.init(first: range.lowerBound, last: range.upperBound)
  }

  public var isOpenEnded: Bool { last == nil }

  public func contains(_ index: LogIndex) -> Bool {
    index >= first && index <= last ?? .max
  }

  /// True when every entry of `other`, known or not, is one of these.
  public func covers(_ other: Loss) -> Bool {
    guard first <= other.first else { return false }
    guard let last else { return true }
    return other.last.map { $0 <= last } ?? false
  }

  /// True where it is known that no entry was there.
  var isEmpty: Bool { last.map { $0 < first } ?? false }

  /// As few losses as name the same entries, in order.
  static func merged(_ losses: [Loss]) -> [Loss] {
    var merged: [Loss] = []
    for loss in losses.sorted(by: { $0.first < $1.first }) {
      let isNext = merged.last.map { loss.first <= $0.last ?? .max || loss.first - 1 == $0.last }
      guard isNext == true else {
        merged.append(loss)
        continue
      }
      if let a = merged[merged.count - 1].last {
        merged[merged.count - 1].last = loss.last.map { max(a, $0) }
      }
    }
    return merged
  }
}

extension [Loss] {
  /// True when every entry of `losses`, known or not, is one of these.
  public func cover(_ losses: [Loss]) -> Bool {
    let merged = Loss.merged(self)
    return losses.allSatisfy { loss in merged.contains { $0.covers(loss) } }
  }
}

extension Loss: CustomStringConvertible {
  /// In words: entry 3, entries 3-7, entries from 3 on.
  public var description: String { Words.entries(first, last) }

  /// As `walinspect repair` prints and takes it: 3, 3-7, or 3- without an end.
  public var range: String {
    guard let last else { return "\(first)-" }
    return first == last ? "\(first)" : "\(first)-\(last)"
  }
}
