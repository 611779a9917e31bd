// ArgumentsTests: a word that is no text is refused, and shown as it is.

import ProgramSupport
import Testing

@Suite struct ArgumentsTests {
  @Test func textIsTaken() {
    #expect(Arguments.complaint(about: []) == nil)
    let words = ["raftlog", "größer\u{FFFD}"]
    #expect(Arguments.complaint(about: words.map { Array($0.utf8) }) == nil)
  }

  @Test func theFirstWordThatIsNoTextIsNamed() throws {
    let arguments = [Array("raftlog".utf8), Array("read".utf8), [0x61, 0xFF, 0x62], [0xC3]]
    let complaint = try #require(Arguments.complaint(about: arguments))
    #expect(complaint.hasPrefix("argument 2, a\\xffb, is not valid UTF-8"))
  }

  /// However the program was started, its own name is nobody's path.
  @Test func theProgramsOwnNameIsNotRead() {
    #expect(Arguments.complaint(about: [[0xFF], Array("read".utf8)]) == nil)
  }
}
