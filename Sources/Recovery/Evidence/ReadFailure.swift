// ReadFailure: what a device or a file system did not deliver of one file, and why.
//
// What must always hold: what was not delivered is known as that. It is never taken for zeros, for
// rot, or for a file that is not there: those are decided upon, and this may be read the next time.

public import StorageIO

/// What was not delivered of a file.
public struct ReadFailure: Hashable, Sendable {
  /// Byte ranges of the file, in order and apart from each other; empty if the file cannot be read
  /// at all, because it does not open or is no regular file.
  public private(set) var unreadable: [Range<Int>]
  /// The first call that failed.
  public let error: StorageError

  public init(_ error: StorageError, unreadable: [Range<Int>] = []) {
    self.error = error
    self.unreadable = []
    add(unreadable)
  }

  /// True when nothing of the file can be read.
  public var isWhole: Bool { unreadable.isEmpty }

  /// Takes in more ranges of the same file.
  mutating func add(_ ranges: [Range<Int>]) {
    let ordered = (unreadable + ranges).sorted { $0.lowerBound < $1.lowerBound }
    unreadable = []
    for range in ordered where !range.isEmpty {
      if let last = unreadable.last, last.upperBound >= range.lowerBound {
        let end = max(last.upperBound, range.upperBound)
        unreadable[unreadable.count - 1] = last.lowerBound..<end
      } else {
        unreadable.append(range)
      }
    }
  }

  /// What of it lies in `place`; nil if nothing does.
  func within(_ place: Range<Int>) -> ReadFailure? {
    let ranges = unreadable.map { $0.clamped(to: place) }.filter { !$0.isEmpty }
    return ranges.isEmpty ? nil : ReadFailure(error, unreadable: ranges)
  }

  /// What of it none of `others` has; nil if nothing is left.
  func without(_ others: [ReadFailure]) -> ReadFailure? {
    var left = unreadable
    for taken in others.flatMap(\.unreadable) {
      left = left.flatMap { range in
        [
          range.lowerBound..<max(range.lowerBound, min(range.upperBound, taken.lowerBound)),
          min(range.upperBound, max(range.lowerBound, taken.upperBound))..<range.upperBound,
        ]
      }
      left.removeAll(where: \.isEmpty)
    }
    return left.isEmpty ? nil : ReadFailure(error, unreadable: left)
  }

  /// One failure of two, of the same file.
  static func joining(_ a: ReadFailure?, _ b: ReadFailure?) -> ReadFailure? {
    guard var joined = a, let b else { return a ?? b }
    joined.add(b.unreadable)
    return joined
  }
}

extension ReadFailure: CustomStringConvertible {
  /// What was not delivered and why, and for what a person can mend what to do.
  public var description: String {
    if isWhole { return "\(error)\(advice)" }
    let places = unreadable.map { "\($0.lowerBound)-\($0.upperBound - 1)" }
    return "bytes \(places.joined(separator: ", ")) were not delivered (\(error.errno))"
  }

  private var advice: String {
    if error.isSymbolicLink {
      "; this is a symbolic link: replace the link by the file itself"
    } else if error.isNoRegularFile {
      "; this is no regular file: put the log's own file back in its place"
    } else if error.isDenied {
      "; let the user that runs this read the file, or run this as the user that owns the log"
    } else {
      ""
    }
  }
}

extension ReadFailure? {
  /// Takes in what a read did not deliver.
  mutating func note(_ read: TolerantRead) {
    guard let error = read.error else { return }
    self = ReadFailure.joining(self, ReadFailure(error, unreadable: read.unreadable))
  }
}
