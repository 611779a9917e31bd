// StandardInput: what arrives, and a way to stop waiting for more.
//
// What must always hold: once it was stopped, nothing more is read, however much is there.

package import ByteBuffers
import SystemPackage

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

package final class StandardInput: Sendable {
  /// A pipe that has something to read once the input was stopped.
  private let bell: (readEnd: FileDescriptor, writeEnd: FileDescriptor)

  package init() throws(InputError) {
    do {
      let pipe = try FileDescriptor.pipe()
      bell = (pipe.readEnd, pipe.writeEnd)
    } catch {
      throw InputError(reason: "\(error)")
    }
  }

  deinit {
    try? bell.readEnd.close()
    try? bell.writeEnd.close()
  }

  /// Ends the wait for more, now and for ever. From any thread; calling it again does nothing more.
  package func stop() {
    _ = try? bell.writeEnd.writeAll([0])
  }

  /// What has arrived, at most `count` bytes: empty at the end of the input, nil once it was stopped.
  /// Waits until there is something.
  package func next(_ count: Int) throws(InputError) -> Bytes? {
    while try waitForMore() {
      var writer = ByteWriter(capacity: count)
      var failure: Int32 = 0
      unsafe writer.appendUninitialized(limit: count) { room in
        let got = unsafe read(STDIN_FILENO, room.baseAddress, room.count)
        failure = got < 0 ? errno : 0
        return max(got, 0)
      }
      if failure == 0 { return writer.finish() }
      if failure != EINTR && failure != EAGAIN { throw InputError(failure) }
    }
    return nil
  }

  /// False once the input was stopped.
  private func waitForMore() throws(InputError) -> Bool {
    var waiting = [
      pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
      pollfd(fd: bell.readEnd.rawValue, events: Int16(POLLIN), revents: 0),
    ]
    while unsafe poll(&waiting, nfds_t(waiting.count), -1) < 0 {
      if errno != EINTR { throw InputError(errno) }
    }
    return waiting[1].revents == 0
  }
}

/// Standard input could not be read.
package struct InputError: Error, CustomStringConvertible {
  let reason: String

  init(reason: String) { self.reason = reason }

  fileprivate init(_ number: Int32) { reason = "\(Errno(rawValue: number))" }

  package var description: String {
    "cannot read standard input: \(reason); what was read before is kept: see to the input, and give "
      + "what is left of it again"
  }
}
