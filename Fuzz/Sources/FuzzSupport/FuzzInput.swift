// FuzzInput: what libFuzzer hands over, and how a fuzzer says that it found something.
//
// What must always hold: a finding ends the process with its reason on standard error, in a release
// build too, so that libFuzzer keeps the input that led to it.

/// Does what `LLVMFuzzerTestOneInput` is asked to: `body` gets the bytes of the input, copied, so
/// that what is checked may keep them.
package func fuzz(_ data: UnsafeRawPointer?, _ size: Int, _ body: ([UInt8]) -> Void) -> CInt {
  guard let data = unsafe data, size > 0 else {
    body([])
    return 0
  }
  unsafe body(Array(UnsafeRawBufferPointer(start: data, count: size)))
  return 0
}

/// Ends the process: something does not hold.
package func found(_ message: String) -> Never { fatalError("FOUND: \(message)") }

/// Ends the process unless `condition` holds.
package func expect(_ condition: Bool, _ message: @autoclosure () -> String) {
  if !condition { found(message()) }
}
