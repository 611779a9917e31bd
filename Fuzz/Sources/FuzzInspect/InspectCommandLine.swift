// InspectCommandLine: a command of walinspect, with the statuses that it may end with.

struct InspectCommandLine {
  let name: String
  let arguments: [String]
  let statuses: Set<Int32>

  /// Clean; and what every command ends with that finds nothing to work on: damaged, lost, refused,
  /// failed to read, no log.
  private static let common: Set<Int32> = [0, 2, 3, 4, 5, 66]

  private init(_ arguments: [String], also statuses: Set<Int32> = []) {
    name = arguments[0]
    self.arguments = arguments
    self.statuses = Self.common.union(statuses)
  }

  static func verify(_ path: String) -> InspectCommandLine {
    InspectCommandLine(["verify", path], also: [1])
  }

  static func explain(_ path: String) -> InspectCommandLine {
    InspectCommandLine(["explain", path])
  }

  static func salvage(_ path: String) -> InspectCommandLine {
    InspectCommandLine(["salvage", path, "--to", "-"])
  }

  static func dump(_ path: String) -> InspectCommandLine {
    InspectCommandLine(["dump", path, "--payload"])
  }

  static func diff(_ a: String, _ b: String) -> InspectCommandLine {
    InspectCommandLine(["diff", a, b], also: [1])
  }

  static func plan(_ path: String, keep: String) -> InspectCommandLine {
    InspectCommandLine(["repair", path, "--keep", keep])
  }

  /// - Parameter isLocked: a writer holds the directory.
  static func apply(_ path: String, keep: String, isLocked: Bool) -> InspectCommandLine {
    InspectCommandLine(
      ["repair", path, "--keep", keep, "--accept-loss", "1-\(UInt64.max)", "--apply"],
      also: isLocked ? [6] : [])
  }

  /// What has nothing to be held against.
  static func others(_ path: String) -> [InspectCommandLine] {
    let commands = [["ls"], ["ls", "--deep"], ["stat"], ["stat", "--deep"], ["terms"]]
    return commands.map { InspectCommandLine($0 + [path]) }
  }
}
