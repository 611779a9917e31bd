// ProgressLine: how far a long reading has come, on standard error, on a terminal only.
//
// What must always hold: nothing is shown in the first second, and nothing is left behind.

import SystemPackage

final class ProgressLine {
  private let label: String
  private let terminal: Terminal
  private let start = ContinuousClock.now
  private var lastShown: ContinuousClock.Instant?

  private static let patience = Duration.seconds(1)
  private static let interval = Duration.milliseconds(100)

  init(_ label: String, terminal: Terminal = .error) {
    self.label = label
    self.terminal = terminal
  }

  deinit { clear() }

  func show(_ done: Int, of total: Int) {
    guard terminal.isTerminal, total > 0 else { return }
    let now = ContinuousClock.now
    guard now - start >= Self.patience, now - (lastShown ?? start) >= Self.interval else { return }
    lastShown = now
    print("\r" + Self.text(label, done: done, of: total, on: terminal) + "\u{1B}[K")
  }

  /// Takes the line away; whatever is printed next begins at the margin.
  func clear() {
    guard lastShown != nil else { return }
    lastShown = nil
    print("\r\u{1B}[K")
  }

  /// The line for `done` of `total`, one column short of the terminal's width.
  static func text(_ label: String, done: Int, of total: Int, on terminal: Terminal) -> String {
    let share = min(Double(done) / Double(total), 1)
    let percent = "\(Int(share * 100))%".leading(4)
    let width = max(terminal.width - label.count - percent.count - 3, 1)
    let full = Int(share * Double(width))
    let cells =
      [Use](repeating: .live, count: full) + [Use](repeating: .free, count: width - full)
    return "\(label) \(terminal.picture(cells)) \(percent)"
  }

  private func print(_ text: String) {
    // A line that cannot be shown is not worth failing for.
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }
}
