// AppendProbe: raw writes and syncs, as fast as this device takes them from one thread.
//
// What must always hold: each round measures both ways of writing, through the page cache and around
// it, and the better one is the ceiling, so that the log is never held against a slow probe.

import CProbe
import SystemPackage

struct AppendProbe {
  enum Mode: String, CaseIterable {
    case buffered, direct
  }

  struct Slice {
    var syncsPerSecond: Double
  }

  /// What the probe's slices came to.
  struct Measured {
    fileprivate(set) var slices: [Mode: [Slice]] = [:]
    fileprivate var latenciesByMode: [Mode: Latencies] = [:]

    /// Nil for a mode that this file system does not have.
    func median(_ mode: Mode) -> Double? {
      slices[mode].map { Samples.median($0.map(\.syncsPerSecond)) }
    }

    /// The mode that does more.
    var mode: Mode { median(.direct) ?? 0 > median(.buffered) ?? 0 ? .direct : .buffered }
    var better: [Slice] { slices[mode] ?? [] }
    var syncsPerSecond: Double { median(mode) ?? 0 }
    var latencies: Latencies { latenciesByMode[mode] ?? Latencies() }
  }

  private let path: String
  private let writeBytes: Int
  private var offset: UInt64 = 0
  private var isDirectPossible = true
  private(set) var measured = Measured()

  /// No device syncs faster than this.
  private static let latencyNanosecondsMin: UInt64 = 10_000

  init(path: String, writeBytes: Int) {
    self.path = path
    self.writeBytes = writeBytes
  }

  /// Makes the file that all probes write to.
  static func prepare(_ path: String, bytes: Int) throws(ProbeError) {
    try ProbeError.check(path, unsafe cprobe_prepare(path, UInt64(bytes)))
  }

  /// A slice of both modes, half of the time each.
  mutating func run(for nanoseconds: UInt64) throws(ProbeError) {
    for mode in Mode.allCases { try run(mode, for: nanoseconds / 2) }
  }

  private mutating func run(_ mode: Mode, for nanoseconds: UInt64) throws(ProbeError) {
    if mode == .direct, !isDirectPossible { return }
    var result = cprobe_result()
    let latenciesMax = Int(nanoseconds / Self.latencyNanosecondsMin) + 1
    var latencies = [UInt32](repeating: 0, count: latenciesMax)
    let status = unsafe latencies.withUnsafeMutableBufferPointer {
      unsafe cprobe_append(
        path, writeBytes, mode == .direct ? 1 : 0, .max, nanoseconds, &offset, $0.baseAddress,
        $0.count, &result)
    }
    do {
      try ProbeError.check(path, status)
    } catch  where mode == .direct && error.isUnsupported {
      isDirectPossible = false
      return
    }
    measured.slices[mode, default: []].append(
      Slice(syncsPerSecond: Double(result.operations) * 1e9 / Double(max(result.nanoseconds, 1))))
    for latency in latencies.prefix(Int(result.operations)) {
      measured.latenciesByMode[mode, default: Latencies()].add(UInt64(latency))
    }
  }
}

/// A probe that could not do its work.
struct ProbeError: Error, CustomStringConvertible {
  let path: String
  let errno: Errno

  var description: String { "the probe of \(path) failed: \(errno)" }

  /// O_DIRECT is not to be had here.
  var isUnsupported: Bool { errno == .invalidArgument || errno == .notSupported }

  /// Throws the reason of a call that returned a negative number.
  static func check(_ path: String, _ status: some SignedInteger) throws(ProbeError) {
    if status < 0 { throw ProbeError(path: path, errno: SystemError.last) }
  }
}
