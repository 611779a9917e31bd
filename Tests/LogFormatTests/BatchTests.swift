// BatchTests: a batch comes back as it went, or says that it does not.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

struct BatchTests {
  // MARK: Round trips

  @Test(arguments: Compression.allCases, BatchShape.allCases)
  func aBatchComesBackAsItWent(_ compression: Compression, _ shape: BatchShape) throws {
    let sample = SampleBatch(shape.entries, compression: compression)
    let batch = try sample.batch
    try batch.verify()
    #expect(try batch.entries() == sample.entries)
    #expect(batch.header.group == Sample.group)
    #expect(batch.header.indices == 41...sample.entries.last!.index)
    #expect(batch.header.firstTerm == sample.entries[0].term)
    #expect(batch.header.rawBytes == sample.entries.reduce(0) { $0 + $1.payload.count })
    #expect(batch.header.bodyBytes == sample.body.count)
    #expect(batch.bytes == sample.body)
    let rows = try batch.rows()
    #expect(rows.map(\.term) == sample.entries.map(\.term))
    #expect(rows.map(\.kind) == sample.entries.map(\.kind))
    #expect(rows.map(\.length) == sample.entries.map(\.payload.count))
    #expect(rows.map(\.checksum) == sample.entries.map(\.payload.checksum))
  }

  @Test func compressionIsWhatWasAskedFor() throws {
    func codec(_ payload: Bytes, _ compression: Compression) throws -> Codec {
      try SampleBatch(SampleBatch.entries([payload]), compression: compression).batch.header.codec
    }
    #expect(try codec(Sample.text(10_000), .none) == .none)
    #expect(try codec(Sample.text(10_000), .automatic) == .lz4)
    #expect(try codec(Sample.text(10_000), .lz4) == .lz4)
    // Below 4 KiB only where it is asked for.
    #expect(try codec(Sample.text(4095), .automatic) == .none)
    #expect(try codec(Sample.text(4096), .automatic) == .lz4)
    #expect(try codec(Sample.text(4095), .lz4) == .lz4)
    // What does not get smaller is stored as it is.
    #expect(try codec(Sample.noise(10_000), .automatic) == .none)
    #expect(try codec(Sample.noise(10_000), .lz4) == .none)
    #expect(try codec(Bytes(), .lz4) == .none)
    #expect(try codec(Bytes([1]), .lz4) == .none)
  }

  @Test func automaticCompressionSavesAtLeastAnEighth() throws {
    // Ever more noise in front of the text: somewhere the gain falls below an eighth.
    var codecs: Set<Codec> = []
    for noise in stride(from: 0, through: 10_000, by: 500) {
      let payload = Bytes(Sample.noise(noise).array + Sample.text(10_000 - noise).array)
      let header = try SampleBatch(
        SampleBatch.entries([payload]), compression: .automatic
      ).batch.header
      codecs.insert(header.codec)
      if header.codec == .lz4 { #expect(header.storedBytes <= header.rawBytes * 7 / 8) }
      let always = try SampleBatch(SampleBatch.entries([payload]), compression: .lz4).batch.header
      if always.codec == .lz4, always.storedBytes <= always.rawBytes * 7 / 8 {
        #expect(header.codec == .lz4, "\(noise) bytes of noise")
      }
    }
    #expect(codecs == [.none, .lz4])
  }

  @Test(arguments: [Compression.none, .lz4])
  func aRangeOfEntriesIsClamped(_ compression: Compression) throws {
    let sample = SampleBatch(BatchShape.text.entries, compression: compression)
    let batch = try sample.batch
    #expect(try batch.entries(in: 43...44) == Array(sample.entries[2...3]))
    #expect(try batch.entries(in: 1...41) == Array(sample.entries[...0]))
    #expect(try batch.entries(in: 48...LogIndex.max) == Array(sample.entries[7...]))
    #expect(try batch.entries(in: 1...40) == [])
    #expect(try batch.entries(in: 49...60) == [])
  }

  @Test func payloadsOfARawBatchAreNotCopied() throws {
    let sample = SampleBatch(BatchShape.noise.entries, compression: .none)
    func address(_ bytes: Bytes) -> UInt {
      unsafe bytes.span.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    }
    let base = address(sample.body)
    for entry in try sample.batch.entries() {
      #expect(address(entry.payload) > base)
      #expect(address(entry.payload) < base + UInt(sample.body.count))
    }
  }

  @Test func theSizeIsKnownBefore() {
    for count in [0, 1, 3955, 3956, 3957, 8000, 100_000] {
      let sample = SampleBatch(SampleBatch.entries([Sample.noise(count)]), compression: .none)
      #expect(BatchBuilder.framedBytes(payload: count) == sample.framed.count)
    }
    var builder = BatchBuilder(group: Sample.group, firstIndex: 1)
    for i in 0..<50 { builder.append(Sample.noise(i * 20).span, kind: .data, term: 1) }
    let promised = builder.framedBytes
    let frame = Frame(
      kind: .batch, ordinal: 1, durableOrdinal: 0, manifestEdit: 0, previousChecksum: 0)
    let framed = builder.finish(.none).framed(frame, seed: FrameSeed(salt: 1))
    #expect(framed.bytes.count == promised)
  }

  // MARK: The builder's limits

  @Test func aBatchTakesOnlyWhatTheFormatHolds() {
    var builder = BatchBuilder(group: Sample.group, firstIndex: 1)
    let anything = builder.fits(payload: Layout.entryBytesMax, term: .max, limit: 10)
    // The first entry always fits: somewhere it has to go.
    #expect(anything)
    builder.append(Bytes("12345").span, kind: .data, term: 10)
    let atLimit = builder.fits(payload: 5, term: 10, limit: 10)
    let overLimit = builder.fits(payload: 6, term: 10, limit: 10)
    let overFormat = builder.fits(payload: Layout.entryBytesMax, term: 10, limit: .max)
    let farTerm = builder.fits(payload: 1, term: 10 + 0xFF_FFFF, limit: 10)
    let tooFarTerm = builder.fits(payload: 1, term: 10 + 0x100_0000, limit: 10)
    #expect(atLimit && !overLimit && !overFormat && farTerm && !tooFarTerm)
    let next = builder.nextIndex
    #expect(next == 2)
  }

  @Test func fallingTermsTrap() async {
    await #expect(processExitsWith: .failure) {
      var builder = BatchBuilder(group: UID(high: 1, low: 1), firstIndex: 1)
      builder.append(Bytes("a").span, kind: .data, term: 2)
      builder.append(Bytes("b").span, kind: .data, term: 1)
    }
  }

  @Test func termRunsNameEachChange() {
    var builder = BatchBuilder(group: Sample.group, firstIndex: 41)
    for term in [4, 4, 5, 9, 9] as [Term] { builder.append(Bytes().span, kind: .noop, term: term) }
    let framed = builder.finish(.none)
    let runs = framed.termRuns
    let last = framed.lastIndex
    #expect(
      runs == [
        TermRun(firstIndex: 41, term: 4), TermRun(firstIndex: 43, term: 5),
        TermRun(firstIndex: 44, term: 9),
      ])
    #expect(last == 45)
  }

  @Test(arguments: [Compression.none, .lz4])
  func anAdoptedBodyIsTheSameBody(_ compression: Compression) throws {
    let sample = SampleBatch(BatchShape.mixed.entries, compression: compression)
    let adopted = try FramedBatch(adopting: try sample.batch)
    let runs = adopted.termRuns
    #expect(runs == [TermRun(firstIndex: 41, term: 1), TermRun(firstIndex: 44, term: 9)])
    let frame = Frame(
      kind: .batch, ordinal: 8, durableOrdinal: 0, manifestEdit: 1, previousChecksum: 1)
    let written = adopted.framed(frame, seed: FrameSeed(salt: 77))
    let end = Layout.frame + written.frame.bodyBytes
    #expect(written.bytes[Layout.frame..<end] == sample.body)
    #expect(written.frame.bodyChecksum == sample.frame.bodyChecksum)
    #expect(written.frame.blankSectors == sample.frame.blankSectors)
  }

  // MARK: Flipped bits

  @Test(arguments: [Compression.none, .lz4])
  func everyFlippedBitOfABodyIsNoticed(_ compression: Compression) throws {
    let sample = SampleBatch(BatchShape.mixed.entries, compression: compression)
    #expect(try sample.batch.header.codec == (compression == .none ? .none : .lz4))
    let unnoticed = sample.body.unnoticedFlips { bytes in
      refusal { try Batch(bytes).verify() } != nil
    }
    #expect(unnoticed == [])
  }

  /// Readers ask for entries without verifying the whole; that must not let anything through.
  @Test(arguments: [Compression.none, .lz4])
  func noFlippedBitReachesAReader(_ compression: Compression) {
    let sample = SampleBatch(BatchShape.mixed.entries, compression: compression)
    let unnoticed = sample.body.unnoticedFlips { bytes in
      guard let entries = try? Batch(bytes).entries() else { return true }
      return entries == sample.entries
    }
    #expect(unnoticed == [])
  }

  @Test func eachChecksumGuardsItsPart() throws {
    let sample = SampleBatch(BatchShape.noise.entries, compression: .none)
    let header = try sample.batch.header
    let table = Layout.bodyHeader + header.storedBytes
    for offset in [0, 4, 8, 24, 63] {
      #expect(refusal { try Batch(sample.body.flipped(at: offset)) } == .badChecksum)
    }
    for offset in [Layout.bodyHeader, table - 1] {
      let rotten = try Batch(sample.body.flipped(at: offset))
      #expect(refusal { try rotten.verifyChecksums() } == .badChecksum)
      // Index, term and checksum of each entry survive: that is what repair asks the peers with.
      #expect(try rotten.rows() == sample.batch.rows())
    }
    for offset in [table, sample.body.count - 1] {
      let rotten = try Batch(sample.body.flipped(at: offset))
      #expect(rotten.header == header)
      #expect(refusal { try rotten.rows() } == .badChecksum)
      #expect(refusal { try rotten.verifyChecksums() } == .badChecksum)
    }
  }

  @Test func rotInOnePayloadLeavesTheOthersReadable() throws {
    let sample = SampleBatch(BatchShape.noise.entries, compression: .none)
    // Within the third payload.
    let rotten = try Batch(sample.body.flipped(at: Layout.bodyHeader + 700 + 701 + 10))
    for entry in sample.entries {
      let read = { try rotten.entries(in: entry.index...entry.index) }
      if entry.index == 43 {
        #expect(refusal(read) == .badChecksum)
      } else {
        #expect(try read() == [entry])
      }
    }
  }

  // MARK: Hostile bytes

  /// A header whose field was falsified, and its checksum put right.
  private func falsified<T: FixedWidthInteger & BitwiseCopyable>(
    _ body: Bytes, at offset: Int, with value: T
  ) -> Bytes {
    body.replacing(at: offset, with: value).sealed(at: 0, covering: 4..<Layout.bodyHeader)
  }

  @Test func everyLengthIsBoundedBeforeItIsBelieved() throws {
    let body = SampleBatch(BatchShape.text.entries, compression: .lz4).body
    for offset in [40, 44, 48] {
      #expect(refusal { try Batch(falsified(body, at: offset, with: UInt32.max)) } == .outOfRange)
    }
    #expect(refusal { try Batch(falsified(body, at: 40, with: UInt32(0))) } == .outOfRange)
    let tooMany = UInt32(Layout.batchEntriesMax + 1)
    #expect(refusal { try Batch(falsified(body, at: 40, with: tooMany)) } == .outOfRange)
    let tooLarge = UInt32(Layout.entryBytesMax + 1)
    #expect(refusal { try Batch(falsified(body, at: 44, with: tooLarge)) } == .outOfRange)
    // Within the bounds, but more than there is.
    let most = UInt32(Layout.batchEntriesMax)
    #expect(refusal { try Batch(falsified(body, at: 40, with: most)) } == .truncated)
  }

  @Test func aRawPayloadIsAsLongAsItIsStored() throws {
    let raw = SampleBatch(BatchShape.text.entries, compression: .none).body
    let count = try Batch(raw).header.rawBytes
    #expect(refusal { try Batch(falsified(raw, at: 44, with: UInt32(count + 1))) } == .outOfRange)
    let packed = SampleBatch(BatchShape.text.entries, compression: .lz4).body
    let larger = falsified(packed, at: 48, with: UInt32(count + 1))
    #expect(refusal { try Batch(larger) } == .outOfRange)
  }

  @Test func indicesStayBelowTheLimit() {
    let body = SampleBatch(BatchShape.one.entries, compression: .none).body
    #expect(refusal { try Batch(falsified(body, at: 24, with: UInt64(0))) } == .outOfRange)
    #expect(refusal { try Batch(falsified(body, at: 24, with: UInt64.max)) } == .outOfRange)
    #expect(
      refusal { try Batch(falsified(body, at: 24, with: Layout.indexMax + 1)) } == .outOfRange)
    #expect(refusal { try Batch(falsified(body, at: 24, with: Layout.indexMax - 1)) } == nil)
  }

  @Test func whatANewerProgramWroteIsUnsupported() {
    let body = SampleBatch(BatchShape.one.entries, compression: .none).body
    #expect(refusal { try Batch(falsified(body, at: 4, with: UInt8(2))) } == .unsupported)
    #expect(refusal { try Batch(falsified(body, at: 5, with: UInt8(1))) } == .unsupported)
    #expect(refusal { try Batch(falsified(body, at: 6, with: UInt16(1))) } == .unsupported)
    #expect(refusal { try Batch(falsified(body, at: 60, with: UInt32(1))) } == .unsupported)
  }

  @Test func everyShorterBodyIsTruncated() {
    let body = SampleBatch(BatchShape.someEmpty.entries, compression: .none).body
    for count in 0..<body.count {
      #expect(refusal { try Batch(body[0..<count]) } == .truncated, "\(count) bytes")
    }
  }

  /// With one row of the table changed, and all checksums put right.
  private func falsifiedRow(
    _ shape: BatchShape, _ row: Int, at offset: Int, with value: UInt32,
    compression: Compression = .none
  ) throws -> Batch {
    let sample = SampleBatch(shape.entries, compression: compression)
    let header = try sample.batch.header
    let table = Layout.bodyHeader + header.storedBytes
    let changed = sample.body
      .replacing(at: table + row * Layout.tableRow + offset, with: value)
      .sealed(at: 56, covering: table..<sample.body.count)
    return try Batch(changed.sealed(at: 0, covering: 4..<Layout.bodyHeader))
  }

  @Test func aTableThatContradictsItselfIsRefused() throws {
    let kind: UInt32 = 1
    // The first row's term is the header's; terms never fall; lengths add up.
    let laterFirst = try falsifiedRow(.termChanges, 0, at: 0, with: 1 << 8 | kind)
    #expect(refusal { try laterFirst.rows() } == .inconsistent)
    let falling = try falsifiedRow(.termChanges, 3, at: 0, with: 0 << 8 | kind)
    #expect(refusal { try falling.rows() } == .inconsistent)
    for length in [0, 2, UInt32.max] {
      let wrong = try falsifiedRow(.termChanges, 1, at: 4, with: length)
      #expect(refusal { try wrong.rows() } == .inconsistent)
      #expect(refusal { try wrong.entries() } == .inconsistent)
    }
    let wrongSum = try falsifiedRow(.termChanges, 1, at: 8, with: 0)
    #expect(refusal { try wrongSum.entries() } == .badChecksum)
    #expect(refusal { try wrongSum.entries(in: 41...41) } == nil)
  }

  @Test func termsThatWrapAroundAreRefused() throws {
    let sample = SampleBatch(BatchShape.termChanges.entries, compression: .none)
    #expect(refusal { try Batch(falsified(sample.body, at: 32, with: Term.max)) } == .outOfRange)
  }

  @Test func aLieAboutTheRawLengthIsNotDecompressed() throws {
    let entries = SampleBatch.entries([Sample.text(5000)])
    let sample = SampleBatch(entries, compression: .lz4)
    let header = try sample.batch.header
    #expect(header.codec == .lz4)
    let table = Layout.bodyHeader + header.storedBytes
    for length in [4999, 5001, UInt32(Layout.entryBytesMax)] {
      let lying = sample.body
        .replacing(at: table + 4, with: length)
        .sealed(at: 56, covering: table..<sample.body.count)
        .replacing(at: 44, with: length)
        .sealed(at: 0, covering: 4..<Layout.bodyHeader)
      let batch = try Batch(lying)
      #expect(try batch.rows().map(\.length) == [Int(length)])
      #expect(refusal { try batch.entries() } == .inconsistent, "\(length) bytes")
    }
  }

  @Test func rottenCompressedBytesNeverReachTheDecompressor() throws {
    let sample = SampleBatch(SampleBatch.entries([Sample.text(5000)]), compression: .lz4)
    let rotten = try Batch(sample.body.flipped(at: Layout.bodyHeader))
    #expect(refusal { try rotten.entries() } == .badChecksum)
    // With the checksum put right too, the decompressor itself has to hold its bounds.
    var generator = SeededGenerator(seed: 11)
    let stored = try sample.batch.header.storedBytes
    let payload = Layout.bodyHeader..<Layout.bodyHeader + stored
    for _ in 0..<300 {
      let offset = payload.lowerBound + generator.below(stored)
      let hostile = sample.body
        .replacing(at: offset, with: UInt8(truncatingIfNeeded: generator.next()))
        .sealed(at: 52, covering: payload)
        .sealed(at: 0, covering: 4..<Layout.bodyHeader)
      guard let entries = try? Batch(hostile).entries() else { continue }
      // Whatever it decompresses to is the payload, or its own checksum refuses it.
      #expect(entries == sample.entries)
    }
  }
}
