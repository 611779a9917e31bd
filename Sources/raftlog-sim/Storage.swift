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
      sequence of three operations is run; otherwise sequences are drawn from the seed. What a \
      seed finds does not depend on the number of threads. Seeds 1-20 are run unless others are \
      named.
      """)

  @OptionGroup var chosen: SeedOptions

  @Flag(help: "Run every sequence of three operations under each seed.")
  var exhaustive = false

  @Option(
    help: "With --exhaustive: only part K of N of the sequences; all of them are in some part.")
  var part: Part?

  @Flag(
    help: "Fail every call to the disk, one after the other, and fill it up, in place of crashes.")
  var faults = false

  @Option(help: "Sequences drawn a seed.")
  var sequences = 40

  @Option(
    help: "Begin no further seed once this many states, distinct over all seeds, were recovered.")
  var states: Int?

  @Option(help: "Fail below this many states, distinct over all seeds.")
  var atLeast = 0

  @Option(help: "Threads to run on.")
  var threads = 2

  func validate() throws {
    guard threads >= 1, threads <= 64 else {
      throw ValidationError("--threads takes 1 to 64, not \(threads).")
    }
    guard !exhaustive || !faults else {
      throw ValidationError("--exhaustive and --faults are two explorations: run one of them.")
    }
    guard part == nil || exhaustive else {
      throw ValidationError("--part is for --exhaustive.")
    }
    guard sequences >= 1 else {
      throw ValidationError("--sequences takes 1 or more, not \(sequences).")
    }
  }

  func run() throws {
    let seeds = chosen.range(upTo: 20)
    let total = Mutex(StorageReport())
    let next = Mutex<Piece?>(Piece(seed: seeds.lowerBound, number: 0))
    let clock = ContinuousClock()
    let start = clock.now
    let progress = Progress(seeds: seeds)
    try runThreads(threads) { _ in
      while let piece = next.withLock({ next in takePiece(&next, seeds, total) }) {
        let report = explore(piece, progress)
        total.withLock { sum in
          sum.add(report)
          progress.count(states: sum.states)
        }
      }
    }
    progress.clear()
    let report = total.withLock { $0 }
    show(report, took: clock.now - start)
    guard report.failures.isEmpty else { throw ExitCode(1) }
    guard faults ? report.faults > 0 : report.sequences > 0 else {
      print("nothing was explored")
      throw ExitCode(1)
    }
    guard report.states >= atLeast else {
      print("only \(report.states) distinct states, \(atLeast) were asked for")
      throw ExitCode(1)
    }
  }

  /// A part of a seed's sequences, with an explorer of its own.
  private struct Piece {
    var seed: UInt64
    var number: Int
  }

  /// Into how many pieces a seed is cut, however many threads there are: what a piece finds depends
  /// on nothing but the seed and the piece.
  private var piecesPerSeed: Int { exhaustive ? 16 : 1 }

  /// The next piece to explore; nil when there is none, or enough was seen. What was begun of a seed
  /// is finished, unless something was found.
  private func takePiece(
    _ next: inout Piece?, _ seeds: ClosedRange<UInt64>, _ total: borrowing Mutex<StorageReport>
  ) -> Piece? {
    guard let piece = next else { return nil }
    let (seen, failures) = total.withLock { ($0.states, $0.failures.count) }
    if failures >= 5 { return nil }
    if piece.number == 0, let states, seen >= states { return nil }
    if piece.number + 1 < piecesPerSeed {
      next = Piece(seed: piece.seed, number: piece.number + 1)
    } else {
      next = piece.seed < seeds.upperBound ? Piece(seed: piece.seed + 1, number: 0) : nil
    }
    return piece
  }

  private func explore(_ piece: Piece, _ progress: Progress) -> StorageReport {
    let explorer = StorageExplorer(seed: piece.seed)
    if exhaustive {
      let part = part ?? Part.whole
      let count = StorageExplorer.sequencesOfThree
      for number in stride(from: piece.number, to: count, by: piecesPerSeed)
      where part.holds(number / piecesPerSeed) {
        explorer.explore(StorageExplorer.sequence(number))
        progress.count(sequenceOf: piece.seed)
        if explorer.report.failures.count >= 5 { break }
      }
    } else if faults {
      for _ in 0..<sequences {
        explorer.exploreFaults(explorer.randomSequence())
        explorer.exploreFaults(explorer.randomSequence(), finishesEach: false)
        explorer.exploreSpace(explorer.spaceSequence())
        progress.count(sequenceOf: piece.seed)
        if explorer.report.failures.count >= 5 { break }
      }
    } else {
      for _ in 0..<sequences {
        explorer.explore(explorer.randomSequence())
        progress.count(sequenceOf: piece.seed)
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

/// K/N on the command line: part K of N, from 1 on.
struct Part: ExpressibleByArgument {
  var number: Int
  var count: Int

  static let whole = Part(number: 1, count: 1)

  init(number: Int, count: Int) {
    self.number = number
    self.count = count
  }

  init?(argument: String) {
    let words = argument.split(separator: "/", omittingEmptySubsequences: false)
    guard words.count == 2, let number = Int(words[0]), let count = Int(words[1]),
      number >= 1, number <= count
    else { return nil }
    self.init(number: number, count: count)
  }

  func holds(_ i: Int) -> Bool { i % count == number - 1 }
}

/// A line on a terminal that says how far a run has come; nothing anywhere else.
private final class Progress: Sendable {
  private struct Counts {
    var sequences = 0
    var states = 0
  }

  private let seeds: ClosedRange<UInt64>
  private let counts = Mutex(Counts())
  private let isTerminal = isatty(STDERR_FILENO) == 1

  init(seeds: ClosedRange<UInt64>) { self.seeds = seeds }

  /// One more sequence was run.
  func count(sequenceOf seed: UInt64) {
    counts.withLock { counts in
      counts.sequences += 1
      guard isTerminal else { return }
      show(
        "\r\u{1B}[Kseed \(seed) of \(seeds.lowerBound)-\(seeds.upperBound), "
          + "\(counts.sequences) sequences, \(counts.states) states")
    }
  }

  /// So many distinct states there are; known when a piece is finished.
  func count(states: Int) { counts.withLock { $0.states = states } }

  func clear() {
    if isTerminal { show("\r\u{1B}[K") }
  }

  private func show(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
