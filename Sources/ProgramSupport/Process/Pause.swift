// Pause: waiting a moment for another process, of which the file system tells us nothing.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

package enum Pause {
  /// poll(2) on nothing: gives the processor away for so long.
  package static func milliseconds(_ count: Int32) {
    // What lies in memory has no other process.
    if Surroundings.current?.isAlone == true { return }
    _ = poll(nil, 0, count)
  }
}
