// WordingTests: numbers as people read them, and nothing that a terminal would obey.

import ByteBuffers
import ProgramSupport
import Testing

@Suite struct WordingTests {
  @Test func countsHaveGroups() {
    #expect(Wording.count(0) == "0")
    #expect(Wording.count(999) == "999")
    #expect(Wording.count(1_000) == "1,000")
    #expect(Wording.count(-1_234_567) == "-1,234,567")
    #expect(Wording.count(UInt64.max) == "18,446,744,073,709,551,615")
    #expect(Wording.count(1, "batch", "batches") == "1 batch")
    #expect(Wording.count(2, "batch", "batches") == "2 batches")
    #expect(Wording.plain(1, "entry", "entries") == "1 entry")
    #expect(Wording.plain(12345, "entry", "entries") == "12345 entries")
  }

  @Test func bytesHaveADecimalOnlyWhereTheyAreNotExact() {
    #expect(Wording.bytes(0) == "0 B")
    #expect(Wording.bytes(1023) == "1023 B")
    #expect(Wording.bytes(1024) == "1 KiB")
    #expect(Wording.bytes(1025) == "1.0 KiB")
    #expect(Wording.bytes(1536) == "1.5 KiB")
    #expect(Wording.bytes((1 << 20) - 1) == "1023.9 KiB")
    #expect(Wording.bytes(1 << 20) == "1 MiB")
    #expect(Wording.bytes((1 << 20) + 1) == "1.0 MiB")
    #expect(Wording.bytes(Int.max) == "7.9 EiB")
    #expect(Wording.bytes(-2048) == "-2 KiB")
  }

  @Test func decimalsAreRoundedToTheirPlaces() {
    #expect(Wording.decimal(0, 2) == "0.00")
    #expect(Wording.decimal(1.005, 1) == "1.0")
    #expect(Wording.decimal(0.096, 2) == "0.10")
    #expect(Wording.decimal(-2.5, 0) == "-3")
    #expect(Wording.decimal(-0.001, 2) == "0.00")
    #expect(Wording.decimal(.nan, 1) == "-")
    #expect(Wording.decimal(.infinity, 1) == "-")
  }

  @Test func rangesNameTheirEnds() {
    #expect(Wording.indices(3, 2) == "none")
    #expect(Wording.indices(3, 3) == "3")
    #expect(Wording.indices(3, 9) == "3-9")
  }

  @Test func nothingPrintedIsAControlCharacter() {
    #expect(Wording.escaped("a\u{1B}[2J\r\n\u{7F}\u{202E}ü") == "a\\x1b[2J\\r\\n\\x7f\\u{202e}ü")
    #expect(Wording.escaped(Bytes([0x41, 0xFF, 0x22, 0x5C, 0x00])) == "A\\xff\\\"\\\\\\x00")
  }

  @Test func linesBreakBehindCommas() {
    #expect(Wording.wrapped("one, two, three", width: 9) == ["one, two,", "three"])
    #expect(Wording.wrapped("unbreakable", width: 3) == ["unbreakable"])
    #expect(Wording.wrapped("one, two and three", width: 9) == ["one, two", "and three"])
  }

  /// What a terminal makes of it, and not how many characters there are.
  @Test func columnsAreATerminals() {
    #expect("plain".columns == 5 && "".columns == 0)
    #expect("長い名前".columns == 8 && "한글".columns == 4)
    #expect("naïve".columns == 5 && "nai\u{308}ve".columns == 5)
    #expect("📁".columns == 2)
    #expect("長い".padded(6) == "長い  " && "長い".leading(6) == "  長い")
    #expect("長い名前".padded(3) == "長い名前")
    #expect(Wording.wrapped("長い 名前", width: 8) == ["長い", "名前"])
  }
}
