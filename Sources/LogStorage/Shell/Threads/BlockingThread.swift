// BlockingThread: a thread of the process's own, for work that blocks. It must never be one of the
// threads that Swift's tasks share: there are as few of these as processors.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A thread of the process's own, for work that blocks.
enum BlockingThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a detached thread; false when the system has no more.
  static func start(_ run: @escaping @Sendable () -> Void) -> Bool {
    let argument = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { unsafe pthread_attr_destroy(&attributes) }
    let result = unsafe pthread_create(
      &thread, &attributes,
      { argument in
        #if canImport(Darwin)
          let opaque = unsafe argument
        #else
          let opaque = unsafe argument!
        #endif
        unsafe Unmanaged<Body>.fromOpaque(opaque).takeRetainedValue().run()
        return nil
      }, argument)
    if result != 0 { unsafe Unmanaged<Body>.fromOpaque(argument).release() }
    return result == 0
  }
}
