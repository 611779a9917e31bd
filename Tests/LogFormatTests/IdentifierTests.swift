// IdentifierTests: names and numbers as people see them, and the sizes that everything hangs on.

import LogFormat
import Testing

struct IdentifierTests {
  @Test func aNameIsSpelledAsAUUID() {
    let uid = UID(high: 0x0123_4567_89AB_CDEF, low: 0x0011_2233_4455_6677)
    #expect("\(uid)" == "01234567-89ab-cdef-0011-223344556677")
    #expect(UID("01234567-89ab-cdef-0011-223344556677") == uid)
    #expect(UID("0123456789ABCDEF0011223344556677") == uid)
    #expect(UID("\(UID(high: 0, low: 0))") == UID(high: 0, low: 0))
  }

  @Test(arguments: [
    "", "0123456789abcdef001122334455667", "0123456789abcdef00112233445566778",
    "0123456789abcdeg0011223344556677", "+123456789abcdef+011223344556677",
    "01234567 89abcdef 0011223344556677",
  ])
  func whatIsNoNameIsRefused(_ text: String) {
    #expect(UID(text) == nil)
  }

  @Test func namesAreOrderedByAllTheirBits() {
    let names = [
      UID(high: 0, low: 9), UID(high: 1, low: 0), UID(high: 1, low: 1), UID(high: .max, low: 0),
    ]
    #expect(names.shuffled().sorted() == names)
  }

  @Test func hexadecimalIsFilled() {
    #expect(Hex.string(UInt32(0)) == "00000000")
    #expect(Hex.string(UInt32(0xBEEF)) == "0000beef")
    #expect(Hex.string(UInt64.max) == "ffffffffffffffff")
  }

  @Test func pagesAreRoundedUp() {
    #expect(Layout.pages(0) == 0)
    #expect(Layout.pages(1) == 4096)
    #expect(Layout.pages(4096) == 4096)
    #expect(Layout.pages(4097) == 8192)
  }

  @Test func kindsHaveNames() {
    #expect("\(EntryKind.data)" == "data" && "\(EntryKind.noop)" == "noop")
    #expect("\(EntryKind.configuration)" == "configuration")
    #expect("\(EntryKind(rawValue: 200))" == "kind-200")
  }
}
