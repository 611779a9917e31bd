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

  /// What is no regular file has a name all the same, and a name that is not UTF-8 is one.
  @Test func everythingIsListedByItsKind() throws {
    let place = TemporaryDirectory()
    let directory = try POSIXDirectory(path: place.path)
    try directory.open("file", .create).extendWithZeros(to: 5)
    try directory.makeDirectory("directory")
    #expect(unsafe symlink("file", "\(place.path)/link") == 0)
    #expect(unsafe mkfifo("\(place.path)/pipe", 0o600) == 0)
    let expected = [
      FileInfo(name: "directory", size: 0, kind: .directory), FileInfo(name: "file", size: 5),
      FileInfo(name: "link", size: 0, kind: .symbolicLink),
      FileInfo(name: "pipe", size: 0, kind: .other),
    ]
    #expect(try directory.list() == expected)
    #expect(try directory.list().map(\.isRegular) == [false, true, false, false])
  }

  #if os(Linux)
    /// Not asked for by its repaired name, which no file has.
    @Test func aNameThatIsNotUTF8IsListed() throws {
      let place = TemporaryDirectory()
      let name = Array("\(place.path)/caf".utf8CString.dropLast()) + [CChar(bitPattern: 0xE9), 0]
      let descriptor = unsafe name.withUnsafeBufferPointer {
        unsafe open($0.baseAddress!, O_WRONLY | O_CREAT, 0o600)
      }
      try #require(descriptor >= 0)
      #expect(unsafe write(descriptor, "text", 4) == 4)
      close(descriptor)
      let files = try POSIXDirectory(path: place.path).list()
      #expect(files == [FileInfo(name: "caf\u{FFFD}", size: 4)])
      // The directory's own removal goes by repaired names too.
      unsafe name.withUnsafeBufferPointer { _ = unsafe unlink($0.baseAddress!) }
    }
  #endif

  /// Nobody waits for the other end of a pipe, nobody takes a lock that is none, and nobody holds it.
  @Test(arguments: [
    (S_IFIFO, Errno.noSuchAddressOrDevice), (S_IFDIR, .isDirectory),
    (S_IFLNK, .tooManySymbolicLinkLevels),
  ])
  func aLockThatIsNoFileIsAnError(kind: mode_t, errno: Errno) throws {
    let place = TemporaryDirectory()
    let path = "\(place.path)/LOCK"
    switch kind {
    case S_IFIFO: #expect(unsafe mkfifo(path, 0o600) == 0)
    case S_IFDIR: #expect(unsafe mkdir(path, 0o700) == 0)
    default: #expect(unsafe symlink("elsewhere", path) == 0)
    }
    let directory = try POSIXDirectory(path: place.path)
    #expect(try !directory.isLocked())
    let error = #expect(throws: StorageError.self) { try directory.lock() }
    #expect(error == StorageError(.lock, path: path, errno: errno))
    #expect(error?.isLocked == false)
    #expect(error?.description.contains("move it away") == true)
    #expect(!(try directory.list().contains { $0.name == "elsewhere" }))
  }
}
