// FuzzInput: what libFuzzer hands over, and how a fuzzer says that it found something.
//
// What must always hold: a finding ends the process with its reason on standard error, in a release
// build too, so that libFuzzer keeps the input that led to it.

/// The bytes of one input, copied: what is checked may keep them.
package func fuzzInput(_ data: UnsafeRawPointer?, _ size: Int) -> [UInt8] {
  guard let data = unsafe data, size > 0 else { return [] }
  return unsafe Array(UnsafeRawBufferPointer(start: data, count: size))
}

/// Ends the process: something does not hold.
package func found(_ message: String) -> Never { fatalError("FOUND: \(message)") }

/// Ends the process unless `condition` holds.
package func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { found(message()) }
}
