// StandardError: what a program has to say beside its output.
//
// What must always hold: where nobody listens nothing fails; nothing that came from a disk reaches a
// terminal as a control character.

package enum StandardError {
  /// A line, control characters escaped.
  package static func line(_ text: String) { write(Wording.escaped(text) + "\n") }

  /// Replaces the line that the terminal shows; nothing where there is no terminal.
  package static func progress(_ text: String) {
    if Terminal.error.isTerminal { write("\r\u{1B}[K" + text) }
  }

  private static func write(_ text: String) {
    let bytes = Array(text.utf8)
    // Where standard error is gone there is nobody left to tell, and the work goes on.
    try? unsafe StandardStreams.write(bytes.span.bytes, to: 2)
  }
}
