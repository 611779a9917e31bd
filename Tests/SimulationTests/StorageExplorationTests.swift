// Crashes, failures and rot, at a size that fits a test run. `raftlog-sim` runs the same at any size.

import LogStorage
import Simulation
import StorageIO
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

@Suite struct StorageExplorationTests {
  /// A slice of all sequences of three operations under each seed; four seeds cover sync modes,
  /// compression and segment sizes. Below the floor the exploration itself is broken.
  @Test(arguments: UInt64(1)...4)
  func sequencesOfThreeSurviveEveryCrash(seed: UInt64) {
    var exploration = StorageExploration()
    exploration.imagesPerPoint = 40
    let explorer = StorageExplorer(seed: seed, exploration: exploration)
    for number in stride(from: Int(seed), to: StorageExplorer.sequencesOfThree, by: 31) {
      explorer.explore(StorageExplorer.sequence(number))
    }
    let report = explorer.report
    #expect(report.failures.isEmpty, "\(report.failures)")
    #expect(report.states >= 5_000, "only \(report.states) distinct states")
    #expect(report.statesInRecovery >= 500, "only \(report.statesInRecovery) during recovery")
  }

  @Test(arguments: UInt64(11)...14)
  func longerSequencesSurviveEveryCrash(seed: UInt64) {
    var exploration = StorageExploration()
    exploration.imagesPerPoint = 40
    let explorer = StorageExplorer(seed: seed, exploration: exploration)
    for _ in 0..<4 { explorer.explore(explorer.randomSequence()) }
    #expect(explorer.report.failures.isEmpty, "\(explorer.report.failures)")
    #expect(explorer.report.states >= 1_000, "only \(explorer.report.states) distinct states")
  }

  /// Gone through in order, the first images of a point with many pending sectors have each sector
  /// as it was or as it should be. Drawn, those that read as zeros or as garbage are among them.
  @Test(arguments: UInt64(1)...4)
  func everyFateOfASectorIsMetAndSurvived(seed: UInt64) {
    var exploration = StorageExploration()
    exploration.imagesPerPoint = 12
    exploration.drawsImages = true
    let explorer = StorageExplorer(seed: seed, exploration: exploration)
    for number in stride(from: Int(seed) * 13, to: StorageExplorer.sequencesOfThree, by: 61) {
      explorer.explore(StorageExplorer.sequence(number))
    }
    let report = explorer.report
    #expect(report.failures.isEmpty, "\(report.failures)")
    for fate in CrashFate.allCases {
      #expect(report.fates[fate, default: 0] > 0, "no image shows the fate \(fate)")
    }
  }

  /// Truncations, appends, compactions and votes behind each other, while none of them has reached
  /// the disk yet; compactions that come behind a truncation are among them.
  @Test func requestsThatWaitForNothingSurviveEveryCrash() {
    var exploration = StorageExploration()
    exploration.imagesPerPoint = 4
    exploration.drawsImages = true
    var report = StorageReport()
    for seed in UInt64(31)...42 {
      let explorer = StorageExplorer(seed: seed, exploration: exploration)
      explorer.explore([.batch, .sync, .burst, .burst, .kill, .burst, .burst])
      explorer.explore([.large, .sync, .burst, .burst, .close, .burst, .burst])
      report.add(explorer.report)
    }
    #expect(report.failures.isEmpty, "\(report.failures)")
    #expect(report.states >= 3_000, "only \(report.states) distinct states")
    #expect(report.compactionsBehindTruncation > 0)
  }

  /// The rows that a crash can lead to are all met, so none of them goes untested here; the rarest
  /// ends the search.
  @Test func everyRowOfACrashIsMet() {
    var exploration = StorageExploration()
    exploration.imagesPerPoint = 40
    var missing: Set = ["A", "B", "C", "D", "E", "K", "L", "M", "N", "T", "U", "V"]
    for seed in UInt64(21)...220 where !missing.isEmpty {
      let explorer = StorageExplorer(seed: seed, exploration: exploration)
      explorer.explore(explorer.randomSequence())
      missing.subtract(explorer.report.verdicts.keys)
    }
    #expect(missing.isEmpty, "never met: \(missing.sorted())")
  }

  @Test(arguments: UInt64(1)...6)
  func everyFailedCallIsSurvived(seed: UInt64) {
    let explorer = StorageExplorer(seed: seed)
    explorer.exploreFaults(explorer.randomSequence())
    #expect(explorer.report.failures.isEmpty, "\(explorer.report.failures)")
    #expect(explorer.report.faults >= 100, "only \(explorer.report.faults) calls failed")
  }

  /// A call fails while other requests wait behind the one that it was for.
  @Test(arguments: UInt64(51)...54)
  func aFailedCallIsSurvivedWithRequestsBehindIt(seed: UInt64) {
    let explorer = StorageExplorer(seed: seed)
    explorer.exploreFaults(
      [.batch, .burst, .large, .burst, .sync, .burst, .close, .burst], finishesEach: false)
    #expect(explorer.report.failures.isEmpty, "\(explorer.report.failures)")
    #expect(explorer.report.faults >= 100, "only \(explorer.report.faults) calls failed")
  }

  /// Appends fail for want of space, nothing that was acknowledged is lost, and what a compaction
  /// frees is used.
  @Test func aFullDiskAndACapAreSurvived() {
    var report = StorageReport()
    for seed in UInt64(61)...68 {
      let explorer = StorageExplorer(seed: seed)
      explorer.exploreSpace(explorer.spaceSequence())
      report.add(explorer.report)
    }
    #expect(report.failures.isEmpty, "\(report.failures)")
    #expect(report.failuresForSpace >= 8, "space ran out \(report.failuresForSpace) times")
    #expect(report.appendsResumed >= 8, "\(report.appendsResumed) appends after a compaction")
  }

  @Test func theSameSeedDoesTheSame() {
    func run() -> StorageReport {
      let explorer = StorageExplorer(seed: 5)
      explorer.explore(explorer.randomSequence())
      return explorer.report
    }
    let (a, b) = (run(), run())
    #expect(a.digests == b.digests)
    #expect(a.crashPoints == b.crashPoints)
    #expect(a.verdicts == b.verdicts)
    #expect(a.fates == b.fates)
    // A state that both have seen is one state.
    var both = a
    both.add(b)
    #expect(both.states == a.states)
    #expect(both.crashPoints == 2 * a.crashPoints)
  }
}

/// Crashes that once led to a finding; each seed stays here after what it found was mended.
@Suite struct FoundBySimulationTests {
  /// The edit that ended a segment was in the page cache alone when the process died; the next opening
  /// sealed the segment before that edit was on the disk, and then the power went: a footer behind
  /// frames that nobody had ended looked like rot.
  @Test func aSegmentIsSealedOnlyOnceItsEndIsDurable() { explore(seed: 676_553_795, sequences: 6) }

  /// Of two votes the newer was in the page cache alone when the process died; the next opening wrote
  /// over the other one first, the power went, and both were gone.
  @Test func noVoteIsWrittenOver() {
    let explorer = StorageExplorer(seed: 24)
    for _ in 0..<6 { explorer.explore(explorer.randomSequence()) }
    #expect(explorer.report.failures.isEmpty, "\(explorer.report.failures)")
    #expect(explorer.report.fates[.garbage] ?? 0 > 0)
  }

  /// Explores a seed as it was when there were no bursts.
  private func explore(seed: UInt64, sequences: Int) {
    var exploration = StorageExploration()
    exploration.burstEvery = 0
    let explorer = StorageExplorer(seed: seed, exploration: exploration)
    for _ in 0..<sequences { explorer.explore(explorer.randomSequence()) }
    #expect(explorer.report.failures.isEmpty, "\(explorer.report.failures)")
    #expect(explorer.report.states > 0)
  }
}

@Suite struct FlipTests {
  /// One flipped bit at every byte of a directory of at most 64 KiB, and every truncated length of
  /// its last segment.
  @Test(arguments: StopKind.allCases)
  func noFlippedBitIsSilent(stop: StopKind) throws {
    var explorer = try FlipExplorer(stop: stop, seed: 1)
    #expect(explorer.bytes <= 64 << 10)
    explorer.flipAll()
    explorer.shortenAll()
    let report = explorer.report
    #expect(report.failures.isEmpty, "\(report.failures)")
    #expect(report.bytes == explorer.bytes)
    #expect(report.lengths >= 8 << 10)
    // Rot is seen for what it is: damage below the mark, and in headers, footers, votes, manifests.
    for row in ["F", "I", "J", "K", "L"] {
      #expect(report.verdicts[row] ?? 0 > 0, "row @\(row) was never met")
    }
  }
  /// Every page of every segment in the place of every other page of it.
  @Test(arguments: StopKind.allCases)
  func noPageInTheWrongPlaceIsSilent(stop: StopKind) throws {
    for seed in UInt64(1)...3 {
      var explorer = try FlipExplorer(misdirecting: stop, seed: seed)
      explorer.misdirectAll()
      let report = explorer.report
      #expect(report.failures.isEmpty, "\(report.failures)")
      #expect(report.pages >= 80, "only \(report.pages) pages")
      #expect(report.verdicts["G"] ?? 0 > 0, "no page was found out of order")
    }
  }
}

@Suite struct SectorTests {
  /// Every sector of every file unreadable, each pair of them in manifests and votes, every file
  /// unopenable, every read of an opening failing once.
  @Test(arguments: StopKind.allCases)
  func noSectorThatDoesNotComeIsALoss(stop: StopKind) throws {
    var explorer = try SectorExplorer(stop: stop, seed: 1)
    explorer.exploreAll()
    let report = explorer.report
    #expect(report.failures.isEmpty, "\(report.failures)")
    #expect(report.sectors > explorer.sectors && report.files >= 4 * 6 && report.reads >= 8)
    // Both ends are met: what is not needed does not keep a log from opening, what is does.
    #expect(report.openings > 0 && report.refusals > 0)
    for row in ["F", "I", "J", "K", "L", "Y", "Z"] {
      #expect(report.verdicts[row] ?? 0 > 0, "row @\(row) was never met")
    }
  }

  @Test(arguments: StopKind.allCases)
  func noSectorOfManyBatchesIsALoss(stop: StopKind) throws {
    for seed in UInt64(2)...3 {
      var explorer = try SectorExplorer(manyBatches: stop, seed: seed)
      explorer.hideAll()
      #expect(explorer.report.failures.isEmpty, "\(explorer.report.failures)")
      #expect(explorer.report.sectors == explorer.sectors)
    }
  }
}

@Suite struct IrregularFileTests {
  /// What has the name of a file and is none does not open, and is not taken for one that is gone.
  @Test func whatIsNoRegularFileIsToldAsThat() throws {
    let temporary = TemporaryDirectory()
    let directory = try POSIXDirectory(path: temporary.path)
    try directory.open("file", .create).sync()
    try directory.makeDirectory("directory")
    #expect(unsafe symlink("file", "\(temporary.path)/link") == 0)
    #expect(unsafe symlink("nothing", "\(temporary.path)/dangling") == 0)
    #expect(unsafe mkfifo("\(temporary.path)/pipe", 0o600) == 0)
    for name in ["directory", "link", "dangling", "pipe"] {
      do throws(StorageError) {
        _ = try directory.open(name, .read)
        Issue.record("\(name) was opened")
      } catch {
        #expect(error.operation == .open && error.isNoRegularFile, "\(name): \(error)")
        #expect(!error.isNotFound && error.concernsFile, "\(name)")
        #expect(error.isSymbolicLink == (name == "link" || name == "dangling"))
      }
    }
    #expect(try directory.list().filter(\.isRegular).map(\.name) == ["file"])
  }
}
