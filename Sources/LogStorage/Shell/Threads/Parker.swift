// Parker: lets a thread sleep until another one has news for it, or until some time has passed.
//
// What must always hold: a `wake` is never lost; it ends the wait that is going on, or the next one.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

@safe
package final class Parker: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var isWoken = false

  package init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    #if canImport(Darwin)
      unsafe pthread_cond_init(condition, nil)
    #else
      // Waits are measured by a clock that nobody sets.
      var attributes = pthread_condattr_t()
      unsafe pthread_condattr_init(&attributes)
      unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      unsafe pthread_cond_init(condition, &attributes)
      unsafe pthread_condattr_destroy(&attributes)
    #endif
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  package func wake() {
    unsafe pthread_mutex_lock(mutex)
    isWoken = true
    unsafe pthread_cond_signal(condition)
    unsafe pthread_mutex_unlock(mutex)
  }

  /// Sleeps until it is woken, or `timeout` has passed.
  package func park(timeout: Duration? = nil) {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    var deadline = timeout.map { Self.deadline(after: $0) }
    while !isWoken {
      if deadline != nil {
        if unsafe pthread_cond_timedwait(condition, mutex, &deadline!) == ETIMEDOUT { break }
      } else {
        unsafe pthread_cond_wait(condition, mutex)
      }
    }
    isWoken = false
  }

  private static func deadline(after timeout: Duration) -> timespec {
    var now = timespec()
    #if canImport(Darwin)
      unsafe clock_gettime(CLOCK_REALTIME, &now)
    #else
      unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    #endif
    // Longer than anybody waits, and short enough to be added to any time.
    let longest = Duration.seconds(1 << 30)
    let (seconds, attoseconds) = min(max(timeout, .zero), longest).components
    now.tv_sec += Int(seconds)
    now.tv_nsec += Int(attoseconds / 1_000_000_000)
    if now.tv_nsec >= 1_000_000_000 {
      now.tv_sec += 1
      now.tv_nsec -= 1_000_000_000
    }
    return now
  }
}

/// The time by a clock that only goes forward.
func monotonicNow() -> Duration {
  var now = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &now)
  return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
}
