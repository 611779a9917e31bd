// Standard: this process's three streams, without buffers that nobody knows of.
//
// What must always hold: what `StandardOutput` was given is on its way to the reader after `flush`,
// whole and in order; a reader that went away ends the program quietly, as it does for cat(1).

import ByteBuffers

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

enum StandardError {
  static let isTerminal = isatty(STDERR_FILENO) == 1

  static func line(_ text: String) { write(text + "\n") }

  /// Replaces the line that the terminal shows; nothing where there is no terminal.
  static func progress(_ text: String) {
    if isTerminal { write("\r\u{1B}[K" + text) }
  }

  private static func write(_ text: String) {
    let bytes = Array(text.utf8)
    unsafe bytes.withUnsafeBytes { unsafe writeAll(STDERR_FILENO, $0) }
  }
}

/// Gathers output and writes it in large pieces.
struct StandardOutput: ~Copyable {
  private var buffer = ByteWriter(capacity: 256 << 10)

  mutating func write(_ bytes: RawSpan) {
    buffer.bytes(bytes)
    if buffer.count >= 192 << 10 { flush() }
  }

  mutating func byte(_ byte: UInt8) { buffer.u8(byte) }

  mutating func write(_ text: String) {
    let utf8 = Array(text.utf8)
    unsafe write(utf8.span.bytes)
  }

  /// A number in decimal, without making a string of it.
  mutating func number(_ value: UInt64) {
    var digits: InlineArray<20, UInt8> = .init(repeating: 0)
    var position = 20
    var rest = value
    repeat {
      position -= 1
      digits[position] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    } while rest > 0
    for i in position..<20 { buffer.u8(digits[i]) }
  }

  mutating func flush() {
    unsafe buffer.span.withUnsafeBytes { unsafe writeAll(STDOUT_FILENO, $0) }
    buffer.truncate(to: 0)
  }
}

enum StandardInput {
  /// What has arrived, at most `count` bytes; empty at the end of the input.
  static func next(_ count: Int) throws -> Bytes {
    var writer = ByteWriter(capacity: count)
    try unsafe writer.appendUninitialized(limit: count) { room throws in
      while true {
        let got = unsafe read(STDIN_FILENO, room.baseAddress, room.count)
        if got >= 0 { return got }
        if errno != EINTR { throw InputError(errno: errno) }
      }
    }
    return writer.finish()
  }
}

/// Standard input could not be read.
struct InputError: Error, CustomStringConvertible {
  let errno: Int32
  var description: String {
    unsafe "cannot read standard input: \(String(cString: strerror(errno)))"
  }
}

private func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) {
  var done = 0
  while done < bytes.count {
    let put = unsafe write(descriptor, bytes.baseAddress! + done, bytes.count - done)
    if put < 0 {
      if errno == EINTR { continue }
      // Nobody reads any more; there is nobody to tell either.
      exit(descriptor == STDOUT_FILENO ? 5 : 0)
    }
    done += put
  }
}
