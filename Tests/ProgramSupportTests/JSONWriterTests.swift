// JSONWriterTests: what is printed is JSON, whatever the values are.

import ByteBuffers
import LogFormat
import ProgramSupport
import Testing

@Suite struct JSONWriterTests {
  private func text(_ fill: (inout JSONWriter) -> Void) -> String {
    var json = JSONWriter(format: "test/1")
    fill(&json)
    return String(decoding: json.finish(), as: UTF8.self)
  }

  @Test func theFormatComesFirst() { #expect(text { _ in } == #"{"format":"test/1"}"#) }

  @Test func stringsAreEscaped() {
    #expect(
      text { $0.field("s", "\"\\\n\u{1}\u{7F}ü") }
        == #"{"format":"test/1","s":"\"\\\u000a\u0001\u007fü"}"#)
    #expect(text { $0.field("s", String?.none) } == #"{"format":"test/1","s":null}"#)
  }

  @Test func numbersAreNumbersOrNull() {
    #expect(
      text {
        $0.field("a", UInt64.max)
        $0.field("b", Int?.none)
        $0.field("c", true)
        $0.field("d", 1.25, places: 1)
        $0.field("e", Double.nan, places: 1)
        $0.field("f", [0.5, .infinity], places: 2)
      }
        == #"{"format":"test/1","a":18446744073709551615,"b":null,"c":true,"d":1.3,"e":null,"#
        + #""f":[0.50,null]}"#)
  }

  @Test func objectsNest() {
    #expect(
      text {
        $0.object("o") { $0.field("x", 1) }
        $0.objects("l", [1, 2]) { $0.field("y", $1) }
        $0.strings("s", ["a", "b"])
        $0.object("empty") { _ in }
      }
        == #"{"format":"test/1","o":{"x":1},"l":[{"y":1},{"y":2}],"s":["a","b"],"empty":{}}"#)
  }

  @Test func anEntryHasItsChecksumInHexAndItsPayloadInBase64() {
    let entry = Entry(index: 7, term: 3, kind: .data, payload: Bytes("a"), checksum: 0xC1D0_4330)
    let json = JSONWriter(format: "test/1", entry: entry)
    #expect(
      String(decoding: json.finish(), as: UTF8.self)
        == #"{"format":"test/1","index":7,"term":3,"kind":"data","crc":"c1d04330","#
        + #""payload":"YQ=="}"#)
  }
}
