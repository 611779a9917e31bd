// Latencies: how long calls took, counted in classes that are 1.6 per cent wide.
//
// What must always hold: memory is the same for ten calls and ten million, so that counting does not
// show up in the peak that is being measured.

struct Latencies: Sendable {
  private var counts: [UInt64]
  private(set) var total: UInt64 = 0

  /// Classes below 128 ns are a nanosecond wide; then each power of two has 64.
  private static let classes = 128 + 57 * 64

  init() { counts = [UInt64](repeating: 0, count: Self.classes) }

  mutating func add(_ nanoseconds: UInt64) {
    counts[Self.index(of: nanoseconds)] += 1
    total += 1
  }

  mutating func merge(_ other: Latencies) {
    for i in counts.indices { counts[i] += other.counts[i] }
    total += other.total
  }

  /// The latency in nanoseconds that `percent` of the calls did not exceed; 0 without any.
  func percentile(_ percent: Int) -> UInt64 {
    let wanted = max(1, (total * UInt64(percent) + 99) / 100)
    var seen: UInt64 = 0
    for (i, count) in counts.enumerated() where count > 0 {
      seen += count
      if seen >= wanted { return Self.lowest(in: i) }
    }
    return 0
  }

  private static func index(of value: UInt64) -> Int {
    let shift = max(0, 57 - value.leadingZeroBitCount)
    return shift * 64 + Int(value >> UInt64(shift))
  }

  private static func lowest(in index: Int) -> UInt64 {
    let shift = max(0, index / 64 - 1)
    return UInt64(index - shift * 64) << UInt64(shift)
  }
}

/// What a handful of repeated measurements came to.
enum Samples {
  /// The middle one; the mean of the two in the middle where their number is even. 0 without any.
  static func median(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
