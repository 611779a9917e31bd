// Repairs: which checksums, lengths and numbers are made right again after a mutation.
//
// Without them nothing gets past the first checksum; with all of them nothing ever tests one.

package import LogFormat

package struct Repairs: OptionSet, Sendable {
  package let rawValue: UInt64

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The header of a file.
  package static let header = Repairs(rawValue: 1 << 0)
  /// The header of a batch; without it nothing in the batch is touched.
  package static let body = Repairs(rawValue: 1 << 1)
  package static let payload = Repairs(rawValue: 1 << 2)
  package static let table = Repairs(rawValue: 1 << 3)
  /// The checksums of single payloads.
  package static let rows = Repairs(rawValue: 1 << 4)
  /// Lengths and offsets agree with what is there.
  package static let lengths = Repairs(rawValue: 1 << 5)
  package static let frame = Repairs(rawValue: 1 << 6)
  /// Each frame or edit names the checksum of the one before it.
  package static let chain = Repairs(rawValue: 1 << 7)
  /// Frames and edits are numbered in order.
  package static let numbers = Repairs(rawValue: 1 << 8)
  package static let footer = Repairs(rawValue: 1 << 9)
  package static let trailer = Repairs(rawValue: 1 << 10)
  /// The digest in a footer.
  package static let digest = Repairs(rawValue: 1 << 11)
  package static let edit = Repairs(rawValue: 1 << 12)

  package static let all = Repairs(rawValue: 1 << 13 - 1)
  /// Everything but batches: these stay as a log wrote them.
  package static let outsideBatches = all.subtracting([.body, .payload, .table, .rows])

  /// One time in eight nothing is repaired; else one thing in sixteen is left wrong.
  package static func drawn(using random: inout SplitMix64) -> Repairs {
    if random.next() % 8 == 0 { return [] }
    let left = random.next() & random.next() & random.next() & random.next()
    return Repairs(rawValue: all.rawValue & ~left)
  }
}
