// POSIXDirectory on a real file system: what its calls do that the simulated disk takes for granted.

import StorageIO
import SystemPackage
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
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

  @Test func missingParentsAreMade() throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/a/b/log"
    try POSIXDirectory(path: path, create: true).makeDirectory("quarantine")
    // And a directory that is there is taken as it is.
    let again = try POSIXDirectory(path: path, create: true)
    #expect(throws: Never.self) { try again.sync("quarantine") }
  }
}
