// A directory of a test's own, gone with it.

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

final class TemporaryDirectory {
  let path: String

  init() {
    var template = Array("/tmp/raftlog-test-XXXXXX".utf8CString)
    path = unsafe template.withUnsafeMutableBufferPointer { buffer in
      let made = unsafe mkdtemp(buffer.baseAddress!)
      precondition(unsafe made != nil, "no temporary directory")
      return unsafe String(cString: made!)
    }
  }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    guard let stream = unsafe opendir(path) else { return }
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      if unsafe unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
    }
    unsafe closedir(stream)
    _ = unsafe rmdir(path)
  }
}
