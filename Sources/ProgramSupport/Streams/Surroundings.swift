// Surroundings: what a command finds around it that is no process of its own: streams that are kept
// in memory and, if it is given any, directories that are.
//
// What must always hold: they belong to one run on one thread, and are gone when it ends; where there
// are none, streams and directories are the process's.

package import StorageIO
import Synchronization
import SystemPackage

package final class Surroundings: Sendable {
  /// Those of the run that is under way on this thread; nil for a program by itself.
  @TaskLocal package static var current: Surroundings?

  private struct Printed {
    var output: [UInt8] = []
    var errors: [UInt8] = []
  }

  private let printed = Mutex(Printed())
  private let directories: [String: any StorageDirectory]?

  /// - Parameter directories: the only ones there are, by path; nil for those of the file system.
  package init(directories: [String: any StorageDirectory]?) { self.directories = directories }

  /// What went to standard output so far.
  package var output: [UInt8] { printed.withLock { $0.output } }
  /// What went to standard error so far.
  package var errors: [UInt8] { printed.withLock { $0.errors } }

  /// True when no other process reaches the directories: there is nobody to wait for.
  var isAlone: Bool { directories != nil }

  /// Takes bytes on their way to a standard stream; false for those that go elsewhere.
  func take(_ bytes: RawSpan, for descriptor: Int32) -> Bool {
    guard descriptor == 1 || descriptor == 2 else { return false }
    let copy = unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    printed.withLock { printed in
      if descriptor == 1 { printed.output += copy } else { printed.errors += copy }
    }
    return true
  }
}

extension Surroundings {
  /// Opens the directory at `path`.
  package static func directory(_ path: String) throws(StorageError) -> any StorageDirectory {
    guard let directories = current?.directories else { return try POSIXDirectory(path: path) }
    if let directory = directories[path] { return directory }
    throw StorageError(
      .open, path: path, errno: file(path) == nil ? .noSuchFileOrDirectory : .notDirectory)
  }

  /// The directory in memory that has the file at `path`, and the file's name in it; nil for any
  /// other path.
  package static func file(_ path: String) -> (directory: any StorageDirectory, name: String)? {
    guard let slash = path.lastIndex(of: "/"),
      let directory = current?.directories?[String(path[..<slash])]
    else { return nil }
    let name = String(path[path.index(after: slash)...])
    guard let files = try? directory.list(), files.contains(where: { $0.name == name }) else {
      return nil
    }
    return (directory, name)
  }
}
