// CRC32CTests: every implementation gives the one answer that is written into files.

import ByteBuffers
import CCRC32C
import TestSupport
import Testing

/// An implementation that this machine can run.
struct CRC32CImplementation: Sendable, CustomTestStringConvertible {
  var rawValue: UInt32
  var testDescription: String

  private static let all: [(raftlog_crc32c_implementation, String)] = [
    (raftlog_crc32c_implementation_portable, "portable"),
    (raftlog_crc32c_implementation_sse42, "sse42"),
    (raftlog_crc32c_implementation_vpclmulqdq, "vpclmulqdq"),
    (raftlog_crc32c_implementation_arm64, "arm64"),
  ]

  static let available: [CRC32CImplementation] = all.filter { raftlog_crc32c_available($0.0) }
    .map { CRC32CImplementation(rawValue: $0.0.rawValue, testDescription: $0.1) }

  func extend(_ crc: UInt32, _ bytes: Bytes) -> UInt32 {
    unsafe bytes.span.withUnsafeBytes {
      unsafe raftlog_crc32c_extend_with(
        raftlog_crc32c_implementation(rawValue: rawValue), crc, $0.baseAddress, $0.count)
    }
  }
}

struct CRC32CTests {
  /// The examples of RFC 3720 appendix B.4, and the check value that every CRC catalogue gives.
  private static let vectors: [(bytes: [UInt8], checksum: UInt32)] = [
    ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
    ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
    ([UInt8](0..<32), 0x46DD_794E),
    ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
    (
      [
        0x01, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00,
        0x00, 0x18, 0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00,
      ], 0xD996_3A56
    ),
    (Array("123456789".utf8), 0xE306_9283),
    ([], 0),
  ]

  @Test func thePortableImplementationIsAlwaysThereAndTheSelectedOneToo() {
    let available = CRC32CImplementation.available.map(\.rawValue)
    #expect(available.contains(raftlog_crc32c_implementation_portable.rawValue))
    #expect(available.contains(raftlog_crc32c_selected().rawValue))
    #expect(!raftlog_crc32c_available(raftlog_crc32c_implementation(rawValue: 99)))
  }

  @Test(arguments: CRC32CImplementation.available)
  func knownAnswers(_ implementation: CRC32CImplementation) {
    for vector in Self.vectors {
      #expect(implementation.extend(0, Bytes(vector.bytes)) == vector.checksum)
      #expect(ReferenceCRC.checksum(vector.bytes) == vector.checksum)
      #expect(CRC32C.checksum(Bytes(vector.bytes).span) == vector.checksum)
    }
  }

  @Test(arguments: CRC32CImplementation.available)
  func allShortLengthsAtAllAlignments(_ implementation: CRC32CImplementation) {
    var generator = SeededGenerator(seed: 5)
    let source = generator.bytes(300)
    let expected = ReferenceCRC.ofPrefixes(source)
    var wrong: [String] = []
    for misalignment in 0..<16 {
      let bytes = Bytes.misaligned(source, by: misalignment)
      for count in 0...300 where implementation.extend(0, bytes[0..<count]) != expected[count] {
        wrong.append("\(count) bytes at \(misalignment)")
      }
    }
    #expect(wrong == [])
  }

  /// The lengths at which the fast ones change from one loop to the next, and a byte to each side.
  @Test(arguments: CRC32CImplementation.available)
  func longLengthsAndTheirNeighbours(_ implementation: CRC32CImplementation) {
    var generator = SeededGenerator(seed: 6)
    let source = generator.bytes(70_000)
    let expected = ReferenceCRC.ofPrefixes(source)
    let steps = [384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 24576, 65536]
    var wrong: [String] = []
    for misalignment in [0, 1, 8, 13] {
      let bytes = Bytes.misaligned(source, by: misalignment)
      for count in steps.flatMap({ [$0 - 9, $0 - 8, $0 - 1, $0, $0 + 1, $0 + 7, $0 + 8, $0 + 100] })
      where implementation.extend(0, bytes[0..<count]) != expected[count] {
        wrong.append("\(count) bytes at \(misalignment)")
      }
    }
    #expect(wrong == [])
  }

  @Test(arguments: CRC32CImplementation.available)
  func extendingGoesOnWhereItStopped(_ implementation: CRC32CImplementation) {
    var generator = SeededGenerator(seed: 7)
    let source = generator.bytes(5000)
    let expected = ReferenceCRC.ofPrefixes(source)
    let bytes = Bytes(source)
    for _ in 0..<300 {
      let middle = Int(generator.next() % 5001)
      let end = middle + Int(generator.next() % UInt64(5001 - middle))
      let front = implementation.extend(0, bytes[0..<middle])
      #expect(front == expected[middle])
      #expect(implementation.extend(front, bytes[middle..<end]) == expected[end])
    }
  }

  @Test func combiningAgreesWithExtending() {
    var generator = SeededGenerator(seed: 8)
    let source = Bytes(generator.bytes(70_000))
    for _ in 0..<500 {
      let start = Int(generator.next() % 70_001)
      let middle = start + Int(generator.next() % UInt64(70_001 - start))
      // Short right sides too: half of them below a kibibyte.
      let room = generator.next() & 1 == 0 ? 70_000 - middle : min(1024, 70_000 - middle)
      let end = middle + Int(generator.next() % UInt64(room + 1))
      let a = CRC32C.checksum(source[start..<middle].span)
      let b = CRC32C.checksum(source[middle..<end].span)
      let both = CRC32C.checksum(source[start..<end].span)
      #expect(CRC32C.combine(a, b, countOfB: end - middle) == both)
      #expect(CRC32C.extend(a, with: source[middle..<end].span) == both)
    }
  }

  @Test func combiningWithNothingChangesNothing() {
    let crc = CRC32C.checksum(Bytes("anything").span)
    #expect(CRC32C.combine(crc, 0, countOfB: 0) == crc)
    #expect(CRC32C.combine(0, crc, countOfB: 8) == crc)
    #expect(CRC32C.extend(crc, with: Bytes().span) == crc)
  }

  /// Lengths that no memory holds: (A B) C must be A (B C).
  @Test func combiningIsAssociativeAtAnyLength() {
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<500 {
      let a = UInt32(truncatingIfNeeded: generator.next())
      let b = UInt32(truncatingIfNeeded: generator.next())
      let c = UInt32(truncatingIfNeeded: generator.next())
      let countOfB = Int(generator.next() >> (2 + generator.next() % 50))
      let countOfC = Int(generator.next() >> (2 + generator.next() % 50))
      let left = CRC32C.combine(
        CRC32C.combine(a, b, countOfB: countOfB), c, countOfB: countOfC)
      let right = CRC32C.combine(
        a, CRC32C.combine(b, c, countOfB: countOfC), countOfB: countOfB + countOfC)
      #expect(left == right, "\(countOfB) and \(countOfC) bytes")
    }
  }
}
