// Output: bytes on their way to standard output or a file, gathered into large writes.
//
// What must always hold: nothing counts as printed before `flush`; memory is bounded by one buffer
// and one line.

package import ByteBuffers
package import SystemPackage

package struct Output: ~Copyable {
  private let descriptor: FileDescriptor
  /// What it is, for the message that says that it failed.
  private let name: String
  private var buffer = ByteWriter(capacity: Self.bufferBytes)

  private static let bufferBytes = 64 << 10

  /// - Parameter name: what messages call it.
  package init(_ descriptor: FileDescriptor, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  package static var standard: Output { Output(.standardOutput, name: "standard output") }

  /// `text` and the line's end.
  package mutating func line(_ text: String = "") throws(OutputError) {
    let utf8 = Array(text.utf8)
    try unsafe line(utf8.span.bytes)
  }

  package mutating func line(_ bytes: Bytes) throws(OutputError) { try line(bytes.span) }

  package mutating func line(_ json: consuming JSONWriter) throws(OutputError) {
    let bytes = json.finish()
    try unsafe line(bytes.span.bytes)
  }

  package mutating func line(_ bytes: RawSpan) throws(OutputError) {
    buffer.bytes(bytes)
    try endLine()
  }

  /// A number in decimal, without making a string of it.
  package mutating func line(_ number: UInt64) throws(OutputError) {
    var digits: InlineArray<20, UInt8> = .init(repeating: 0)
    var position = 20
    var rest = number
    repeat {
      position -= 1
      digits[position] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    } while rest > 0
    for i in position..<20 { buffer.u8(digits[i]) }
    try endLine()
  }

  private mutating func endLine() throws(OutputError) {
    buffer.u8(UInt8(ascii: "\n"))
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  /// Hands everything to the system. What it did not take is not tried again.
  package mutating func flush() throws(OutputError) {
    defer { buffer.truncate(to: 0) }
    do {
      try StandardStreams.write(buffer.span, to: descriptor.rawValue)
    } catch {
      throw OutputError(name: name, errno: Errno(rawValue: error.errno))
    }
  }
}

/// What was printed did not all arrive.
package struct OutputError: Error, Hashable, Sendable {
  /// Where it was on its way to.
  package let name: String
  /// The system's reason.
  package let errno: Errno

  /// Nobody reads any more: no failure, and nothing to tell anybody.
  package var isAbandoned: Bool { errno == .brokenPipe }
}

extension OutputError: CustomStringConvertible {
  package var description: String {
    "cannot write to \(name): \(errno); what was printed is incomplete"
  }
}
