// TemporaryDirectory: a directory of a test's own, gone with it.
//
// What must always hold: what is removed lies below the directory that was made here; a link is
// removed, and never followed.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A new, empty directory in `$TMPDIR`, or in /tmp without that.
package final class TemporaryDirectory {
  package let path: String

  package init() {
    var template = Array("\(Self.parent)/raftlog-test-XXXXXX".utf8CString)
    path = unsafe template.withUnsafeMutableBufferPointer { buffer in
      let made = unsafe mkdtemp(buffer.baseAddress!)
      precondition(unsafe made != nil, "no temporary directory in \(Self.parent)")
      return unsafe String(cString: made!)
    }
  }

  deinit { Self.remove(path) }

  private static var parent: String {
    guard var path = EnvironmentVariable.value(of: "TMPDIR") else { return "/tmp" }
    while path.count > 1, path.last == "/" { path.removeLast() }
    return path.isEmpty ? "/tmp" : path
  }

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
