// Machine: clocks, and what this process and everybody else took of the machine.
//
// What must always hold: what cannot be found out is nil, never a number that looks measured.

import CPOSIX
import SystemPackage

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

enum Clock {
  /// Time by a clock that only goes forward.
  static var nanoseconds: UInt64 { read(CLOCK_MONOTONIC) }

  fileprivate static func read(_ clock: clockid_t) -> UInt64 {
    var now = timespec()
    unsafe clock_gettime(clock, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }
}

/// Processor time of all threads of this process, the kernel's work for them included.
enum OwnTime {
  static var nanoseconds: UInt64 { Clock.read(CLOCK_PROCESS_CPUTIME_ID) }

  /// That of the processes that it started and that have ended.
  fileprivate static var childrenNanoseconds: UInt64 {
    var usage = rusage()
    #if canImport(Glibc)
      let who = RUSAGE_CHILDREN.rawValue
    #else
      let who = RUSAGE_CHILDREN
    #endif
    guard unsafe getrusage(who, &usage) == 0 else { return 0 }
    return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
  }

  private static func nanoseconds(_ time: timeval) -> UInt64 {
    UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_usec) * 1000
  }
}

/// The most memory that was resident.
enum PeakMemory {
  /// Begins a new peak at what is resident now, where the system lets a process do that.
  static func reset() {
    // Linux: 5 resets the high-water mark (proc(5), clear_refs).
    let path = FilePath("/proc/self/clear_refs")
    guard let file = try? FileDescriptor.open(path, .writeOnly) else { return }
    _ = try? file.closeAfter { try file.writeAll("5".utf8) }
  }

  static var bytes: UInt64 {
    // Unlike getrusage's, this mark neither remembers what was before a reset nor the process that
    // started this one.
    for line in ProcFile.lines("/proc/self/status") where line.hasPrefix("VmHWM:") {
      let kibibytes = line.split(separator: " ").compactMap { UInt64($0) }.first
      if let kibibytes { return kibibytes << 10 }
    }
    return raftlog_peak_resident_bytes()
  }
}

/// The disk that a directory is on.
struct Disk {
  /// Its number as /proc/diskstats has it; nil where there is no such thing.
  private let number: (major: UInt64, minor: UInt64)?

  init(of directory: String) {
    var status = stat()
    guard unsafe stat(directory, &status) == 0 else {
      number = nil
      return
    }
    #if os(Linux)
      // makedev(3): twelve bits of the major number lie between the minor one's.
      let device = UInt64(status.st_dev)
      number = (
        (device >> 8 & 0xFFF) | (device >> 32 & ~0xFFF), (device & 0xFF) | (device >> 12 & ~0xFF)
      )
    #else
      number = nil
    #endif
  }

  /// Bytes that others than this process have written to it since the machine was started; only
  /// differences mean anything.
  fileprivate var bytesByOthers: Int64? {
    guard let number else { return nil }
    for line in ProcFile.lines("/proc/diskstats") {
      // major minor name, reads: done merged sectors time, writes: done merged sectors ...
      let fields = line.split(separator: " ")
      guard fields.count > 9, UInt64(fields[0]) == number.major, UInt64(fields[1]) == number.minor,
        let sectors = Int64(fields[9]), let own = Self.ownBytes
      else { continue }
      return sectors * 512 - own
    }
    return nil
  }

  private static var ownBytes: Int64? {
    for line in ProcFile.lines("/proc/self/io") where line.hasPrefix("write_bytes:") {
      return line.split(separator: " ").last.flatMap { Int64($0) }
    }
    return nil
  }
}

/// What the whole machine has done, at one moment.
struct MachineTime {
  private var nanoseconds: UInt64
  private var own: UInt64
  /// Busy and stolen time, in ticks; nil where the system does not say.
  private var ticks: (busy: UInt64, stolen: UInt64)?
  private var bytesByOthers: Int64?

  static func now(_ disk: Disk) -> MachineTime {
    MachineTime(
      nanoseconds: Clock.nanoseconds, own: OwnTime.nanoseconds + OwnTime.childrenNanoseconds,
      ticks: readTicks(), bytesByOthers: disk.bytesByOthers)
  }

  /// The first line of /proc/stat: user nice system idle iowait irq softirq steal.
  private static func readTicks() -> (busy: UInt64, stolen: UInt64)? {
    guard let line = ProcFile.lines("/proc/stat").first, line.hasPrefix("cpu ") else { return nil }
    let values = line.split(separator: " ").compactMap { UInt64($0) }
    guard values.count >= 8 else { return nil }
    return (values[0] + values[1] + values[2] + values[5] + values[6], values[7])
  }

  /// What others took since `start`.
  func use(since start: MachineTime) -> MachineUse {
    let elapsed = Double(max(nanoseconds - start.nanoseconds, 1))
    var use = MachineUse()
    if let ticks, let before = start.ticks {
      let tick = 1e9 / Double(max(sysconf(Int32(_SC_CLK_TCK)), 1))
      let busy = Double(ticks.busy - before.busy) * tick
      use.othersCores = max(0, busy - Double(own - start.own)) / elapsed
      use.stolenCores = Double(ticks.stolen - before.stolen) * tick / elapsed
    }
    if let bytesByOthers, let before = start.bytesByOthers {
      use.othersWrittenBytesPerSecond = Double(max(0, bytesByOthers - before)) * 1e9 / elapsed
    }
    return use
  }
}

/// How much of the machine others used, in processors and in bytes; nil where the system does not
/// say.
struct MachineUse {
  /// Other processes, and the kernel on nobody's account (writing back, interrupts).
  var othersCores: Double?
  /// The hypervisor.
  var stolenCores: Double?
  /// To the disk that is measured: other processes, and the file system's own records.
  var othersWrittenBytesPerSecond: Double?
}

/// Waits until what was asked of the disk is done.
enum Quiet {
  private static let stepMilliseconds: Int32 = 20
  /// A log that is let alone is done long before.
  private static let stepsMax = 500

  /// Returns once this process has written nothing for two steps. Where the system does not count
  /// that, three steps have to do.
  static func wait() {
    var last: [Substring]?
    var same = 0
    for _ in 0..<stepsMax where same < 2 {
      // poll(2) on nothing: gives the processor away for so long.
      _ = poll(nil, 0, stepMilliseconds)
      let now = ProcFile.lines("/proc/self/io").filter { $0.contains("write_bytes") }
      same = now == last ? same + 1 : 0
      last = now
    }
  }
}

/// Files in which Linux tells about itself.
private enum ProcFile {
  /// The lines of a file; none if it cannot be read.
  static func lines(_ path: String) -> [Substring] {
    guard let file = try? FileDescriptor.open(FilePath(path), .readOnly) else { return [] }
    let bytes = try? file.closeAfter { try read(file) }
    return String(decoding: bytes ?? [], as: UTF8.self).split(separator: "\n")
  }

  private static func read(_ file: FileDescriptor) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
      if count == 0 { return bytes }
      bytes += buffer.prefix(count)
    }
  }
}

/// Why the last system call of this thread failed.
enum SystemError {
  static var last: Errno { Errno(rawValue: errno) }
}
