// Helpers: what the tests of this target share. Structures to encode, and bits to flip.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

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
    return Bytes(generator.bytes(count))
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
