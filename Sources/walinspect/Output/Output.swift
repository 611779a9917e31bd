// Output: bytes on their way to standard output or a file, gathered into large writes.
//
// What must always hold: nothing counts as printed before `flush`; memory is bounded by one buffer
// and one line.

import ByteBuffers
import SystemPackage

struct Output: ~Copyable {
  private let descriptor: FileDescriptor
  /// What it is, for the message that says that it failed.
  private let name: String
  private var buffer: [UInt8] = []

  private static let bufferBytes = 64 << 10

  init(_ descriptor: FileDescriptor, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  static var standard: Output { Output(.standardOutput, name: "standard output") }

  mutating func line(_ text: String = "") throws(Failure) {
    buffer += text.utf8
    try endLine()
  }

  mutating func line(_ bytes: Bytes) throws(Failure) {
    buffer += bytes.array
    try endLine()
  }

  mutating func line(_ json: consuming JSONWriter) throws(Failure) {
    buffer += json.finish()
    try endLine()
  }

  private mutating func endLine() throws(Failure) {
    buffer.append(UInt8(ascii: "\n"))
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  /// Hands everything to the system.
  mutating func flush() throws(Failure) {
    guard !buffer.isEmpty else { return }
    defer { buffer.removeAll(keepingCapacity: true) }
    do {
      try descriptor.writeAll(buffer)
    } catch {
      throw Failure(
        .inputOutput, "cannot write to \(name): \(error); what was printed is incomplete")
    }
  }

  /// A line on standard error.
  static func complain(_ message: String) {
    // Where standard error is gone there is nobody left to tell.
    _ = try? FileDescriptor.standardError.writeAll("walinspect: \(Wording.escaped(message))\n".utf8)
  }
}
