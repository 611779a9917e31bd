// ImageWriter: writes crash images to real directories, so that real programs can be held against
// what the simulator made of them.
//
// What must always hold: image N lies in a directory NNNNN, byte for byte, and NNNNN.expected says
// what to make of it; nothing is written over. Seeds have even shares; of ten images one is of a
// clean close, and three are of crashes during a recovery.

import ByteBuffers
public import StorageIO

public final class ImageWriter: CrashVisitor {
  private let path: String
  private let directory: POSIXDirectory
  private let total: Int
  /// How many images there will be of each origin, and how many there may be by now.
  private let totals: [CrashOrigin: Int]
  private var allowed: [CrashOrigin: Int] = [:]
  public private(set) var written: [CrashOrigin: Int] = [:]
  /// The call that failed and ended the writing.
  public private(set) var failure: StorageError?

  /// A seed that has given nothing for so many sequences has nothing to give.
  private static let sequencesMax = 100

  /// - Parameters:
  ///   - path: a directory that holds no images; made if it is not there.
  ///   - count: how many images to write, at least one.
  public init(path: String, count: Int) throws(StorageError) {
    precondition(count >= 1, "no images to write")
    self.path = path
    total = count
    directory = try POSIXDirectory(path: path, create: true)
    let (close, recovery) = (count / 10, count * 3 / 10)
    totals = [.close: close, .recovery: recovery, .crash: count - recovery - close]
  }

  /// How many images were written.
  public var count: Int { written.values.reduce(0, +) }

  /// Explores seeds, sparsely, until each has given its share of images.
  ///
  /// - Parameter every: a crash is tried at one point in so many.
  /// - Returns: what was seen on the way, failures included.
  public func run(seeds: ClosedRange<UInt64>, every: UInt64) -> StorageReport {
    var exploration = StorageExploration()
    exploration.pointsEvery = every
    exploration.imagesPerPoint = 1
    exploration.drawsImages = true
    exploration.recoveryCrashEvery = 1
    // Of more seeds than images the last ones would have no share.
    let last = min(seeds.upperBound - seeds.lowerBound, UInt64(total) - 1)
    var report = StorageReport()
    for number in 0...last {
      allow(Int(number) + 1, of: Int(last) + 1)
      let explorer = StorageExplorer(seed: seeds.lowerBound + number, exploration: exploration)
      explorer.visitor = self
      for _ in 0..<Self.sequencesMax where wantsAny && explorer.report.failures.isEmpty {
        explorer.explore(explorer.randomSequence())
      }
      report.add(explorer.report)
      if !report.failures.isEmpty || failure != nil { break }
    }
    return report
  }

  /// Gives the first `seeds` of `all` their share; what they leave is for those behind them.
  private func allow(_ seeds: Int, of all: Int) {
    allowed = totals.mapValues { ($0 * seeds + all - 1) / all }
  }

  private var wantsAny: Bool { CrashOrigin.allCases.contains(where: wants) }

  public func wants(_ origin: CrashOrigin) -> Bool {
    failure == nil && written[origin, default: 0] < allowed[origin, default: 0]
  }

  public func visit(_ crashed: CrashedDirectory) {
    let number = String(count + 1)
    let name = String(repeating: "0", count: max(0, 5 - number.count)) + number
    do {
      // First what fails where there is an image already.
      let expected = try directory.open("\(name).expected", .create)
      try directory.makeDirectory(name)
      try crashed.write(to: POSIXDirectory(path: "\(path)/\(name)"))
      try expected.write(Bytes(crashed.expectation), at: 0)
      written[crashed.origin, default: 0] += 1
    } catch {
      failure = error
    }
  }
}
