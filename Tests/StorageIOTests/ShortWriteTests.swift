// ShortWriteTests: a write that the system cuts short on a real file.

import ByteBuffers
import StorageIO
import SystemPackage
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin

  private let fileSize = RLIMIT_FSIZE
#else
  import Glibc

  private let fileSize = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
#endif

@Suite struct ShortWriteTests {
  /// A limit on file sizes makes pwrite(2) write up to the limit and say so; only the call behind it
  /// fails. In a process of its own, which the limit ends with.
  @Test func aShortWriteIsContinuedAndItsErrorIsMet() async {
    await #expect(processExitsWith: .success) {
      _ = signal(SIGXFSZ, SIG_IGN)
      #expect(limitFiles(to: 6000))
      let directory = TemporaryDirectory()
      let file = try POSIXDirectory(path: directory.path).open("file", .create)
      let bytes = Bytes([UInt8](repeating: 0xA5, count: 8192))
      let error = #expect(throws: StorageError.self) { try file.write(bytes, at: 0) }
      #expect(error?.errno == .fileTooLarge && error?.offset == 6000)
      #expect(try file.size() == 6000)
    }
  }
}

/// No file of this process grows beyond so many bytes; false if the system refuses.
private func limitFiles(to bytes: UInt) -> Bool {
  var limit = rlimit()
  guard unsafe getrlimit(fileSize, &limit) == 0 else { return false }
  limit.rlim_cur = rlim_t(bytes)
  return unsafe setrlimit(fileSize, &limit) == 0
}
