// BlockingThread: a thread of the process's own, for work that blocks: I/O above all. It must never
// be one of the threads that Swift's tasks share: there are as few of these as processors.
//
// What must always hold: a thread is joined once, or detached; none is left behind as neither.

package import SystemPackage

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A thread that was started. Letting go of this does not end it.
package final class BlockingThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let thread: pthread_t
  private var isJoined = false

  /// pthread_create(3).
  package init(_ run: @escaping @Sendable () -> Void) throws(Errno) {
    let argument = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let reason = unsafe pthread_create(
      &thread, nil,
      { argument in
        #if canImport(Darwin)
          let opaque = unsafe argument
        #else
          let opaque = unsafe argument!
        #endif
        unsafe Unmanaged<Body>.fromOpaque(opaque).takeRetainedValue().run()
        return nil
      }, argument)
    guard reason == 0 else {
      unsafe Unmanaged<Body>.fromOpaque(argument).release()
      throw Errno(rawValue: reason)
    }
    #if canImport(Darwin)
      self.thread = unsafe thread!
    #else
      self.thread = thread
    #endif
  }

  deinit {
    if !isJoined { pthread_detach(thread) }
  }

  /// Waits until the thread has ended; the second time it has.
  package func join() {
    guard !isJoined else { return }
    isJoined = true
    pthread_join(thread, nil)
  }

  /// Starts a thread that nobody waits for; false when the system has no more.
  package static func start(_ run: @escaping @Sendable () -> Void) -> Bool {
    (try? BlockingThread(run)) != nil
  }
}
