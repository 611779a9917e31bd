// POSIXFile: an open file. Short reads, short writes and EINTR end here.

import ByteBuffers
private import CPOSIX
import Synchronization
import SystemPackage

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif

final class POSIXFile: StorageFile {
  private let descriptor: Int32
  private let path: String
  /// A second descriptor with O_DIRECT, for large writes: -1 not opened yet, -2 not possible here.
  private let direct = Atomic<Int32>(-1)

  /// From this size on a write of whole pages goes around the page cache: a tenth faster for one page,
  /// five times for a mebibyte.
  private static let directBytesMin = 4 << 10

  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    let second = direct.load(ordering: .relaxed)
    if second >= 0 { _ = close(second) }
    _ = close(descriptor)
  }

  func read(_ count: Int, at offset: Int) throws(StorageError) -> Bytes {
    var writer = ByteWriter(capacity: count)
    try unsafe writer.appendUninitialized(limit: count) {
      (room: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int in
      var done = 0
      while done < count {
        let got = unsafe pread(
          descriptor, room.baseAddress! + done, count - done, off_t(offset + done))
        if got == 0 { break }
        if got < 0 {
          let reason = lastError()
          if reason == .interrupted { continue }
          throw StorageError(.read, path: path, errno: reason, offset: offset + done)
        }
        done += got
      }
      return done
    }
    return writer.finish()
  }

  func write(_ bytes: Bytes, at offset: Int) throws(StorageError) {
    if bytes.count >= Self.directBytesMin, offset % 4096 == 0, bytes.count % 4096 == 0,
      try writeDirectly(bytes, at: offset)
    {
      return
    }
    try write(bytes, at: offset, through: descriptor)
  }

  private func write(
    _ bytes: Bytes, at offset: Int, through descriptor: Int32
  ) throws(StorageError) {
    try unsafe bytes.span.withUnsafeBytes { (source) throws(StorageError) in
      var done = 0
      while done < source.count {
        let put = unsafe pwrite(
          descriptor, source.baseAddress! + done, source.count - done, off_t(offset + done))
        if put < 0 {
          let reason = lastError()
          if reason == .interrupted { continue }
          throw StorageError(.write, path: path, errno: reason, offset: offset + done)
        }
        // Nothing written and no reason: to try again might go on for ever.
        if put == 0 {
          throw StorageError(.write, path: path, errno: .ioError, offset: offset + done)
        }
        done += put
      }
    }
  }

  /// Writes around the page cache; false where the file system will not have it.
  private func writeDirectly(_ bytes: Bytes, at offset: Int) throws(StorageError) -> Bool {
    let second = directDescriptor()
    guard second >= 0 else { return false }
    do {
      try write(bytes, at: offset, through: second)
      return true
    } catch  where error.errno == .invalidArgument {
      // Alignment that this device does not take: the page cache takes everything.
      return false
    }
  }

  private func directDescriptor() -> Int32 {
    let known = direct.load(ordering: .acquiring)
    if known != -1 { return known }
    let flag = raftlog_o_direct()
    var opened: Int32 = -2
    if flag != 0 {
      // Through /proc the same file is opened even if it was renamed since.
      opened = unsafe open("/proc/self/fd/\(descriptor)", O_RDWR | O_CLOEXEC | flag)
      if opened < 0 { opened = -2 }
    }
    let (exchanged, current) = direct.compareExchange(
      expected: -1, desired: opened, ordering: .acquiringAndReleasing)
    if exchanged { return opened }
    if opened >= 0 { _ = close(opened) }
    return current
  }

  func sync() throws(StorageError) {
    _ = try retrying(.sync, path) {
      #if canImport(Darwin)
        fcntl(descriptor, F_FULLFSYNC)
      #else
        fdatasync(descriptor)
      #endif
    }
  }

  func size() throws(StorageError) -> Int {
    var status = stat()
    _ = try retrying(.stat, path) { unsafe fstat(descriptor, &status) }
    return Int(status.st_size)
  }

  func truncate(to size: Int) throws(StorageError) {
    _ = try retrying(.truncate, path) { ftruncate(descriptor, off_t(size)) }
  }

  func extendWithZeros(to size: Int) throws(StorageError) {
    let start = try self.size()
    guard size > start else { return }
    // Reserve first: a disk without room says so at once, not after half of the zeros.
    if raftlog_fallocate(descriptor, off_t(start), off_t(size - start)) != 0 {
      let reason = lastError()
      guard reason == .notSupported || reason == .interrupted else {
        throw StorageError(.allocate, path: path, errno: reason, offset: start)
      }
    }
    let piece = ZeroBytes.shared
    var offset = start
    while offset < size {
      let count = min(piece.count, size - offset)
      try write(piece[0..<count], at: offset)
      offset += count
    }
  }
}

/// Zeros, made once. Larger pieces would be a little faster, and a sync that comes behind one would wait
/// for it.
private enum ZeroBytes {
  static let shared: Bytes = {
    var writer = ByteWriter(capacity: 256 << 10)
    writer.fill(0, count: 256 << 10)
    return writer.finish()
  }()
}
