// SegmentHeaderTests: the first page of a segment, its versions, and the name of its file.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

struct SegmentHeaderTests {
  private func decode(_ bytes: Bytes) throws -> SegmentHeader {
    try SegmentHeader(decoding: bytes.span)
  }

  /// A field falsified, and the checksum put right.
  private func falsified<T: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, with value: T
  ) -> Bytes {
    Sample.header().encoded().replacing(at: offset, with: value)
      .sealed(at: 8, covering: 12..<Layout.segmentHeader)
  }

  @Test(arguments: SegmentPurpose.allCases)
  func aHeaderComesBackAsItWent(_ purpose: SegmentPurpose) throws {
    let header = Sample.header(purpose: purpose)
    let bytes = header.encoded()
    #expect(bytes.count == Layout.segmentHeader)
    let decoded = try decode(bytes)
    #expect(decoded == header)
    #expect(decoded.encoded() == bytes)
    #expect(decoded.checksum == bytes.u32(at: 8))
    #expect(decoded.purpose == purpose && decoded.salt == Sample.salt)
    #expect(decoded.previousIndex == 100 && decoded.previousTerm == 5)
    #expect(decoded.fileName == "0000000012-00000000000000000101.wal")
  }

  @Test func everyFlippedBitIsNoticed() {
    let unnoticed = Sample.header().encoded().unnoticedFlips { bytes in
      refusal { try decode(bytes) } != nil
    }
    #expect(unnoticed == [])
  }

  @Test func aShortHeaderIsTruncated() {
    let bytes = Sample.header().encoded()
    for count in [0, 8, 95, 4095] {
      #expect(refusal { try decode(bytes[0..<count]) } == .truncated)
    }
  }

  @Test func fieldsOutOfRangeAreRefused() {
    #expect(refusal { try decode(falsified(at: 28, with: UInt8(4))) } == .inconsistent)
    #expect(refusal { try decode(falsified(at: 80, with: UInt64(0))) } == .inconsistent)
    // Sums of an index and a count are taken unchecked: no index beyond the limit gets that far.
    #expect(refusal { try decode(falsified(at: 80, with: Layout.indexMax + 1)) } != nil)
    #expect(refusal { try decode(falsified(at: 80, with: UInt64.max)) } != nil)
    #expect(refusal { try decode(falsified(at: 96, with: UInt8(1))) } == .inconsistent)
    #expect(refusal { try decode(falsified(at: 4095, with: UInt8(1))) } == .inconsistent)
  }

  // MARK: Versions

  @Test(arguments: [0, 2, UInt16.max] as [UInt16])
  func anotherMajorVersionIsUnsupported(_ major: UInt16) {
    #expect(refusal { try decode(falsified(at: 12, with: major)) } == .unsupported)
  }

  @Test(arguments: 0..<32)
  func anUnknownIncompatibleBitIsUnsupported(_ bit: Int) {
    #expect(refusal { try decode(falsified(at: 24, with: UInt32(1) << bit)) } == .unsupported)
  }

  @Test(arguments: 0..<32)
  func anUnknownReadOnlyBitAllowsReading(_ bit: Int) throws {
    let header = try decode(falsified(at: 20, with: UInt32(1) << bit))
    #expect(header.features.access(major: header.major) == .readOnly)
  }

  @Test(arguments: 0..<32)
  func anUnknownCompatibleBitAllowsEverything(_ bit: Int) throws {
    let header = try decode(falsified(at: 16, with: UInt32(1) << bit))
    #expect(header.features.access(major: header.major) == .readWrite)
    #expect(header.features.compatible == UInt32(1) << bit)
  }

  /// A later minor version may use what is zero in this one.
  @Test func aLaterMinorVersionIsRead() throws {
    let bytes = falsified(at: 14, with: UInt16(3)).replacing(at: 200, with: UInt8(1))
      .sealed(at: 8, covering: 12..<Layout.segmentHeader)
    let header = try decode(bytes)
    #expect(header.minor == 3 && header.features.access(major: header.major) == .readWrite)
  }

  /// Damage to a version number must not look like a newer program's work.
  @Test func aFlippedVersionIsDamage() {
    let bytes = Sample.header().encoded()
    for offset in 12..<28 {
      #expect(refusal { try decode(bytes.flipped(at: offset)) } == .badChecksum)
    }
    #expect(refusal { try decode(bytes.flipped(at: 0)) } == .badMagic)
  }

  // MARK: Names

  @Test func namesComeBackAndSortInOrder() {
    let numbers: [UInt64] = [0, 1, 9, 10, 4_294_967_295, 9_999_999_999]
    var names: [String] = []
    for sequence in numbers {
      for firstIndex in [1, 10, Layout.indexMax] {
        let name = SegmentName(sequence: sequence, firstIndex: firstIndex)
        #expect(SegmentName(name.description) == name)
        names.append(name.description)
      }
    }
    #expect(names == names.sorted())
    #expect(Set(names).count == 18)
    // More digits than are filled: still read back, only out of order.
    let largest = SegmentName(sequence: Layout.sequenceMax, firstIndex: Layout.indexMax)
    #expect(SegmentName(largest.description) == largest)
    // A name alone must not use the numbers up.
    let larger = SegmentName(sequence: Layout.sequenceMax + 1, firstIndex: 1)
    #expect(SegmentName(larger.description) == nil)
  }

  @Test(arguments: [
    "", ".wal", "-.wal", "1-1.wal", "0000000001-00000000000000000001",
    "0000000001-00000000000000000001.WAL", "0000000001-00000000000000000001.wal.tmp",
    "+000000001-00000000000000000001.wal", "0000000001-+0000000000000000001.wal",
    "000000001-00000000000000000001.wal", "00000000001-00000000000000000001.wal",
    "0000000001-00000000000000000001-1.wal", " 0000000001-00000000000000000001.wal",
    "0000000001-99999999999999999999.wal", "000000000a-00000000000000000001.wal",
    "0000000001--0000000000000000001.wal", "spare-1", "MANIFEST-0",
  ])
  func whatIsNoSegmentNameIsRefused(_ text: String) {
    #expect(SegmentName(text) == nil)
  }

  @Test func theNameOfTheFirstSegmentIsANameThough() {
    #expect(
      SegmentName("0000000001-00000000000000000001.wal")
        == SegmentName(sequence: 1, firstIndex: 1))
  }
}
