// ProgressLine: how far a long work has come, on standard error, on a terminal only.
//
// What must always hold: nothing is shown in the first second, and nothing is left behind.

package final class ProgressLine {
  private let label: String
  private let terminal: Terminal
  private let start = ContinuousClock.now
  private var lastShown: ContinuousClock.Instant?

  private static let patience = Duration.seconds(1)
  private static let interval = Duration.milliseconds(100)

  package init(_ label: String, terminal: Terminal = .error) {
    self.label = label
    self.terminal = terminal
  }

  deinit { clear() }

  /// A bar, for work of which one knows how much it is.
  package func show(_ done: Int, of total: Int) {
    guard total > 0, isDue() else { return }
    StandardError.progress(Self.text(label, done: done, of: total, on: terminal))
  }

  /// Words, for work that may go on for ever.
  package func show(_ text: @autoclosure () -> String) {
    guard isDue() else { return }
    StandardError.progress("\(label): \(text())")
  }

  private func isDue() -> Bool {
    guard terminal.isTerminal else { return false }
    let now = ContinuousClock.now
    guard now - start >= Self.patience, now - (lastShown ?? start) >= Self.interval else {
      return false
    }
    lastShown = now
    return true
  }

  /// Takes the line away; whatever is printed next begins at the margin.
  package func clear() {
    guard lastShown != nil else { return }
    lastShown = nil
    StandardError.progress("")
  }

  /// The line for `done` of `total`, one column short of the terminal's width.
  static func text(_ label: String, done: Int, of total: Int, on terminal: Terminal) -> String {
    let share = min(Double(done) / Double(total), 1)
    let percent = "\(Int(share * 100))%".leading(4)
    let width = max(terminal.width - label.count - percent.count - 3, 1)
    return "\(label) \(terminal.bar(Int(share * Double(width)), of: width)) \(percent)"
  }
}
