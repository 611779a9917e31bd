// POSIXDirectory on a real file system: what its calls do that the simulated disk takes for granted.

import StorageIO
import SystemPackage
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin

  private let openFiles = RLIMIT_NOFILE
#else
  import Glibc

  private let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
#endif

@Suite struct POSIXDirectoryTests {
  #if os(Linux)
    /// `POSIXDirectory.init`, `syncParent`: a directory that may become a log's is relied on only once
    /// its own name is synced. The process file system has no directory that can be synced: fsync(2)
    /// of /proc answers EINVAL, and opening what lies in there says so. Without the sync it succeeds.
    @Test func theNameOfADirectoryIsSyncedWithIt() {
      let directory = TemporaryDirectory()
      let link = "\(directory.path)/link"
      #expect(unsafe symlink("/proc/self", link) == 0)
      for path in ["/proc/self", link] {
        let error = #expect(throws: StorageError.self) {
          try POSIXDirectory(path: path, create: true)
        }
        let expected = StorageError(
          .syncDirectory, path: "\(path)/..", errno: .invalidArgument)
        #expect(error == expected)
      }
      // Who only reads syncs nothing.
      #expect(throws: Never.self) { try POSIXDirectory(path: "/proc/self") }
    }
  #endif

  /// The same on any file system: with descriptors for one more file there is none for the directory
  /// above, and that is an error. In a process of its own, for the limit's sake.
  @Test func aParentThatCannotBeOpenedIsAnError() async {
    await #expect(processExitsWith: .success) {
      let directory = TemporaryDirectory()
      let path = "\(directory.path)/log"
      #expect(unsafe mkdir(path, 0o755) == 0)
      // The lowest number that is free: the directory gets it, and nothing else gets any.
      let free = unsafe open("/dev/null", O_RDONLY)
      #expect(free >= 0 && close(free) == 0)
      let old = limitOpenFiles(to: free + 1)
      let error = #expect(throws: StorageError.self) {
        try POSIXDirectory(path: path, create: true)
      }
      #expect(error == StorageError(.open, path: "\(path)/..", errno: .tooManyOpenFiles))
      #expect(throws: Never.self) { try POSIXDirectory(path: path) }
      // Or the temporary directory could not be removed.
      _ = limitOpenFiles(to: old)
      withExtendedLifetime(directory) {}
    }
  }

  @Test func missingParentsAreMade() throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/a/b/log"
    try POSIXDirectory(path: path, create: true).makeDirectory("quarantine")
    // And a directory that is there is taken as it is.
    let again = try POSIXDirectory(path: path, create: true)
    #expect(throws: Never.self) { try again.sync("quarantine") }
  }
}

/// No descriptor of this process is `number` or higher from now on; returns the limit that was.
private func limitOpenFiles(to number: Int32) -> Int32 {
  var limit = rlimit()
  #expect(unsafe getrlimit(openFiles, &limit) == 0)
  let old = limit.rlim_cur
  limit.rlim_cur = rlim_t(number)
  #expect(unsafe setrlimit(openFiles, &limit) == 0)
  return Int32(clamping: old)
}
