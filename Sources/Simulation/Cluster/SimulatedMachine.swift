// SimulatedMachine: a state machine that is everything it applied, as one number.

import ByteBuffers
import LogFormat

struct SimulatedMachine: Hashable, Sendable {
  var applied: LogIndex = 0
  var chain: UInt64 = 0

  mutating func apply(_ entry: Entry) {
    precondition(entry.index == applied + 1, "applied out of order")
    applied = entry.index
    var mixed = SplitMix64(
      seed: chain ^ UInt64(entry.checksum) ^ entry.term << 32 ^ UInt64(entry.kind.rawValue) << 56)
    chain = mixed.next()
  }

  /// The state, with as much behind it as a snapshot shall have.
  func state(padding: Int) -> Bytes {
    var writer = ByteWriter(capacity: 16 + padding)
    writer.u64(applied)
    writer.u64(chain)
    writer.fill(UInt8(truncatingIfNeeded: chain), count: padding)
    return writer.finish()
  }

  init() {}

  init(_ state: Bytes) throws(FormatError) {
    var reader = ByteReader(state.span)
    applied = try reader.u64()
    chain = try reader.u64()
  }
}
