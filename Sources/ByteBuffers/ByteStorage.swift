// ByteStorage: memory of a fixed capacity, freed with its last reference.
//
// What must always hold: memory that is handed on from one storage to the next has exactly one owner
// at any time. Memory of batch size is kept for the next one: fresh pages cost a fault each, which
// for a large batch is as much as half of its write.

import Synchronization

@safe
package final class ByteStorage: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let capacity: Int

  private static let alignment = 4096

  init(capacity wanted: Int) {
    if let size = SparePages.size(for: wanted) {
      capacity = size
      if let kept = unsafe SparePages.shared.take(size) {
        unsafe base = kept
        return
      }
    } else {
      capacity = wanted
    }
    unsafe base = UnsafeMutableRawPointer.allocate(
      byteCount: max(capacity, 1), alignment: capacity >= 4096 ? Self.alignment : 16)
  }

  deinit {
    if SparePages.size(for: capacity) == capacity, unsafe SparePages.shared.keep(base, capacity) {
      return
    }
    unsafe base.deallocate()
  }
}

/// A few pieces of memory of each size from 32 KiB to 2 MiB, for the next one who needs such a piece.
@safe
private struct SparePages: ~Copyable, @unchecked Sendable {
  static let shared = SparePages()

  private static let smallest = 32 << 10
  private static let sizes = 7
  /// How many pieces of each size are kept: 8 MiB and a half altogether at most.
  private static let kept = [4, 4, 4, 4, 2, 2, 2]
  private static let largest = smallest << (sizes - 1)

  /// Addresses, four for each size; 0 where there is none.
  private let slots: UnsafeMutablePointer<Atomic<UInt>>

  private init() {
    unsafe slots = .allocate(capacity: Self.sizes * 4)
    for i in 0..<Self.sizes * 4 { unsafe (slots + i).initialize(to: Atomic(0)) }
  }

  /// The size of the piece that holds `capacity` bytes; nil where none are kept.
  static func size(for capacity: Int) -> Int? {
    guard capacity > smallest / 2, capacity <= largest else { return nil }
    return 1 << (Int.bitWidth - (max(capacity, smallest) - 1).leadingZeroBitCount)
  }

  private static func slots(of size: Int) -> Range<Int> {
    let i = (size / smallest).trailingZeroBitCount
    return i * 4..<i * 4 + kept[i]
  }

  func take(_ size: Int) -> UnsafeMutableRawPointer? {
    for i in Self.slots(of: size) where unsafe slots[i].load(ordering: .relaxed) != 0 {
      let address = unsafe slots[i].exchange(0, ordering: .acquiring)
      if address != 0 { return unsafe UnsafeMutableRawPointer(bitPattern: address) }
    }
    return nil
  }

  /// Takes over a piece of memory; false when there are enough of its size.
  func keep(_ base: UnsafeMutableRawPointer, _ size: Int) -> Bool {
    for i in Self.slots(of: size) {
      let (done, _) = unsafe slots[i].compareExchange(
        expected: 0, desired: UInt(bitPattern: base), ordering: .releasing)
      if done { return true }
    }
    return false
  }
}
