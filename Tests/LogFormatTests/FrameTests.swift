// FrameTests: a frame belongs to one life of one file, and is believed nowhere else.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

struct FrameTests {
  private static let seed = FrameSeed(salt: Sample.salt)

  private static func frame(
    _ kind: FrameKind, ordinal: UInt32 = 5, durableOrdinal: UInt32 = 4, skip: Int = 0,
    truncateAfter: LogIndex? = nil
  ) -> Frame {
    Frame(
      kind: kind, ordinal: ordinal, durableOrdinal: durableOrdinal, manifestEdit: 1 << 40,
      previousChecksum: 0x8000_0001, skip: skip, truncateAfter: truncateAfter)
  }

  private func decode(_ bytes: Bytes, seed: FrameSeed = Self.seed) throws -> Frame {
    try Frame(decoding: bytes.span, seed: seed)
  }

  /// Frames of every kind, as pages.
  private static let samples: [(frame: Frame, bytes: Bytes)] = [
    frame(.marker), frame(.marker, ordinal: 1, durableOrdinal: 0),
    frame(.truncation, truncateAfter: 0), frame(.truncation, truncateAfter: Layout.indexMax),
    frame(.marker, ordinal: .max - 1, durableOrdinal: .max - 2),
    frame(FrameKind(rawValue: 0x85)), frame(FrameKind(rawValue: 9)),
  ].map {
    let written = $0.encoded(seed: seed)
    return (written.frame, written.bytes)
  }

  // MARK: Round trips

  @Test func aBareFrameComesBackAsItWent() throws {
    for sample in Self.samples {
      #expect(sample.bytes.count == Layout.page)
      #expect(try decode(sample.bytes) == sample.frame)
      // Its checksum is what the next frame is chained to.
      #expect(sample.bytes.u32(at: 4) == sample.frame.checksum)
      #expect(sample.frame.extent == Layout.page)
      #expect(
        sample.bytes[Layout.frame..<Layout.page].array
          == [UInt8](repeating: Layout.padding, count: Layout.page - Layout.frame))
    }
  }

  @Test(arguments: BatchShape.allCases)
  func aFrameWithABodyComesBackAsItWent(_ shape: BatchShape) throws {
    let sample = SampleBatch(shape.entries, compression: .none)
    let frame = try decode(sample.framed)
    #expect(frame == sample.frame)
    #expect(frame.extent == sample.framed.count)
    #expect(frame.bodyChecksum == sample.body.u32(at: 0))
    #expect(frame.skip == 0 && frame.truncateAfter == nil)
    // Only the first 64 bytes are the frame's.
    #expect(try decode(sample.framed[0..<Layout.frame]) == frame)
  }

  @Test(arguments: [(0, nil), (3, nil), (0, 0), (2, 77), (Int(UInt32.max), Layout.indexMax)])
  func skipAndTruncationComeBack(_ skip: Int, _ truncateAfter: LogIndex?) throws {
    var builder = BatchBuilder(group: Sample.group, firstIndex: 1)
    builder.append(Bytes("x").span, kind: .data, term: 1)
    let written = builder.finish(.none).framed(
      Self.frame(.batch, skip: skip, truncateAfter: truncateAfter), seed: Self.seed)
    let frame = try decode(written.bytes)
    #expect(frame.skip == skip)
    #expect(frame.truncateAfter == truncateAfter)
  }

  @Test func kindsSayWhetherTheyMayBePassedOver() {
    for kind in [FrameKind.batch, .marker, .truncation] {
      #expect(kind.isKnown && !kind.isIgnorable)
    }
    #expect(!FrameKind(rawValue: 4).isKnown && !FrameKind(rawValue: 0x7F).isIgnorable)
    #expect(FrameKind(rawValue: 0x80).isIgnorable && FrameKind(rawValue: 0xFF).isIgnorable)
  }

  // MARK: Flipped bits

  @Test func everyFlippedBitOfAFrameIsNoticed() {
    for sample in Self.samples {
      let unnoticed = sample.bytes.unnoticedFlips(in: 0..<Layout.frame) { bytes in
        refusal { try decode(bytes) } != nil
      }
      #expect(unnoticed == [])
    }
  }

  @Test(arguments: [BatchShape.one, .text])
  func everyFlippedBitOfAFramedBatchIsNoticedOrHarmless(_ shape: BatchShape) throws {
    let sample = SampleBatch(shape.entries, compression: .automatic)
    let end = Layout.frame + sample.frame.bodyBytes
    let unnoticed = sample.framed.unnoticedFlips { bytes in
      guard let frame = try? decode(bytes), let batch = try? Batch(bytes[Layout.frame..<end]),
        (try? batch.verify()) != nil, let entries = try? batch.entries()
      else { return true }
      return frame == sample.frame && entries == sample.entries
    }
    #expect(unnoticed == [])
  }

  @Test func paddingIsNobodysData() throws {
    let sample = SampleBatch(BatchShape.one.entries, compression: .none)
    let end = Layout.frame + sample.frame.bodyBytes
    for offset in stride(from: end, to: sample.framed.count, by: 7) {
      let flipped = sample.framed.flipped(at: offset)
      #expect(try decode(flipped) == sample.frame)
      #expect(try Batch(flipped[Layout.frame..<end]).entries() == sample.entries)
    }
  }

  // MARK: The salt

  @Test func aFrameOfAnotherSaltIsRefused() {
    let sample = SampleBatch(BatchShape.one.entries, compression: .none)
    #expect(refusal { try decode(sample.framed) } == nil)
    for bit in 0..<64 {
      let other = FrameSeed(salt: Sample.salt ^ 1 << UInt64(bit))
      #expect(refusal { try decode(sample.framed, seed: other) } == .badChecksum)
    }
    #expect(refusal { try decode(sample.framed, seed: FrameSeed(salt: 0)) } == .badChecksum)
  }

  /// A salt of zero is a salt like any other, and not "none".
  @Test func aSaltOfZeroIsNotNone() throws {
    let zero = Self.frame(.marker).encoded(seed: FrameSeed(salt: 0))
    #expect(try decode(zero.bytes, seed: FrameSeed(salt: 0)) == zero.frame)
    #expect(refusal { try decode(zero.bytes) } == .badChecksum)
    let unsalted = zero.bytes.sealed(at: 4, covering: 8..<Layout.frame)
    #expect(refusal { try decode(unsalted, seed: FrameSeed(salt: 0)) } == .badChecksum)
  }

  @Test func aSegmentSaltsItsFrames() {
    #expect(Sample.header().seed == FrameSeed(salt: Sample.salt))
  }

  // MARK: Blank sectors

  /// Payload bytes that put `sectors` where the file's sectors 1, 2, ... are.
  private func payload(sectors: [[UInt8]]) -> Bytes {
    let front = Layout.sector - Layout.frame - Layout.bodyHeader
    return Bytes([UInt8](repeating: 0xFF, count: front) + sectors.flatMap { $0 })
  }

  private func blankSectors(_ payload: Bytes) -> Int {
    SampleBatch(SampleBatch.entries([payload]), compression: .none).frame.blankSectors
  }

  @Test func aSectorWithASingleBitSetCountsAsBlank() {
    let zero = [UInt8](repeating: 0, count: Layout.sector)
    let full = [UInt8](repeating: 0xFF, count: Layout.sector)
    #expect(blankSectors(payload(sectors: [full, full])) == 0)
    #expect(blankSectors(payload(sectors: [full, zero, full, zero, zero])) == 3)
    for place in [0, 7, 8, 300, 511] {
      var single = zero
      single[place] = 0x20
      #expect(blankSectors(payload(sectors: [full, single])) == 1, "a bit in byte \(place)")
      var double = single
      double[place] = 0x21
      #expect(blankSectors(payload(sectors: [double, full])) == 0, "two bits in byte \(place)")
      double = single
      double[511 - place] |= 0x02
      #expect(blankSectors(payload(sectors: [double, full])) == 0, "two bits apart")
    }
  }

  @Test func theCountIsOfTheBytesAsTheyAreWritten() {
    for shape in BatchShape.allCases {
      for compression in Compression.allCases {
        let sample = SampleBatch(shape.entries, compression: compression)
        let sectors = stride(from: Layout.sector, to: sample.framed.count, by: Layout.sector)
        let expected = sectors.count { start in
          sample.framed[start..<start + Layout.sector].array
            .reduce(0) { $0 + $1.nonzeroBitCount } <= 1
        }
        #expect(sample.frame.blankSectors == expected)
      }
    }
    let zeros = SampleBatch(
      SampleBatch.entries([Bytes([UInt8](repeating: 0, count: 10_000))]), compression: .none)
    // Bytes 128 to 10128 are zero: sectors 1 to 18.
    #expect(zeros.frame.blankSectors == 18)
  }

  // MARK: Hostile bytes

  /// A field falsified, and the checksum put right with the salt.
  private func falsified<T: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: Bytes, at offset: Int, with value: T
  ) -> Bytes {
    var salt = ByteWriter(capacity: 8)
    salt.u64(Sample.salt)
    let seed = salt.finish().checksum
    return bytes.replacing(at: offset, with: value)
      .sealed(at: 4, covering: 8..<Layout.frame, seed: seed)
  }

  @Test func whatIsNoFrameSaysSo() {
    #expect(refusal { try decode(Bytes()) } == .truncated)
    let sample = SampleBatch(BatchShape.one.entries, compression: .none).framed
    for count in [1, 4, 63] { #expect(refusal { try decode(sample[0..<count]) } == .truncated) }
    #expect(refusal { try decode(Bytes([UInt8](repeating: 0, count: 64))) } == .badMagic)
    #expect(refusal { try decode(falsified(sample, at: 0, with: UInt32(1))) } == .badMagic)
  }

  @Test func aBodyLongerThanAnyIsRefused() {
    let sample = SampleBatch(BatchShape.one.entries, compression: .none).framed
    for bytes in [UInt32.max, UInt32(Layout.bodyBytesMax) + 1] {
      #expect(refusal { try decode(falsified(sample, at: 12, with: bytes)) } == .inconsistent)
    }
    #expect(refusal { try decode(falsified(sample, at: 12, with: UInt32(77))) } == nil)
  }

  @Test func fieldsThatContradictEachOtherAreRefused() {
    let wrong = [
      Self.frame(.marker, ordinal: 0, durableOrdinal: 0),
      Self.frame(.marker, ordinal: 4, durableOrdinal: 4),
      Self.frame(.marker, ordinal: 4, durableOrdinal: .max),
      Self.frame(.batch),
      Self.frame(.truncation),
    ]
    for frame in wrong {
      let bytes = frame.encoded(seed: Self.seed).bytes
      #expect(refusal { try decode(bytes) } == .inconsistent, "\(frame)")
    }
    let marker = Self.frame(.marker).encoded(seed: Self.seed).bytes
    #expect(refusal { try decode(falsified(marker, at: 12, with: UInt32(64))) } == .inconsistent)
  }
}
