// Threads: the same work on several threads, for programs that compute and do not wait.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

private final class Work: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Runs `body` on `count` threads, this one among them, and returns when all are done.
func runThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) {
  var threads: [pthread_t] = []
  for _ in 1..<max(count, 1) {
    let argument = unsafe Unmanaged.passRetained(Work(body)).toOpaque()
    var thread = pthread_t()
    // Deep recursion is nobody's plan here; the default stack is enough.
    let result = unsafe pthread_create(
      &thread, nil,
      { argument in
        unsafe Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, argument)
    if result == 0 { threads.append(thread) }
  }
  body()
  for thread in threads { pthread_join(thread, nil) }
}
