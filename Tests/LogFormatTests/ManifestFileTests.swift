// ManifestFileTests: edits come back as they went, chained and checked; what is not one is refused.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

struct ManifestFileTests {
  /// A record with each combination of what it may hold.
  private static let records: [SegmentRecord] = (0..<8).map { i in
    var record = SegmentRecord(
      header: Sample.header(purpose: SegmentPurpose(rawValue: UInt8(i % 4))!), capacity: 1 << 20,
      durableThrough: UInt32(i))
    if i & 1 != 0 { record.end = Sample.end(UInt32(i), index: 150) }
    if i & 2 != 0 { record.seal = SegmentSeal(size: 8192 * i, digest: 0xBEEF_0000 + UInt32(i)) }
    record.isCut = i & 4 != 0
    return record
  }

  /// A change of every kind.
  private static let changes: [ManifestChange] =
    [
      .identity(group: Sample.group, incarnation: Sample.incarnation),
      .opened(Boot(counter: 3, random: 0xB007)),
      .closed(UID(high: 3, low: 4), ordinal: 17),
      .ended(UID(high: 3, low: 4), Sample.end(9, index: 130), isCut: false),
      .ended(UID(high: 3, low: 4), Sample.end(9, index: 130), isCut: true),
      .sealed(UID(high: 3, low: 4), SegmentSeal(size: 1 << 30, digest: 1)),
      .first(120, previousTerm: 6),
      .dropped(UID(high: 3, low: 4)),
      .droppedName(SegmentName(sequence: 4, firstIndex: 44)),
      .forgotten(SegmentName(sequence: 4, firstIndex: 44)),
    ] + records.map { .added($0) }

  private func encoded(_ changes: [ManifestChange], number: UInt64 = 30) -> Bytes {
    ManifestEdit(number: number, changes: changes).encoded(previousChecksum: 0xCAFE_F00D).bytes
  }

  private func decode(_ bytes: Bytes) throws -> ManifestEdit {
    try ManifestEdit.decode(bytes.span).edit
  }

  // MARK: Edits

  @Test(arguments: changes)
  func aChangeComesBackAsItWent(_ change: ManifestChange) throws {
    #expect(try decode(encoded([change])).changes == [change])
  }

  @Test(arguments: [0, 1, 4, changes.count])
  func anEditComesBackAsItWent(_ count: Int) throws {
    let edit = ManifestEdit(number: 30, changes: Array(Self.changes.prefix(count)))
    let written = edit.encoded(previousChecksum: 0xCAFE_F00D)
    let decoded = try ManifestEdit.decode(written.bytes.span)
    #expect(decoded.edit == edit)
    #expect(decoded.previousChecksum == 0xCAFE_F00D)
    #expect(decoded.checksum == written.checksum)
    #expect(decoded.extent == written.bytes.count)
    #expect(decoded.extent % Layout.sector == 0)
    // What follows an edit does not matter to it.
    let followed = Bytes(written.bytes.array + [UInt8](repeating: 0xEE, count: 100))
    #expect(try decode(followed) == edit)
  }

  @Test(arguments: [1, changes.count])
  func everyFlippedBitOfAnEditIsNoticedOrHarmless(_ count: Int) throws {
    let bytes = encoded(Array(Self.changes.prefix(count)))
    let edit = try decode(bytes)
    let end = 24 + Int(bytes.u32(at: 8))
    #expect(
      bytes.unnoticedFlips(in: 0..<end) { bytes in refusal { try decode(bytes) } != nil } == [])
    // Padding, up to the sector, is nobody's data.
    #expect(bytes.unnoticedFlips(in: end..<bytes.count) { (try? decode($0)) == edit } == [])
    #expect(bytes[end..<bytes.count].array.allSatisfy { $0 == Layout.padding })
  }

  @Test func anEditIsChainedToTheOneBefore() throws {
    let edit = ManifestEdit(number: 1, changes: [Self.changes[1]])
    let one = edit.encoded(previousChecksum: 1)
    let other = edit.encoded(previousChecksum: 2)
    #expect(one.checksum != other.checksum)
    #expect(try ManifestEdit.decode(one.bytes.span).previousChecksum == 1)
    #expect(try ManifestEdit.decode(other.bytes.span).previousChecksum == 2)
  }

  // MARK: Hostile edits

  /// An edit of one change, falsified at an offset of that change, with its checksum put right.
  private func falsified<T: FixedWidthInteger & BitwiseCopyable>(
    _ change: ManifestChange, at offset: Int, with value: T
  ) -> Bytes {
    let bytes = encoded([change])
    let end = 24 + Int(bytes.u32(at: 8))
    return bytes.replacing(at: 24 + offset, with: value).sealed(at: 4, covering: 8..<end)
  }

  @Test func anEditLongerThanAnyIsRefused() {
    let bytes = encoded(Self.changes)
    for count in [UInt32.max, UInt32(Layout.editBytesMax) + 1] {
      #expect(refusal { try decode(bytes.replacing(at: 8, with: count)) } == .outOfRange)
    }
    let most = UInt32(Layout.editBytesMax)
    #expect(refusal { try decode(bytes.replacing(at: 8, with: most)) } == .truncated)
  }

  /// A manifest is rewritten as one edit of the whole state: a large log's must fit by far.
  @Test func theWholeStateOfALargeLogFitsIntoOneEdit() throws {
    var state = ManifestState(group: UID(high: 1, low: 2), incarnation: UID(high: 3, low: 4))
    for i in 0..<200 as Range<UInt64> {
      let header = SegmentHeader(
        purpose: .roll, group: state.group, uid: UID(high: i, low: 1), salt: i, sequence: i + 1,
        firstIndex: i * 10 + 1, previousTerm: i)
      var record = SegmentRecord(header: header, capacity: 64 << 20)
      // Two changes of the leader a segment.
      let runs = [
        TermRun(firstIndex: i * 10 + 1, term: i), TermRun(firstIndex: i * 10 + 5, term: i + 1),
      ]
      record.end = SegmentEnd(
        ordinal: 9, offset: 4096, index: i * 10 + 10, term: i + 1, checksum: 5, termRuns: runs)
      record.seal = SegmentSeal(size: 8192, digest: 6)
      state.segments.append(record)
    }
    let active = SegmentHeader(
      purpose: .roll, group: state.group, uid: UID(high: 200, low: 1), salt: 9, sequence: 201,
      firstIndex: 2001, previousTerm: 200)
    state.segments.append(SegmentRecord(header: active, capacity: 64 << 20))
    try state.validate()
    try ManifestEdit.requireEncodable(state.changes)
    let edit = ManifestEdit(number: 1, changes: state.changes).encoded(previousChecksum: 0)
    // 16 TB in segments of 64 MiB.
    let segments = (16 << 40) / (64 << 20)
    #expect(edit.bytes.count / 200 * segments < Layout.editBytesMax)
  }

  @Test func everyShorterEditIsTruncated() {
    let bytes = encoded([Self.changes[0]])
    for count in 0..<24 + Int(bytes.u32(at: 8)) {
      #expect(refusal { try decode(bytes[0..<count]) } == .truncated, "\(count) bytes")
    }
  }

  @Test func aChangeThatEndsEarlyIsRefused() {
    for change in Self.changes {
      let bytes = encoded([change])
      let count = Int(bytes.u32(at: 8))
      for shorter in 1..<count {
        let cut = bytes.replacing(at: 8, with: UInt32(shorter))
          .sealed(at: 4, covering: 8..<24 + shorter)
        #expect(refusal { try decode(cut) } != nil, "\(shorter) bytes of \(change)")
      }
    }
  }

  @Test func aCountOfTermRunsIsNotBelieved() {
    // Kind, UID, ordinal, offset, index, term, checksum; then the count.
    let offset = 1 + 16 + 4 + 8 + 8 + 8 + 4
    #expect(refusal { try decode(falsified(Self.changes[3], at: offset, with: UInt32.max)) } != nil)
    #expect(refusal { try decode(falsified(Self.changes[3], at: offset, with: UInt32(2))) } == nil)
    #expect(
      refusal { try decode(falsified(Self.changes[3], at: offset, with: UInt32(3))) } == .truncated)
  }

  @Test func aKindThatNobodyKnowsIsUnsupported() {
    for kind in [0, 11, 127, 255] as [UInt8] {
      let bytes = falsified(Self.changes[1], at: 0, with: kind)
      #expect(refusal { try decode(bytes) } == .unsupported)
    }
  }

  @Test func sizesAreBounded() {
    let tooLarge = UInt64(Layout.segmentBytesMax) * 2 + 1
    for size in [tooLarge, UInt64.max] {
      #expect(
        refusal { try decode(falsified(Self.changes[5], at: 17, with: size)) } == .outOfRange)
      #expect(
        refusal { try decode(falsified(Self.changes[3], at: 21, with: size)) } == .outOfRange)
    }
  }

  @Test func aRecordOutOfRangeIsRefused() {
    let added = ManifestChange.added(Self.records[0])
    // Kind, UID, sequence, salt; first index, previous term, header checksum; purpose; capacity,
    // durable ordinal; flags.
    let (firstIndex, purpose, flags) = (33, 53, 66)
    #expect(refusal { try decode(falsified(added, at: firstIndex, with: UInt64(1))) } == nil)
    #expect(
      refusal { try decode(falsified(added, at: firstIndex, with: UInt64(0))) } == .inconsistent)
    #expect(refusal { try decode(falsified(added, at: firstIndex, with: UInt64.max)) } != nil)
    #expect(refusal { try decode(falsified(added, at: purpose, with: UInt8(3))) } == nil)
    #expect(refusal { try decode(falsified(added, at: purpose, with: UInt8(4))) } == .inconsistent)
    #expect(refusal { try decode(falsified(added, at: flags, with: UInt8(4))) } == nil)
    #expect(refusal { try decode(falsified(added, at: flags, with: UInt8(8))) } == .inconsistent)
    #expect(refusal { try decode(falsified(added, at: flags, with: UInt8(1))) } == .truncated)
  }

  // MARK: The header

  private static let header = ManifestHeader(
    group: Sample.group, incarnation: Sample.incarnation, firstNumber: 30)

  /// The header as it stands at the front of a file.
  private static let front: Bytes = {
    let state = ManifestState(group: Sample.group, incarnation: Sample.incarnation)
    return ManifestImage(state: state, number: 30, room: 0).bytes[0..<Layout.manifestHeader]
  }()

  private func decodeHeader(_ bytes: Bytes) throws -> ManifestHeader {
    try ManifestHeader(decoding: bytes.span)
  }

  private func falsifiedHeader<T: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, with value: T
  ) -> Bytes {
    Self.front.replacing(at: offset, with: value)
      .sealed(at: 8, covering: 12..<Layout.manifestHeader)
  }

  @Test func aHeaderComesBackAsItWent() throws {
    #expect(try decodeHeader(Self.front) == Self.header)
    #expect(Self.header.checksum == Self.front.u32(at: 8))
  }

  @Test func everyFlippedBitOfAHeaderIsNoticed() {
    let unnoticed = Self.front.unnoticedFlips { bytes in
      refusal { try decodeHeader(bytes) } != nil
    }
    #expect(unnoticed == [])
  }

  @Test func aHeaderSaysWhoMayReadIt() throws {
    #expect(refusal { try decodeHeader(falsifiedHeader(at: 12, with: UInt16(2))) } == .unsupported)
    #expect(refusal { try decodeHeader(falsifiedHeader(at: 12, with: UInt16(0))) } == .unsupported)
    for bit in 0..<32 {
      let incompatible = falsifiedHeader(at: 24, with: UInt32(1) << bit)
      #expect(refusal { try decodeHeader(incompatible) } == .unsupported)
      let readOnly = try decodeHeader(falsifiedHeader(at: 20, with: UInt32(1) << bit))
      #expect(readOnly.features.access(major: readOnly.major) == .readOnly)
      let compatible = try decodeHeader(falsifiedHeader(at: 16, with: UInt32(1) << bit))
      #expect(compatible.features.access(major: compatible.major) == .readWrite)
    }
    // An incompatible bit outweighs the others.
    let both = FeatureBits(compatible: 1, readOnlyCompatible: 1, incompatible: 1)
    #expect(both.access(major: FormatVersion.major) == .refuse)
    #expect(FeatureBits.known.access(major: FormatVersion.major) == .readWrite)
  }

  @Test func aShortHeaderIsTruncated() {
    for count in [0, 71, 511] {
      #expect(refusal { try decodeHeader(Self.front[0..<count]) } == .truncated)
    }
  }
}
