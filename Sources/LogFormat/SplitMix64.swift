// SplitMix64: a small generator of random numbers that can be seeded, so that whoever draws names, or
// deadlines, draws the same ones from the same seed.

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A generator of its own, so that drawing from one does not disturb the other.
  public mutating func split() -> SplitMix64 { SplitMix64(seed: next()) }
}
