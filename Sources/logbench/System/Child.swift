// Child: this program, run once more for one measurement.
//
// What must always hold: there is one at a time, and it does not outlive its parent's interruption.

import ProgramSupport
import Synchronization
import SystemPackage

// The environment is a variable of the C library's; nobody changes it here.
#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  @unsafe @preconcurrency import Musl
#else
  @unsafe @preconcurrency import Glibc
#endif

/// A measurement in a process of its own that came to nothing.
struct ChildError: Error, CustomStringConvertible {
  let reason: String
  var description: String { "the process that was started for a measurement failed: \(reason)" }
}

enum Child {
  /// The one that runs.
  private static let running = Mutex<pid_t?>(nil)

  /// Ends the one that runs, if there is one.
  static func end() {
    running.withLock { child in
      if let child { _ = kill(child, SIGKILL) }
    }
  }

  /// What this program prints when it is run with `arguments`, without the line's end.
  static func output(of arguments: [String]) throws -> String {
    let pipe = try FileDescriptor.pipe()
    let child: pid_t
    do {
      defer { try? pipe.writeEnd.close() }
      child = try start(arguments, output: pipe.writeEnd)
    } catch {
      try? pipe.readEnd.close()
      throw error
    }
    let output = try pipe.readEnd.closeAfter { try readAll(pipe.readEnd) }
    try waitFor(child)
    return output.split(separator: "\n").joined(separator: "\n")
  }

  private static var program: String {
    #if os(Linux)
      "/proc/self/exe"
    #else
      CommandLine.arguments[0]
    #endif
  }

  private static func start(_ arguments: [String], output: FileDescriptor) throws -> pid_t {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
      let environ = unsafe _NSGetEnviron().pointee
    #else
      var actions = unsafe posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, output.rawValue, STDOUT_FILENO)
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // This process waits for its signals on a thread; the child takes them as they come.
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    SignalSet.none.withSet { _ = unsafe posix_spawnattr_setsigmask(&attributes, &$0) }

    var words = unsafe ([CommandLine.arguments[0]] + arguments).map { unsafe strdup($0) } + [nil]
    defer { unsafe words.forEach { unsafe free($0) } }
    var child: pid_t = 0
    let reason = unsafe posix_spawn(&child, program, &actions, &attributes, &words, environ)
    guard reason == 0 else { throw ChildError(reason: "\(Errno(rawValue: reason))") }
    running.withLock { $0 = child }
    return child
  }

  private static func readAll(_ descriptor: FileDescriptor) throws -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe descriptor.read(into: $0) }
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer.prefix(count)
    }
  }

  private static func waitFor(_ child: pid_t) throws {
    var status: Int32 = 0
    defer { running.withLock { $0 = nil } }
    while unsafe waitpid(child, &status, 0) < 0 {
      guard SystemError.last == .interrupted else {
        throw ChildError(reason: "\(SystemError.last)")
      }
    }
    // wait(2): the low seven bits are a signal's, the next eight the exit status.
    guard status == 0 else {
      let signal = status & 0x7F
      throw ChildError(
        reason: signal == 0 ? "exit status \(status >> 8 & 0xFF)" : "killed by signal \(signal)")
    }
  }
}
