// FrameWitnesses: the valid frames behind the first break of a segment, for every break to ask.
//
// What must always hold: they are asked in order of offset and of ordinal, and each answer is the one
// that a look at every later page would give.

/// Gathered in one pass and asked in order, so that a scan costs the same however many breaks there
/// are.
struct FrameWitnesses {
  struct Found {
    var offset: Int
    /// The highest there is for a frame that only a newer program can read.
    var ordinal: UInt32
    /// The highest ordinal that this frame vouches for, or one behind it.
    var durableOrdinal: UInt32
  }

  private let frames: [Found]
  /// What lies before was passed: breaks come in order of offset and of ordinal.
  private var next = 0

  /// - Parameter frames: by offset, each with the ordinal that it vouches for itself.
  init(_ frames: [Found]) {
    var frames = frames
    var highest: UInt32 = 0
    for i in frames.indices.reversed() {
      highest = max(highest, frames[i].durableOrdinal)
      frames[i].durableOrdinal = highest
    }
    self.frames = frames
  }

  /// True when a frame begins at `offset` or behind it.
  func isAny(from offset: Int) -> Bool { frames.last.map { $0.offset >= offset } ?? false }

  /// The first frame from `offset` on that was written behind the one with `ordinal`. Neither may
  /// be lower than it was in the last call.
  mutating func first(from offset: Int, above ordinal: UInt32) -> Found? {
    while next < frames.count, frames[next].offset < offset || frames[next].ordinal <= ordinal {
      next += 1
    }
    return next < frames.count ? frames[next] : nil
  }
}
