// Crash images on a real file system: what reads them there sees what it sees in the simulator.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct CrashedDirectoryTests {
  /// Keeps the first few of each origin.
  private final class Collector: CrashVisitor {
    static let each = 8
    private(set) var crashed: [CrashedDirectory] = []

    var isFull: Bool { !CrashOrigin.allCases.contains(where: wants) }

    func wants(_ origin: CrashOrigin) -> Bool {
      crashed.count { $0.origin == origin } < Self.each
    }
    func visit(_ directory: CrashedDirectory) { crashed.append(directory) }
  }

  /// Everything that reading a directory comes to.
  private struct Reading: Equatable {
    var files: [FileInfo]
    var strangers: [FileInfo]
    var findings: [Finding]
    var isUnborn: Bool
    var manifest: ManifestState?
    var votes: [VoteFile?]
    var entries: [Entry] = []

    init(_ directory: any StorageDirectory, _ depth: DirectoryEvidence.Depth) throws {
      let evidence = try DirectoryEvidence.gather(directory, depth: depth)
      let diagnosis = Diagnosis(evidence)
      files = evidence.files
      strangers = evidence.strangers
      findings = diagnosis.findings
      isUnborn = diagnosis.isUnborn
      manifest = evidence.manifest?.state
      votes = evidence.votes.map(\.file)
      guard let view = LogView(diagnosis, in: directory) else { return }
      var entries: [Entry] = []
      try view.replay { batch in
        entries += batch
        return true
      }
      self.entries = entries
    }
  }

  @Test func aRealDirectoryReadsLikeTheSimulatedOne() throws {
    var exploration = StorageExploration()
    exploration.pointsEvery = 20
    exploration.imagesPerPoint = 1
    exploration.drawsImages = true
    exploration.recoveryCrashEvery = 1
    let collector = Collector()
    for seed in UInt64(1)...40 where !collector.isFull {
      let explorer = StorageExplorer(seed: seed, exploration: exploration)
      explorer.visitor = collector
      for _ in 0..<2 { explorer.explore(explorer.randomSequence()) }
      #expect(explorer.report.failures.isEmpty, "\(explorer.report.failures)")
    }
    #expect(collector.crashed.count == Collector.each * CrashOrigin.allCases.count)
    #expect(collector.crashed.contains { $0.entries.count > 1 })
    let temporary = TemporaryDirectory()
    for (number, crashed) in collector.crashed.enumerated() {
      let real = try POSIXDirectory(path: "\(temporary.path)/\(number)", create: true)
      try crashed.write(to: real)
      let simulated = crashed.disk
      for name in crashed.fileNames {
        let (a, b) = (try real.open(name, .read), try simulated.open(name, .read))
        let size = try b.size()
        #expect(try a.size() == size, "\(name), \(crashed.history)")
        #expect(
          try a.read(size, at: 0) == b.read(size, at: 0), "\(name), \(crashed.history)")
      }
      for depth in [DirectoryEvidence.Depth.opening, .everything] {
        let (there, here) = (try Reading(real, depth), try Reading(simulated, depth))
        #expect(there == here, "\(crashed.history)")
        #expect(there.entries == crashed.entries, "\(crashed.history)")
      }
    }
  }

  @Test func theWriterWritesWhatWasAskedFor() throws {
    let temporary = TemporaryDirectory()
    let path = "\(temporary.path)/images"
    let writer = try ImageWriter(path: path, count: 20)
    let report = writer.run(seeds: 1...4, every: 20)
    #expect(report.failures.isEmpty, "\(report.failures)")
    #expect(writer.failure == nil)
    #expect(writer.written == [.crash: 12, .recovery: 6, .close: 2])
    let directory = try POSIXDirectory(path: path)
    let expected = (1...20).map { $0 < 10 ? "0000\($0).expected" : "000\($0).expected" }
    #expect(try directory.list().filter(\.isRegular).map(\.name) == expected)
    for name in expected {
      let file = try directory.open(name, .read)
      let lines = try file.read(file.size(), at: 0).text.split(separator: "\n")
      let image = try POSIXDirectory(path: "\(path)/\(name.prefix(5))")
      let reading = try Reading(image, .everything)
      let status = reading.isUnborn ? CrashedDirectory.noLog : severity(reading)
      #expect(lines[0] == "verify \(status)")
      #expect(lines.count == 4 + reading.entries.count)
    }
    // A second run does not write over the first one.
    let second = try ImageWriter(path: path, count: 1)
    _ = second.run(seeds: 1...1, every: 1)
    #expect(second.failure?.operation == .open)
    #expect(second.count == 0)
  }

  private func severity(_ reading: Reading) -> Int {
    reading.findings.map(\.verdict.severity.rawValue).max() ?? 0
  }
}
