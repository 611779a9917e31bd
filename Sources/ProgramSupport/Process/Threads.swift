// Threads: threads that block, and a way to wait for tasks from one that may.

import Dispatch
import Synchronization
package import SystemPackage

#if canImport(Darwin)
  package import Darwin
#elseif canImport(Musl)
  package import Musl
#else
  package import Glibc
#endif

private final class Work: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Starts a thread.
package func startThread(_ body: @escaping @Sendable () -> Void) throws(Errno) -> pthread_t {
  let argument = unsafe Unmanaged.passRetained(Work(body)).toOpaque()
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
      unsafe Unmanaged<Work>.fromOpaque(opaque).takeRetainedValue().body()
      return nil
    }, argument)
  guard reason == 0 else {
    unsafe Unmanaged<Work>.fromOpaque(argument).release()
    throw Errno(rawValue: reason)
  }
  #if canImport(Darwin)
    return unsafe thread!
  #else
    return thread
  #endif
}

/// Runs `body` on `count` threads of their own, numbered from 0, and returns when all are done.
package func runThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws(Errno) {
  var threads: [pthread_t] = []
  var failure: Errno?
  for number in 0..<count where failure == nil {
    do {
      threads.append(try startThread { body(number) })
    } catch {
      failure = error
    }
  }
  for thread in threads { pthread_join(thread, nil) }
  if let failure { throw failure }
}

/// Runs `body` as a task and waits for it on this thread, which must be none of the tasks' own.
package func blocking<T: Sendable, E: Error>(
  _ body: @escaping @Sendable () async throws(E) -> T
) throws(E) -> T {
  let outcome = Outcome<T, E>()
  Task.detached {
    let result: Result<T, E>
    do throws(E) {
      result = .success(try await body())
    } catch {
      result = .failure(error)
    }
    outcome.value.withLock { $0 = result }
    outcome.isThere.signal()
  }
  outcome.isThere.wait()
  return try outcome.value.withLock { $0 }!.get()
}

private final class Outcome<T: Sendable, E: Error>: Sendable {
  let value = Mutex<Result<T, E>?>(nil)
  let isThere = DispatchSemaphore(value: 0)
}
