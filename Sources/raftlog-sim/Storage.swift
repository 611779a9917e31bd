// raftlog-sim storage: crashes a log at every change of its disk, and recovers what is left.

import ArgumentParser
import ProgramSupport
import Simulation
import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

struct Storage: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Explores what crashes leave of a log, and recovers all of it.",
    discussion: """
      Seed by seed, sequences of operations run on a simulated disk. Before every change of the disk \
      a crash is tried, with every (or, if they are many, a sample of every) combination of what \
      was not synced; what is left is recovered and held against a model. With --exhaustive every \
      sequence of three operations is run; otherwise sequences are drawn from the seed.
      """)

  @Option(help: "Seeds to run: one number, or FIRST-LAST.")
  var seeds: SeedRange = SeedRange(first: 1, last: 20)

  @Flag(help: "Run every sequence of three operations under each seed.")
  var exhaustive = false

  @Flag(
    help: "Fail every call to the disk, one after the other, and fill it up, in place of crashes.")
  var faults = false

  @Option(help: "Sequences drawn a seed.")
  var sequences = 40

  @Option(help: "Stop once this many states, distinct over all seeds, were recovered.")
  var states: Int?

  @Option(help: "Fail below this many states, distinct over all seeds.")
  var atLeast = 0

  @Option(help: "Threads to run on.")
  var threads = 2

  func validate() throws {
    guard threads >= 1, threads <= 64 else {
      throw ValidationError("--threads takes 1 to 64, not \(threads).")
    }
    guard sequences >= 0 else {
      throw ValidationError("--sequences takes a count, not \(sequences).")
    }
  }

  func run() throws {
    let total = Mutex(StorageReport())
    let next = Atomic<UInt64>(seeds.first)
    let clock = ContinuousClock()
    let start = clock.now
    let progress = Progress(first: seeds.first, last: seeds.last)
    try runThreads(threads) { _ in
      while true {
        let seed = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard seed <= seeds.last else { return }
        if let states, total.withLock({ $0.states >= states }) { return }
        if total.withLock({ $0.failures.count >= 5 }) { return }
        let report = explore(seed)
        let distinct = total.withLock { sum in
          sum.add(report)
          return sum.states
        }
        progress.show(seed: seed, states: distinct)
      }
    }
    progress.clear()
    let report = total.withLock { $0 }
    show(report, took: clock.now - start)
    guard report.failures.isEmpty else { throw ExitCode(1) }
    guard report.states >= atLeast else {
      print("only \(report.states) distinct states, \(atLeast) were asked for")
      throw ExitCode(1)
    }
  }

  private func explore(_ seed: UInt64) -> StorageReport {
    let explorer = StorageExplorer(seed: seed)
    if exhaustive {
      for number in 0..<StorageExplorer.sequencesOfThree {
        explorer.explore(StorageExplorer.sequence(number))
        if explorer.report.failures.count >= 5 { break }
      }
    } else if faults {
      for _ in 0..<sequences {
        explorer.exploreFaults(explorer.randomSequence())
        explorer.exploreFaults(explorer.randomSequence(), finishesEach: false)
        explorer.exploreSpace(explorer.spaceSequence())
        if explorer.report.failures.count >= 5 { break }
      }
    } else {
      for _ in 0..<sequences {
        explorer.explore(explorer.randomSequence())
        if explorer.report.failures.count >= 5 { break }
      }
    }
    return explorer.report
  }

  private func show(_ report: StorageReport, took: Duration) {
    for failure in report.failures { print("FOUND \(failure)") }
    let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
    print("sequences           \(report.sequences)")
    print("crash points        \(report.crashPoints)")
    print("distinct states     \(report.states)")
    print("  during recovery   \(report.statesInRecovery)")
    for fate in CrashFate.allCases {
      let name = "  \(fate)" + String(repeating: " ", count: max(0, 18 - fate.rawValue.count))
      print("\(name)\(report.fates[fate] ?? 0)")
    }
    print("racing compactions  \(report.compactionsBehindTruncation)")
    print("failed calls        \(report.faults)")
    print("  power cuts after  \(report.faultStates)")
    print("failures for space  \(report.failuresForSpace)")
    print("  appends after     \(report.appendsResumed)")
    print("findings            \(report.failures.count)")
    print("states a second     \(Int(Double(report.states) / max(seconds, 0.001)))")
    for (row, count) in report.verdicts.sorted(by: { $0.key < $1.key }) {
      print("  row @\(row)           \(count)")
    }
  }
}

/// A seed, or a range of them.
struct SeedRange: ExpressibleByArgument {
  var first: UInt64
  var last: UInt64

  init(first: UInt64, last: UInt64) {
    self.first = first
    self.last = last
  }

  init?(argument: String) {
    let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
    guard let first = parts.first.flatMap({ UInt64($0) }), parts.count <= 2 else { return nil }
    guard parts.count == 1 || (UInt64(parts[1]) ?? 0) >= first else { return nil }
    self.init(first: first, last: parts.count == 1 ? first : UInt64(parts[1])!)
  }

  var defaultValueDescription: String { "\(first)-\(last)" }
}

/// A line on a terminal that says how far a run has come; nothing anywhere else.
private final class Progress: Sendable {
  private let first: UInt64
  private let last: UInt64
  private let isTerminal = isatty(STDERR_FILENO) == 1

  init(first: UInt64, last: UInt64) {
    self.first = first
    self.last = last
  }

  func show(seed: UInt64, states: Int) {
    guard isTerminal else { return }
    show("\r\u{1B}[Kseed \(seed) of \(first)-\(last), \(states) states")
  }

  func clear() {
    if isTerminal { show("\r\u{1B}[K") }
  }

  private func show(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
