// Signals: those that ask a program to end, taken at a moment that suits it.
//
// What must always hold: a signal that whoever started the program has told it to ignore stays
// ignored (nohup(1), a shell's background jobs).

#if canImport(Darwin)
  package import Darwin
#elseif canImport(Musl)
  package import Musl
#else
  package import Glibc
#endif

/// Signals that are blocked, and waited for, together.
@safe
package struct SignalSet: @unchecked Sendable {
  private var set = sigset_t()

  /// Those that ask a program to end, as far as they are not ignored.
  package static let ending = SignalSet([SIGINT, SIGTERM, SIGHUP].filter { !isIgnored($0) })
  package static let none = SignalSet([])

  private init(_ signals: [Int32]) {
    unsafe sigemptyset(&set)
    for signal in signals { unsafe sigaddset(&set, signal) }
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard unsafe sigaction(number, nil, &action) == 0 else { return false }
    #if canImport(Darwin)
      let handler = unsafe action.__sigaction_u.__sa_handler
    #elseif canImport(Musl)
      let handler = unsafe action.__sa_handler.sa_handler
    #else
      let handler = unsafe action.__sigaction_handler.sa_handler
    #endif
    return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// To be called before other threads are started: they must not take the signals themselves.
  package func block() { change(SIG_BLOCK) }
  package func unblock() { change(SIG_UNBLOCK) }

  private func change(_ how: Int32) {
    var set = set
    unsafe pthread_sigmask(how, &set, nil)
  }

  /// Waits for one of them, all of which are blocked.
  package func wait() -> Int32 {
    var set = set
    var signal: Int32 = 0
    while unsafe sigwait(&set, &signal) != 0 {}
    return signal
  }

  /// Lets `body` use the set as the system knows it.
  package func withSet<T>(_ body: (inout sigset_t) -> T) -> T {
    var set = set
    return body(&set)
  }
}

package enum Program {
  /// Ends this program as the signal does to one that does not take it, so that whoever started it
  /// sees what happened. Nothing is printed.
  package static func end(by number: Int32) -> Never {
    _ = signal(number, SIG_DFL)
    var set = sigset_t()
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, number)
    unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    _ = raise(number)
    _exit(128 + number)
  }

  /// Ends a program whose reader went away, as a broken pipe ends one that does nothing about it.
  package static func endAbandoned() -> Never { end(by: SIGPIPE) }

  /// The version of all programs of this package.
  package static let version = "0.1.0"
}
