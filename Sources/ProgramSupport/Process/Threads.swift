// Threads: the same work on several threads, and a way to wait for tasks from one that may.

import Dispatch
import StorageIO
import Synchronization
package import SystemPackage

/// Runs `body` on `count` threads of their own, numbered from 0, and returns when all are done.
package func runThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws(Errno) {
  var threads: [BlockingThread] = []
  var failure: Errno?
  for number in 0..<count where failure == nil {
    do {
      threads.append(try BlockingThread { body(number) })
    } catch {
      failure = error
    }
  }
  for thread in threads { thread.join() }
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
