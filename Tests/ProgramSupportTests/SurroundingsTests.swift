// SurroundingsTests: what a command prints within another program, and where its paths lead.

import ProgramSupport
import Testing

@Suite struct SurroundingsTests {
  @Test func whatIsPrintedIsKept() throws {
    let surroundings = Surroundings(directories: nil)
    try Surroundings.$current.withValue(surroundings) {
      var output = Output.standard
      try output.line("one")
      #expect(surroundings.output.isEmpty, "nothing is printed before it is flushed")
      try output.line(UInt64(2))
      try output.flush()
      StandardError.line("three\u{1B}")
      StandardError.progress("four")
    }
    #expect(surroundings.output == Array("one\n2\n".utf8))
    #expect(surroundings.errors == Array("three\\x1b\n".utf8), "memory is no terminal")
  }

  @Test func runsDoNotShareWhatTheyPrint() throws {
    let (outer, inner) = (Surroundings(directories: nil), Surroundings(directories: nil))
    Surroundings.$current.withValue(outer) {
      Surroundings.$current.withValue(inner) { StandardError.line("inner") }
      StandardError.line("outer")
    }
    #expect(Surroundings.current == nil)
    #expect(outer.errors == Array("outer\n".utf8))
    #expect(inner.errors == Array("inner\n".utf8))
  }

  @Test func whatIsPrintedIntoMemoryHasNoColour() {
    Surroundings.$current.withValue(Surroundings(directories: nil)) {
      #expect(!Terminal.output.isTerminal && !Terminal.error.isTerminal)
      #expect(Terminal.output.paint("text", .bad) == "text")
    }
  }

  @Test func otherDirectoriesAreNotThere() throws {
    Surroundings.$current.withValue(Surroundings(directories: [:])) {
      #expect(throws: (any Error).self) { try Surroundings.directory("/") }
      #expect(Surroundings.file("/etc/passwd") == nil)
    }
    #expect(throws: Never.self) { try Surroundings.directory("/") }
  }
}
