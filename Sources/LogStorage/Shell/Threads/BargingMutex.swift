// BargingMutex: a mutex around a value, for short sections that many threads pass through.
//
// What must always hold: the value is reachable only through `withLock`. `Synchronization.Mutex` is a
// futex with priority inheritance on Linux, which hands the lock to the thread that slept longest:
// under contention every section then costs a context switch, and 16 appenders were ten times
// slower than one. This one may be taken by whoever runs (it barges), so the queue drains first.

private import CPOSIX

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

@safe
package final class BargingMutex<Value: ~Copyable>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let value: UnsafeMutablePointer<Value>

  package init(_ initial: consuming sending Value) {
    unsafe mutex = .allocate(capacity: 1)
    let reason = unsafe raftlog_mutex_init(mutex)
    precondition(reason == 0, "the system has no mutex to give: error \(reason)")
    unsafe value = .allocate(capacity: 1)
    unsafe value.initialize(to: initial)
  }

  deinit {
    unsafe value.deinitialize(count: 1)
    unsafe value.deallocate()
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  package func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try unsafe body(&value.pointee)
  }
}
