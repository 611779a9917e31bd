// Workspace: the directory that everything is made in.
//
// What must always hold: it is new, so nothing in it is anybody else's; it is gone when the program
// ends, whether it ends by itself or is interrupted.

import ProgramSupport
import StorageIO
import Synchronization
import SystemPackage

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

final class Workspace: Sendable {
  /// The directory that was made here.
  private let path: String
  /// Those around it that had to be made too, the innermost first.
  private let parents: [String]
  private let disk: Disk

  /// Makes a new directory in `data`, or in the current directory.
  init(_ data: String?) throws {
    let base = data ?? "."
    parents = Self.missing(base)
    _ = try POSIXDirectory(path: base, create: true)
    path = "\(base)/logbench.\(getpid())"
    guard unsafe mkdir(path, 0o755) == 0 else {
      throw StorageError(.makeDirectory, path: path, errno: SystemError.last)
    }
    disk = Disk(of: path)
  }

  /// The directories on the way to `path` that are not there, the innermost first.
  private static func missing(_ path: String) -> [String] {
    var missing: [String] = []
    var path = FilePath(path)
    var status = stat()
    while !path.isEmpty, unsafe stat(path.string, &status) != 0, errno == ENOENT {
      missing.append(path.string)
      path.removeLastComponent()
    }
    return missing
  }

  /// What the machine has done until now, the disk of this directory included.
  var machineTime: MachineTime { .now(disk) }

  /// The path of a file or directory that is not there yet.
  func file(_ name: String) -> String {
    discard(name)
    return "\(path)/\(name)"
  }

  /// Removes a file or directory, if it is there.
  func discard(_ name: String) { Tree.remove("\(path)/\(name)") }

  func remove() {
    Tree.remove(path)
    for parent in parents { _ = unsafe rmdir(parent) }
  }

  /// From now on an interrupted program removes the workspace before it ends. To be called before
  /// other threads are started: they must not take the signals themselves.
  func removeWhenInterrupted() {
    let signals = SignalSet.ending
    signals.block()
    // Without the thread there is no clean end, but there is one: signals are taken as usual.
    let isStarted = BlockingThread.start { self.endWhenInterrupted(signals) }
    if !isStarted { signals.unblock() }
  }

  private func endWhenInterrupted(_ signals: SignalSet) {
    let signal = signals.wait()
    Interruption.begin()
    Child.end()
    remove()
    StandardError.progress("")
    _exit(128 + signal)
  }
}

/// The end of a program that was interrupted, which one thread brings about.
enum Interruption {
  private static let isUnderWay = Atomic(false)

  fileprivate static func begin() { isUnderWay.store(true, ordering: .releasing) }

  /// Returns only if nothing was interrupted: what fails because its files are being taken away is
  /// nobody's concern any more.
  static func stopIfUnderWay() {
    while isUnderWay.load(ordering: .acquiring) { pause() }
  }
}

/// A directory and all in it.
private enum Tree {
  /// Who still makes files in a directory that is being removed does so a few times at most.
  private static let attemptsMax = 100

  static func remove(_ path: String) {
    for _ in 0..<attemptsMax {
      if unsafe unlink(path) == 0 || errno == ENOENT { return }
      for name in names(in: path) { remove("\(path)/\(name)") }
      if unsafe rmdir(path) == 0 || errno != ENOTEMPTY { return }
    }
  }

  private static func names(in path: String) -> [String] {
    guard let stream = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}
