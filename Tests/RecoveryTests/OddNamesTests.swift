// What is in a directory beside a log's own files, or has the name of one and is none.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import SystemPackage
import TestSupport
import Testing

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A directory in which some names are no regular files.
private final class OddDirectory: ForwardingDirectory {
  let directory: any StorageDirectory
  private let odd: [FileInfo]

  init(_ directory: any StorageDirectory, _ odd: [FileInfo]) {
    self.directory = directory
    self.odd = odd
  }

  func list() throws(StorageError) -> [FileInfo] {
    let names = Set(odd.map(\.name))
    return (try directory.list().filter { !names.contains($0.name) } + odd)
      .sorted { $0.name < $1.name }
  }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    if let file = odd.first(where: { $0.name == name }) {
      throw StorageError(opening: file, in: path)
    }
    return try directory.open(name, access)
  }
}

@Suite struct OddNamesTests {
  private static let segment = "0000000014-00000000000000003001.wal"

  private func diagnose(
    _ directory: any StorageDirectory, _ odd: [FileInfo]
  ) throws -> (directory: any StorageDirectory, diagnosis: Diagnosis) {
    let directory = OddDirectory(directory, odd)
    return (directory, Diagnosis(try DirectoryEvidence.gather(directory)))
  }

  private func refusal(_ directory: any StorageDirectory, _ diagnosis: Diagnosis) -> RecoveryError?
  {
    var generator = SeededGenerator(seed: 3)
    return #expect(throws: RecoveryError.self) {
      try OpeningPlan.make(
        for: diagnosis, in: directory, options: OpeningOptions(), using: &generator)
    }
  }

  // MARK: Names that only look like the log's

  @Test(arguments: ["thesis.tmp", "manifest.tmp", "spare-", "spare-wheel", "spare-01", "spare--1"])
  func whatOnlyLooksLikeTheLogsIsAStranger(_ name: String) throws {
    let disk = SimulatedDisk()
    try disk.make(name, Bytes("years of work"))
    let (directory, diagnosis) = try diagnose(disk, [])
    #expect(diagnosis.evidence.strangers.map(\.name) == [name])
    #expect(diagnosis.evidence.unknown.isEmpty)
    #expect(refusal(directory, diagnosis)?.code == .notALogDirectory)
    // Beside a log it is let alone.
    let log = try LogFixture()
    try log.disk.make(name, Bytes("years of work"))
    try LogFixture.open(log.disk)
    #expect(try log.disk.bytes(of: name).text == "years of work")
  }

  @Test(arguments: ["MANIFEST.tmp", "spare-1", "spare-18446744073709551615", segment + ".tmp"])
  func whatTheLogLeavesBehindIsRemoved(_ name: String) throws {
    let log = try LogFixture()
    try log.disk.make(name, .zeros(10))
    try LogFixture.open(log.disk)
    #expect(try log.disk.list().allSatisfy { $0.name != name })
  }

  // MARK: Names of the log that are no files

  /// With a manifest: a segment that it lacks may be behind the name, so nothing is opened.
  @Test(
    arguments: [segment, "LOCK", "MANIFEST.tmp"],
    [
      FileInfo.Kind.directory, .symbolicLink, .other,
    ])
  func aNameOfTheLogThatIsNoFileIsAnInputOutputError(name: String, kind: FileInfo.Kind) throws {
    let log = try LogFixture()
    let odd = FileInfo(name: name, size: 0, kind: kind)
    let (directory, diagnosis) = try diagnose(log.disk, [odd])
    #expect(diagnosis.findings.map(\.verdict) == [.inputOutput])
    #expect(diagnosis.findings.first?.file == name)
    let error = try #require(diagnosis.findings.first?.failure?.error)
    #expect(error.errno == StorageError(opening: odd, in: log.disk.path).errno)
    #expect(error.isNoLockFile == (name == "LOCK"))
    let refused = refusal(directory, diagnosis)?.storageError
    #expect(refused?.isNoRegularFile == true || refused?.isNoLockFile == true)
  }

  /// What the log can do without is somebody else's, and in nobody's way.
  @Test(
    arguments: ["reserve", "spare-1", segment + ".tmp"],
    [
      FileInfo.Kind.directory, .symbolicLink, .other,
    ])
  func aNameThatTheLogCanDoWithoutIsLeftAlone(name: String, kind: FileInfo.Kind) throws {
    let log = try LogFixture()
    let odd = FileInfo(name: name, size: 0, kind: kind)
    let (directory, diagnosis) = try diagnose(log.disk, [odd])
    #expect(diagnosis.refusals.isEmpty && diagnosis.evidence.strangers == [odd])
    var generator = SeededGenerator(seed: 3)
    let plan = try OpeningPlan.make(
      for: diagnosis, in: directory, options: OpeningOptions(), using: &generator)
    #expect(!plan.steps.contains(.remove(name)) && plan.opened.reserveBytes == nil)
  }

  /// A dropped file whose name something else has stays dropped: the name is known at every opening.
  @Test func whatHasTheNameOfADroppedFileIsLeftAlone() throws {
    let place = TemporaryDirectory()
    let disk = try POSIXDirectory(path: place.path)
    var options = EngineOptions()
    options.segmentBytes = 64 << 10
    let opened = try LogOpener.open(disk, options: options, seed: 1).opened
    var state = opened.manifest
    let name = SegmentName(sequence: 9, firstIndex: 1)
    state.dropped = [name]
    let image = ManifestImage(state: state, number: opened.manifestPosition.number + 1, room: 0)
    var executor = DiskExecutor(directory: disk)
    try executor.run(OpeningPlan.replaceManifests(image))
    try disk.makeDirectory(name.description)
    for _ in 1...2 {
      let plan = try LogOpener.open(disk, options: options, seed: 2)
      #expect(plan.opened.manifest.dropped == [name] && plan.opened.removed.isEmpty)
      #expect(try disk.list().contains { $0.name == name.description })
    }
  }

  /// In place of one copy it is set aside, and the copy made anew; nothing of it is lost.
  @Test(
    arguments: ManifestHeader.names + VoteFile.names, [S_IFDIR, S_IFLNK, S_IFIFO])
  func aCopyThatIsNoFileIsMadeAnew(name: String, kind: mode_t) throws {
    let place = TemporaryDirectory()
    let disk = try POSIXDirectory(path: place.path)
    let options = EngineOptions()
    _ = try LogOpener.open(disk, options: options, seed: 1)
    for isRepair in [false, true] {
      try disk.remove(name)
      let path = "\(place.path)/\(name)"
      switch kind {
      case S_IFDIR: #expect(unsafe mkdir(path, 0o700) == 0)
      case S_IFLNK: #expect(unsafe symlink("elsewhere", path) == 0)
      default: #expect(unsafe mkfifo(path, 0o600) == 0)
      }
      let diagnosis = Diagnosis(try DirectoryEvidence.gather(disk))
      #expect(diagnosis.refusals.isEmpty && diagnosis.severity == .inputOutput)
      if isRepair {
        var generator = SeededGenerator(seed: 3)
        let plan = try RepairPlan.make(
          for: diagnosis, in: disk, accepting: [], keep: .before, using: &generator)
        var executor = DiskExecutor(directory: disk)
        try executor.run(plan.steps)
      } else {
        _ = try LogOpener.open(disk, options: options, seed: 2)
      }
      #expect(Diagnosis(try DirectoryEvidence.gather(disk)).findings.isEmpty)
    }
    let aside = try POSIXDirectory(path: "\(place.path)/quarantine").list()
    let copies = aside.filter { [name, "\(name).2"].contains($0.name) }
    #expect(copies.count == 2 && copies.allSatisfy { !$0.isRegular })
  }

  /// Without one it may hold what a rebuilt log would lack.
  @Test func noLogIsRebuiltBesideASegmentThatIsNoFile() throws {
    var log = try LogFixture()
    try log.segment.entry()
    for name in ManifestHeader.names { try log.disk.remove(name) }
    let odd = FileInfo(name: Self.segment, size: 0, kind: .symbolicLink)
    let (directory, diagnosis) = try diagnose(log.disk, [odd])
    #expect(Set(diagnosis.findings.map(\.verdict)) == [.manifestLost, .inputOutput])
    var generator = SeededGenerator(seed: 1)
    let error = #expect(throws: RecoveryError.self) {
      try RepairPlan.make(
        for: diagnosis, in: directory, accepting: [], keep: .before, using: &generator)
    }
    #expect(error?.message.contains(Self.segment) == true)
  }

  // MARK: Other people's directories

  @Test(arguments: [FileInfo.Kind.directory, .symbolicLink, .other])
  func aPlaceWithSomethingInItIsNotTakenOver(_ kind: FileInfo.Kind) throws {
    let odd = FileInfo(name: "photos", size: 0, kind: kind)
    let (directory, diagnosis) = try diagnose(SimulatedDisk(), [odd])
    #expect(refusal(directory, diagnosis)?.code == .notALogDirectory)
  }

  /// The root of a new file system, and the log's own directory.
  @Test func ownDirectoriesAreNoStrangers() throws {
    let names = ["lost+found", "quarantine"]
    let odd = names.map { FileInfo(name: $0, size: 0, kind: .directory) }
    let (directory, diagnosis) = try diagnose(SimulatedDisk(), odd)
    #expect(diagnosis.evidence.strangers.isEmpty && diagnosis.isUnborn)
    var generator = SeededGenerator(seed: 3)
    #expect(throws: Never.self) {
      try OpeningPlan.make(
        for: diagnosis, in: directory, options: OpeningOptions(), using: &generator)
    }
  }
}
