// Helpers: what the tests of this target share. Structures to encode, bits to flip, and fields to
// falsify with the checksum put right again, as a hostile writer would.

import ByteBuffers
import LogFormat
import Testing

/// SplitMix64: the same seed gives the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func bytes(_ count: Int) -> Bytes {
    Bytes((0..<count).map { _ in UInt8(truncatingIfNeeded: next()) })
  }
}

/// The code of the error that `body` ends with; nil when it decodes.
func refusal<T>(_ body: () throws -> T) -> FormatError.Code? {
  do {
    _ = try body()
    return nil
  } catch let error as FormatError {
    return error.code
  } catch {
    Issue.record("an error of another type: \(error)")
    return nil
  }
}

// MARK: Bytes that somebody changed

extension Bytes {
  var checksum: UInt32 { CRC32C.checksum(span) }
  var isZero: Bool { span.isZero }

  /// With one bit of the byte at `offset` turned over; which one changes from byte to byte.
  func flipped(at offset: Int) -> Bytes {
    var array = self.array
    array[offset] ^= 1 << UInt8(offset % 8)
    return Bytes(array)
  }

  /// With the integer at `offset` replaced.
  func replacing<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, with value: T) -> Bytes {
    var writer = ByteWriter(capacity: count)
    writer.bytes(span)
    writer.replace(at: offset, with: value)
    return writer.finish()
  }

  /// With the checksum at `offset` put right for `range`, or for a seed followed by it.
  func sealed(at offset: Int, covering range: Range<Int>, seed: UInt32 = 0) -> Bytes {
    replacing(at: offset, with: CRC32C.extend(seed, with: span.extracting(range)))
  }

  func u32(at offset: Int) -> UInt32 {
    array[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The offsets at which a flipped bit is passed over although it matters.
  ///
  /// - Parameter isNoticedOrHarmless: decodes and verifies; true when that fails, or when the value
  ///   is the one that was encoded.
  func unnoticedFlips(
    in range: Range<Int>? = nil, _ isNoticedOrHarmless: (Bytes) -> Bool
  ) -> [Int] {
    let range = range ?? 0..<count
    precondition(!range.isEmpty, "nothing would be tried")
    return range.filter { !isNoticedOrHarmless(flipped(at: $0)) }
  }
}

// MARK: Samples

enum Sample {
  static let group = UID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
  static let otherGroup = UID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3211)
  static let incarnation = UID(high: 7, low: 8)
  static let salt: UInt64 = 0x5A17_5A17_0000_0001

  /// Text that compresses well.
  static func text(_ count: Int) -> Bytes {
    let words = Array("the log is what was acknowledged, and nothing else; ".utf8)
    return Bytes((0..<count).map { words[$0 % words.count] })
  }

  /// Bytes that do not compress.
  static func noise(_ count: Int, seed: UInt64 = 1) -> Bytes {
    var generator = SeededGenerator(seed: seed)
    return generator.bytes(count)
  }

  static func header(
    purpose: SegmentPurpose = .roll, firstIndex: LogIndex = 101, uid: UID = UID(high: 3, low: 4)
  ) -> SegmentHeader {
    SegmentHeader(
      purpose: purpose, group: group, uid: uid, salt: salt, sequence: 12, firstIndex: firstIndex,
      previousTerm: 5)
  }

  static func end(_ ordinal: UInt32, index: LogIndex, term: Term = 6) -> SegmentEnd {
    SegmentEnd(
      ordinal: ordinal, offset: Layout.page * (Int(ordinal) + 1), index: index, term: term,
      checksum: 0xC0FF_EE00 + ordinal,
      termRuns: [TermRun(firstIndex: 101, term: 5), TermRun(firstIndex: index, term: term)])
  }
}

/// A batch as its entries, as a body and as it lies in a file.
struct SampleBatch: Sendable {
  let entries: [Entry]
  let frame: Frame
  /// Frame, body and padding.
  let framed: Bytes

  var body: Bytes { framed[Layout.frame..<Layout.frame + frame.bodyBytes] }
  var batch: Batch { get throws { try Batch(body) } }

  init(
    _ entries: [Entry], compression: Compression, group: UID = Sample.group,
    salt: UInt64 = Sample.salt
  ) {
    var builder = BatchBuilder(group: group, firstIndex: entries[0].index)
    for entry in entries {
      builder.append(entry.payload.span, kind: entry.kind, term: entry.term)
    }
    let frame = Frame(
      kind: .batch, ordinal: 3, durableOrdinal: 2, manifestEdit: 9, previousChecksum: 0xABCD_EF01)
    let written = builder.finish(compression).framed(frame, seed: FrameSeed(salt: salt))
    self.entries = entries
    self.frame = written.frame
    framed = written.bytes
  }

  /// Entries from index 41 on, with these payloads and terms.
  static func entries(_ payloads: [Bytes], terms: [Term]? = nil) -> [Entry] {
    payloads.enumerated().map { i, payload in
      Entry(
        index: 41 + LogIndex(i), term: terms?[i] ?? 7,
        kind: EntryKind(rawValue: UInt8(1 + i % 200)), payload: payload)
    }
  }
}

/// The shapes that batches come in.
enum BatchShape: String, Sendable, CaseIterable {
  case one, oneEmpty, allEmpty, someEmpty, termChanges, text, noise, mixed

  var entries: [Entry] {
    switch self {
    case .one: SampleBatch.entries([Bytes("one")])
    case .oneEmpty: SampleBatch.entries([Bytes()])
    case .allEmpty: SampleBatch.entries([Bytes](repeating: Bytes(), count: 20))
    case .someEmpty: SampleBatch.entries([Bytes(), Bytes("a"), Bytes(), Bytes("bc"), Bytes()])
    case .termChanges:
      SampleBatch.entries(
        [Bytes("a"), Bytes("b"), Bytes("c"), Bytes("d")], terms: [2, 2, 3, 2 + 0xFF_FFFF])
    case .text: SampleBatch.entries((0..<8).map { Sample.text(700 + $0) })
    case .noise: SampleBatch.entries((0..<8).map { Sample.noise(700 + $0, seed: UInt64($0)) })
    case .mixed:
      SampleBatch.entries(
        [Sample.text(6000), Bytes(), Sample.noise(300), Sample.text(1)], terms: [1, 1, 1, 9])
    }
  }
}
