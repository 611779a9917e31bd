// ExitStatus: how the programs end. Scripts go by the numbers, so they never change.

package import ArgumentParser

package struct ExitStatus: RawRepresentable, Hashable, Comparable, Sendable {
  package var rawValue: Int32

  package static let clean = ExitStatus(rawValue: 0)
  /// Opening the log mends what was found, and nothing acknowledged is touched.
  package static let mended = ExitStatus(rawValue: 1)
  package static let damaged = ExitStatus(rawValue: 2)
  package static let lost = ExitStatus(rawValue: 3)
  /// Unsupported or foreign.
  package static let refused = ExitStatus(rawValue: 4)
  package static let inputOutput = ExitStatus(rawValue: 5)
  /// Another process has the log open.
  package static let locked = ExitStatus(rawValue: 6)
  package static let diskFull = ExitStatus(rawValue: 7)
  /// What was asked for cannot be asked for (EX_USAGE).
  package static let usage = ExitStatus(rawValue: 64)
  /// The input is not what it should be (EX_DATAERR).
  package static let badInput = ExitStatus(rawValue: 65)
  /// No such log, or no such index (EX_NOINPUT).
  package static let noLog = ExitStatus(rawValue: 66)

  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// The higher one is the graver one.
  package static func < (a: ExitStatus, b: ExitStatus) -> Bool { a.rawValue < b.rawValue }
}

extension ExitCode {
  package init(_ status: ExitStatus) { self.init(status.rawValue) }
}
