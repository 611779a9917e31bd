// EnvironmentVariable: what whoever started the tests has set.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

package enum EnvironmentVariable {
  /// The value of a variable; nil if there is none of that name.
  package static func value(of name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }
}
