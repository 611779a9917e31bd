// Mutation: one call of a custom mutator. It changes structures, not bytes in the dark.
//
// What must always hold: the same input and seed give the same result, so that a run can be
// repeated; the result is never longer than libFuzzer asked for.

import CLibFuzzer
package import LogFormat

package struct Mutation {
  package var bytes: [UInt8]
  /// The result may have this many bytes.
  package let bytesMax: Int
  package var random: SplitMix64

  /// Mutates the input in place as `LLVMFuzzerCustomMutator` is asked to; returns the new size.
  package static func run(
    _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32,
    _ body: (inout Mutation) -> Void
  ) -> Int {
    guard let data = unsafe data, sizeMax > 0 else { return 0 }
    var mutation = Mutation(
      bytes: unsafe Array(UnsafeRawBufferPointer(start: data, count: size)), bytesMax: sizeMax,
      random: SplitMix64(seed: UInt64(seed)))
    body(&mutation)
    let count = min(mutation.bytes.count, sizeMax)
    unsafe mutation.bytes.withUnsafeBytes { source in
      guard count > 0, let base = source.baseAddress else { return }
      unsafe data.copyMemory(from: base, byteCount: count)
    }
    return count
  }

  // MARK: Chance

  /// A number from 0 up to `count`, `count` excluded.
  package mutating func below(_ count: Int) -> Int { Int(random.next() % UInt64(max(count, 1))) }

  package mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

  package mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: random.next()) }

  package mutating func pick<T>(_ items: [T]) -> T? {
    items.isEmpty ? nil : items[below(items.count)]
  }

  // MARK: libFuzzer's own mutations

  /// Mutates a range in place; nothing behind it moves.
  package mutating func mutate(_ range: Range<Int>) {
    let range = range.clamped(to: 0..<bytes.count)
    guard !range.isEmpty else { return }
    unsafe bytes.withUnsafeMutableBytes { buffer in
      let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[range])
      guard let base = piece.baseAddress else { return }
      _ = unsafe LLVMFuzzerMutate(
        base.assumingMemoryBound(to: UInt8.self), piece.count, piece.count)
    }
  }

  /// Mutates everything; the size may change.
  package mutating func mutateAll() {
    guard bytesMax > 0 else { return }
    let count = min(bytes.count, bytesMax)
    bytes.removeLast(bytes.count - count)
    bytes.append(contentsOf: repeatElement(0, count: bytesMax - count))
    let mutated = unsafe bytes.withUnsafeMutableBytes { buffer -> Int in
      guard let base = buffer.baseAddress else { return 0 }
      return unsafe LLVMFuzzerMutate(base.assumingMemoryBound(to: UInt8.self), count, buffer.count)
    }
    bytes.removeLast(bytes.count - min(mutated, bytes.count))
  }

  // MARK: Programs

  /// Mutates a program: `front` bytes of options, then records of `size` bytes each. Records stay
  /// whole, so that a mutation of one leaves the meaning of the others alone.
  package mutating func mutateRecords(front: Int, size: Int) {
    while bytes.count < front + size, bytes.count < bytesMax {
      bytes.append(byte())
    }
    let count = max(0, (bytes.count - front) / size)
    guard count > 0 else { return mutateAll() }
    let start = front + below(count) * size
    let other = front + below(count) * size
    let hasRoom = bytes.count + size <= bytesMax
    switch below(8) {
    case 0: mutate(0..<front)
    case 1 where hasRoom:
      let record = (0..<size).map { _ in byte() }
      bytes.insert(contentsOf: record, at: start)
    case 2 where hasRoom:
      bytes.insert(contentsOf: Array(bytes[other..<other + size]), at: start)
    case 3 where count > 1: bytes.removeSubrange(start..<start + size)
    case 4:
      let record = Array(bytes[start..<start + size])
      bytes.replaceSubrange(start..<start + size, with: Array(bytes[other..<other + size]))
      bytes.replaceSubrange(other..<other + size, with: record)
    case 5 where oneIn(4): mutateAll()
    case 6: bytes[start] = byte()
    default: mutate(start..<start + size)
    }
  }
}
