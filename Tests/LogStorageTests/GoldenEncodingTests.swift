// GoldenEncodingTests: fixed values have the bytes that version 1 gave them, in both directions.
//
// What must always hold: the bytes here were not taken from this encoder. A second implementation,
// in another language and after Docs/Format.md, made them; they hold the document to its word, too.

import ByteBuffers
import LogFormat
import Recovery
import Testing

@Suite struct GoldenEncodingTests {
  private static let group = UID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
  private static let incarnation = UID(high: 0x0F1E_2D3C_4B5A_6978, low: 0x8796_A5B4_C3D2_E1F0)
  private static let salt: UInt64 = 0x5A17_5A17_0000_0001
  private static let seed = FrameSeed(salt: salt)

  private static func header(
    _ purpose: SegmentPurpose, uid: UInt64, sequence: UInt64, firstIndex: LogIndex, term: Term
  ) -> SegmentHeader {
    SegmentHeader(
      purpose: purpose, group: group, uid: UID(high: uid, low: uid + 1),
      salt: salt + sequence - 12, sequence: sequence, firstIndex: firstIndex, previousTerm: term)
  }

  private static let sealed = header(.roll, uid: 0xA1, sequence: 12, firstIndex: 101, term: 5)
  private static let cut = header(.copyForward, uid: 0xB1, sequence: 13, firstIndex: 151, term: 6)
  private static let active = header(.roll, uid: 0xC1, sequence: 14, firstIndex: 151, term: 6)

  /// Bytes as hexadecimal words; `00..4096` stands for zeros up to byte 4096.
  private func bytes(_ text: String) throws -> Bytes {
    var bytes: [UInt8] = []
    for word in text.split(whereSeparator: \.isWhitespace) {
      if let dots = word.firstIndex(of: ".") {
        let end = try #require(Int(word[dots...].drop { $0 == "." }))
        let value = try #require(UInt8(word[..<dots], radix: 16))
        bytes += [UInt8](repeating: value, count: end - bytes.count)
        continue
      }
      var digits = word
      while !digits.isEmpty {
        bytes.append(try #require(UInt8(digits.prefix(2), radix: 16)))
        digits = digits.dropFirst(2)
      }
    }
    return Bytes(bytes)
  }

  /// Sixteen bytes a row, so that a difference is seen where it is.
  private func rows(_ bytes: Bytes) -> [String] {
    stride(from: 0, to: bytes.count, by: 16).map { start in
      let row = bytes[start..<min(start + 16, bytes.count)].array
      return "\(start): " + row.map { Hex.string($0) }.joined(separator: " ")
    }
  }

  // MARK: Segments

  @Test func aSegmentHeader() throws {
    let golden = try bytes(
      """
      524c5345 474d5401 6bf76128 01000000 00000000 00000000 00000000 01000000 efcdab89
      67452301 10325476 98badcfe b1000000 00000000 b2000000 00000000 02000000 175a175a
      0d000000 00000000 97000000 00000000 06 00..4096
      """)
    #expect(rows(Self.cut.encoded()) == rows(golden))
    #expect(try SegmentHeader(decoding: golden.span) == Self.cut)
  }

  private static let entries = [
    Entry(index: 41, term: 7, kind: .data, payload: Bytes("hello")),
    Entry(index: 42, term: 7, kind: .noop, payload: Bytes()),
    Entry(index: 43, term: 8, kind: .configuration, payload: [13, 10, 0]),
    Entry(
      index: 44, term: 8, kind: EntryKind(rawValue: 200),
      payload: Bytes([UInt8](repeating: 0, count: 1000))),
  ]

  /// Every field of a frame that is not zero by rule, and a batch behind it that is not compressed.
  @Test func aBatch() throws {
    let golden = try bytes(
      """
      524c4631 5e35acf1 01010000 60040000 03000000 02000000 09000000 00000000 01efcdab
      97663349 01000000 01000000 29000000 00000000 00000000 00000000 97663349 00000000
      efcdab89 67452301 10325476 98badcfe 29000000 00000000 07000000 00000000 04000000
      f0030000 f0030000 612ed900 08c14154 00000000 68656c6c 6f0d0a 00..1136 01000000
      05000000 4cbb719a 02000000 00000000 00000000 03010000 03000000 8d58fbd9 c8010000
      e8030000 57da4dd8 a5..4096
      """)
    var builder = BatchBuilder(group: Self.group, firstIndex: 41)
    for entry in Self.entries {
      builder.append(entry.payload.span, kind: entry.kind, term: entry.term)
    }
    let frame = Frame(
      kind: .batch, ordinal: 3, durableOrdinal: 2, manifestEdit: 9, previousChecksum: 0xABCD_EF01,
      skip: 1, truncateAfter: 41)
    let written = builder.finish(.none).framed(frame, seed: Self.seed)
    #expect(rows(written.bytes) == rows(golden))

    let decoded = try Frame(decoding: golden.span, seed: Self.seed)
    #expect(decoded == written.frame)
    #expect(decoded.blankSectors == 1)
    let batch = try Batch(golden[Layout.frame..<Layout.frame + decoded.bodyBytes])
    try batch.verify()
    #expect(try batch.entries() == Self.entries)
  }

  @Test func aMarker() throws {
    let golden = try bytes(
      """
      524c4631 c553e9db 02000000 00000000 04000000 03000000 09000000 00000000 02efcdab
      00..64 a5..4096
      """)
    let frame = Frame(
      kind: .marker, ordinal: 4, durableOrdinal: 3, manifestEdit: 9, previousChecksum: 0xABCD_EF02)
    let written = frame.encoded(seed: Self.seed)
    #expect(rows(written.bytes) == rows(golden))
    #expect(try Frame(decoding: golden.span, seed: Self.seed) == written.frame)
  }

  @Test func aTruncation() throws {
    let golden = try bytes(
      """
      524c4631 f69a2e99 03010000 00000000 05000000 03000000 0a000000 00000000 03efcdab
      00000000 00000000 00000000 2a000000 00000000 00000000 00000000 a5..4096
      """)
    let frame = Frame(
      kind: .truncation, ordinal: 5, durableOrdinal: 3, manifestEdit: 10,
      previousChecksum: 0xABCD_EF03, truncateAfter: 42)
    let written = frame.encoded(seed: Self.seed)
    #expect(rows(written.bytes) == rows(golden))
    #expect(try Frame(decoding: golden.span, seed: Self.seed) == written.frame)
  }

  /// Only decoded: a later liblz4 may find other bytes for the same payloads.
  @Test func aCompressedBatch() throws {
    let golden = try bytes(
      """
      239ef827 01000000 efcdab89 67452301 10325476 98badcfe 32000000 00000000 09000000
      00000000 02000000 19000000 0d000000 b9a6e01f 10aee2fe 00000000 4c616263 64040050
      65666768 69010000 00140000 00b3806b c0010000 00050000 007a9034 5f
      """)
    let batch = try Batch(golden)
    try batch.verify()
    #expect(batch.header.codec == .lz4)
    #expect(
      try batch.entries() == [
        Entry(index: 50, term: 9, payload: Bytes("abcdabcdabcdabcdabcd")),
        Entry(index: 51, term: 9, payload: Bytes("efghi")),
      ])
  }

  @Test func aFooter() throws {
    let golden = try bytes(
      """
      524c464f 4f545201 1ceeef15 02000000 02000000 37ab939b 00400000 00000000 03000000
      03eeffc0 96000000 00000000 06000000 00000000 01576ed1 00000000 92f0cb60 01000000
      00000000 00000000 00000000 00000000 efcdab89 67452301 10325476 98badcfe a1000000
      00000000 a2000000 00000000 01000000 175a175a 0c000000 00000000 65000000 00000000
      05000000 00000000 00000000 00000000 00000000 00000000 65000000 00000000 05000000
      00000000 82000000 00000000 06000000 00000000 01000000 01000000 00000000 1d000000
      03000000 03000000 1d000000 15 00..4081 40000000 000000f0 b59ff652 4c5431
      """)
    let footer = SegmentFooter(
      offset: 16_384, lastOrdinal: 3, lastChecksum: 0xC0FF_EE03, lastIndex: 150, lastTerm: 6,
      digest: 0xD16E_5701, termRuns: Self.end.termRuns,
      batches: [
        BatchLocation(offset: 4096, ordinal: 1, firstIndex: 101, lastIndex: 129),
        BatchLocation(offset: 12_288, ordinal: 3, firstIndex: 130, lastIndex: 150),
      ])
    #expect(rows(footer.encoded(header: Self.sealed)) == rows(golden))
    #expect(try SegmentFooter.offset(trailer: golden.span) == 16_384)
    #expect(try SegmentFooter(decoding: golden.span, header: Self.sealed) == footer)
  }

  // MARK: The manifest

  private static let end = SegmentEnd(
    ordinal: 3, offset: 16_384, index: 150, term: 6, checksum: 0xC0FF_EE03,
    termRuns: [TermRun(firstIndex: 101, term: 5), TermRun(firstIndex: 130, term: 6)])
  private static let emptyEnd = SegmentEnd(
    ordinal: 0, offset: 4096, index: 150, term: 6, checksum: cut.checksum, termRuns: [])
  private static let seal = SegmentSeal(size: 20_480, digest: 0xD16E_5701)

  /// A segment of each kind: sealed, cut, and being written.
  private static var state: ManifestState {
    var state = ManifestState(group: group, incarnation: incarnation)
    state.firstIndex = 120
    state.previousTerm = 5
    state.boots = [Boot(counter: 41, random: 0xB007), Boot(counter: 42, random: 0xB008)]
    var first = SegmentRecord(header: sealed, capacity: 1 << 20, durableThrough: 3)
    first.end = end
    first.seal = seal
    var second = SegmentRecord(header: cut, capacity: 28_672, durableThrough: 1)
    second.end = emptyEnd
    second.isCut = true
    state.segments = [first, second]
    state.segments.append(SegmentRecord(header: active, capacity: 65_536, durableThrough: 2))
    state.dropped = [SegmentName(sequence: 11, firstIndex: 90)]
    state.isClosed = true
    return state
  }

  @Test func aManifest() throws {
    let golden = try bytes(
      """
      524c4d41 4e494601 6e86f5f8 01000000 00000000 00000000 00000000 00000000 efcdab89
      67452301 10325476 98badcfe 78695a4b 3c2d1e0f f0e1d2c3 b4a59687 1e 00..512
      524c4531 0b6f080a b7010000 6e86f5f8 1e000000 00000000 01efcdab 89674523 01103254
      7698badc fe78695a 4b3c2d1e 0ff0e1d2 c3b4a596 87022900 00000000 000007b0 00000000
      0000022a 00000000 00000008 b0000000 00000007 78000000 00000000 05000000 00000000
      04a10000 00000000 00a20000 00000000 000c0000 00000000 00010000 00175a17 5a650000
      00000000 00050000 00000000 0092f0cb 60000000 10000000 00000300 00000303 00000000
      40000000 00000096 00000000 00000006 00000000 00000003 eeffc002 00000065 00000000
      00000005 00000000 00000082 00000000 00000006 00000000 00000000 50000000 00000001
      576ed104 b1000000 00000000 b2000000 00000000 0d000000 00000000 02000000 175a175a
      97000000 00000000 06000000 00000000 6bf76128 01007000 00000000 00010000 00050000
      00000010 00000000 00009600 00000000 00000600 00000000 00006bf7 61280000 000004c1
      00000000 000000c2 00000000 0000000e 00000000 00000003 00000017 5a175a97 00000000
      00000006 00000000 0000006a f7c40200 00000100 00000000 02000000 00090b00 00000000
      00005a00 00000000 000003c1 00000000 000000c2 00000000 00000002 000000 a5..1024
      00..4096
      """)
    let image = ManifestImage(state: Self.state, number: 30, room: 0)
    #expect(rows(image.bytes) == rows(golden))
    let scan = try ManifestCopy.scan(golden)
    #expect(scan.state == Self.state)
    #expect(scan.number == 30 && scan.isClean && scan.isWritable)
  }

  /// The changes that a rewritten manifest does not begin with.
  @Test func anEdit() throws {
    let golden = try bytes(
      """
      524c4531 9daf0769 cb000000 0df0feca 1f000000 00000000 05a10000 00000000 00a20000
      00000000 00030000 00004000 00000000 00960000 00000000 00060000 00000000 0003eeff
      c0020000 00650000 00000000 00050000 00000000 00820000 00000000 00060000 00000000
      000005b1 00000000 000000b2 00000000 00000000 00000000 10000000 00000096 00000000
      00000006 00000000 0000006b f7612800 00000001 06a10000 00000000 00a20000 00000000
      00005000 00000000 0001576e d108a100 00000000 0000a200 00000000 00000a0b 00000000
      0000005a 00000000 000000 a5..512
      """)
    let edit = ManifestEdit(
      number: 31,
      changes: [
        .ended(Self.sealed.uid, Self.end, isCut: false),
        .ended(Self.cut.uid, Self.emptyEnd, isCut: true),
        .sealed(Self.sealed.uid, Self.seal),
        .dropped(Self.sealed.uid),
        .forgotten(SegmentName(sequence: 11, firstIndex: 90)),
      ])
    #expect(rows(edit.encoded(previousChecksum: 0xCAFE_F00D).bytes) == rows(golden))
    let decoded = try ManifestEdit.decode(golden.span)
    #expect(decoded.edit == edit)
    #expect(decoded.previousChecksum == 0xCAFE_F00D)
  }

  // MARK: The hard state

  @Test func aVote() throws {
    let golden = try bytes(
      """
      524c564f 54450001 827a3b20 01000000 0c000000 00000000 07000000 00000000 03000000
      00000000 01000000 00000000 78695a4b 3c2d1e0f f0e1d2c3 b4a59687 efcdab89 67452301
      10325476 98badcfe 00..512
      """)
    let file = VoteFile(
      generation: 12, state: HardState(term: 7, vote: 3), incarnation: Self.incarnation,
      group: Self.group)
    #expect(rows(file.encoded()) == rows(golden))
    #expect(try VoteFile(decoding: golden.span) == file)
  }

  @Test func aTermWithoutAVote() throws {
    let golden = try bytes(
      """
      524c564f 54450001 67ba8360 01000000 0d000000 00000000 08000000 00000000 00000000
      00000000 00000000 00000000 78695a4b 3c2d1e0f f0e1d2c3 b4a59687 efcdab89 67452301
      10325476 98badcfe 00..512
      """)
    let file = VoteFile(
      generation: 13, state: HardState(term: 8), incarnation: Self.incarnation, group: Self.group)
    #expect(rows(file.encoded()) == rows(golden))
    #expect(try VoteFile(decoding: golden.span) == file)
  }
}
