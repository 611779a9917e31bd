// StandardStreams: the three streams that a program is given, made safe before it opens anything.
//
// What must always hold: no file of a log ever gets the number of a standard stream, so that nothing
// that is printed ends up in somebody's data; a reader that went away is a failed write, and never
// the end of a program in the middle of its work.

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

package enum StandardStreams {
  /// To be called before anything is opened and before there are other threads.
  package static func prepare() {
    // A file that is opened gets the lowest number that is free: that of a stream which was closed.
    // What is opened in its place fails when it is used, as the closed stream would.
    let substitutes = [
      (STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY),
    ]
    for (descriptor, access) in substitutes where fcntl(descriptor, F_GETFD) == -1 {
      _ = unsafe open("/dev/null", access)
    }
    _ = signal(SIGPIPE, SIG_IGN)
    // So is a file that may not grow any more.
    _ = signal(SIGXFSZ, SIG_IGN)
  }
}

extension StandardStreams {
  /// write(2) until everything is written. What a command prints that runs within another program
  /// is kept for whoever runs it.
  static func write(_ bytes: RawSpan, to descriptor: Int32) throws(StreamError) {
    if let surroundings = Surroundings.current, surroundings.take(bytes, for: descriptor) { return }
    try unsafe bytes.withUnsafeBytes { (source) throws(StreamError) in
      var done = 0
      while done < source.count {
        let put = unsafe Self.put(descriptor, source.baseAddress! + done, source.count - done)
        if put > 0 {
          done += put
        } else if put == 0 {
          throw StreamError(errno: EIO)
        } else if errno == EAGAIN {
          // Whoever shares the stream with us asked not to be made to wait; we do wait.
          wait(for: POLLOUT, on: descriptor)
        } else if errno != EINTR {
          throw StreamError(errno: errno)
        }
      }
    }
  }

  private static func put(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    #if canImport(Darwin)
      unsafe Darwin.write(descriptor, bytes, count)
    #elseif canImport(Musl)
      unsafe Musl.write(descriptor, bytes, count)
    #else
      unsafe Glibc.write(descriptor, bytes, count)
    #endif
  }

  /// poll(2) for one event on one descriptor.
  static func wait(for event: Int32, on descriptor: Int32) {
    var waiting = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    _ = unsafe poll(&waiting, 1, -1)
  }
}

/// The system's reason for a stream's failure.
struct StreamError: Error {
  let errno: Int32
}
