// Opening a log when the disk is full: what makes room, and in which order.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO
import SystemPackage
import TestSupport
import Testing

/// A disk whose file system keeps a journal: what a removed file took may be used again once the
/// directory is synced, and not before.
private final class JournaledDisk: ForwardingDirectory, @unchecked Sendable {
  let disk: SimulatedDisk
  /// Bytes of removed files that nobody can use yet.
  private(set) var unsynced = 0

  /// - Parameter free: bytes that are left.
  init(_ disk: SimulatedDisk, free: Int) throws {
    self.disk = disk
    disk.capacity = try disk.bytes + free
  }

  var directory: any StorageDirectory { disk }

  func remove(_ name: String) throws(StorageError) {
    let size = try disk.open(name, .read).size()
    try disk.remove(name)
    unsynced += size
    disk.capacity! -= size
  }

  func sync(_ subdirectory: String?) throws(StorageError) {
    try disk.sync(subdirectory)
    guard subdirectory == nil else { return }
    disk.capacity! += unsynced
    unsynced = 0
  }
}

/// A disk of which one sync of a file finds no space.
private final class SyncFailingDisk: ForwardingDirectory, @unchecked Sendable {
  let directory: any StorageDirectory
  private let call: Int
  private(set) var syncs = 0

  private final class File: ForwardingFile, @unchecked Sendable {
    let file: any StorageFile
    private let disk: SyncFailingDisk
    private let name: String

    init(_ file: any StorageFile, _ name: String, of disk: SyncFailingDisk) {
      self.file = file
      self.name = name
      self.disk = disk
    }

    func sync() throws(StorageError) {
      disk.syncs += 1
      guard disk.syncs != disk.call else {
        throw StorageError(.sync, path: "\(disk.path)/\(name)", errno: .noSpace)
      }
      try file.sync()
    }
  }

  init(_ directory: any StorageDirectory, call: Int) {
    self.directory = directory
    self.call = call
  }

  func open(_ name: String, _ access: FileAccess) throws(StorageError) -> any StorageFile {
    File(try directory.open(name, access), name, of: self)
  }
}

extension SimulatedDisk {
  fileprivate var bytes: Int { get throws { try list().reduce(0) { $0 + $1.size } } }

  fileprivate func size(of name: String) throws -> Int? {
    try list().first { $0.name == name }?.size
  }
}

@Suite struct LittleSpaceTests {
  private static let segment = 64 << 10

  /// A log of one entry that nobody vouches for: opening has to copy it to a new segment.
  private func unclean(reserve: Int) throws -> Bench {
    let bench = try Bench { $0.reserveBytes = reserve }
    _ = try bench.append("kept")
    try bench.settle()
    let files = try bench.disk.list().map(\.name)
    #expect(files.contains("reserve") == (reserve > 0))
    #expect(!files.contains { $0.hasPrefix("spare") })
    return bench
  }

  /// `LogOpener.releaseReserve`: the directory is synced before opening is tried again. Without the
  /// sync the second attempt finds the disk as full as the first did.
  @Test func theReserveIsFreeWhenOpeningIsTriedAgain() throws {
    let bench = try unclean(reserve: 2 * Self.segment)
    let disk = try JournaledDisk(bench.disk, free: Self.segment / 2)
    let opened = try LogOpener.open(disk, options: bench.engine.options, seed: 3).opened
    #expect(opened.active.end.index == 1)
    #expect(opened.reserveBytes == nil)
    #expect(try bench.disk.size(of: "reserve") == nil)
  }

  /// And without a reserve it does not open, and says why.
  @Test func withoutAReserveAFullDiskIsAnError() throws {
    let bench = try unclean(reserve: 0)
    let disk = try JournaledDisk(bench.disk, free: Self.segment / 2)
    let error = #expect(throws: LogError.self) {
      try LogOpener.open(disk, options: bench.engine.options, seed: 3)
    }
    #expect(error?.code == .diskFull)
  }

  /// `OpeningPlanner.makeRoom`: what an opening or a spare left behind goes before anything is made.
  /// Without it, or if it came later, the new segment would find no room.
  @Test(arguments: ["spare-7", "MANIFEST.tmp", "0000000009-00000000000000000002.wal"])
  func leftoversGoBeforeAnythingIsMade(_ leftover: String) throws {
    let bench = try unclean(reserve: 0)
    try bench.disk.open(leftover, .create).extendWithZeros(to: Self.segment)
    // Enough for a manifest beside the ones that it replaces, and not for a segment.
    bench.disk.capacity = try bench.disk.bytes + 40 << 10
    let options = bench.engine.options
    let opened = try LogOpener.open(bench.disk, options: options, seed: 3).opened
    #expect(opened.active.end.index == 1)
    #expect(try bench.disk.size(of: leftover) == nil)
  }

  /// `LogEngine.init`, `background.hasReserve`: a reserve that is short was never finished, and one of
  /// another size was made under other options. Either is made anew; the right one stays.
  @Test(arguments: [0, 1000, 64 << 10, 96 << 10])
  func aReserveOfAnotherSizeIsMadeAnew(_ size: Int) throws {
    let reserve = 64 << 10
    let first = try unclean(reserve: reserve)
    try first.disk.open("reserve", .update).truncate(to: size)
    let bench = try Bench(on: first.disk, seed: 11) { $0.reserveBytes = reserve }
    let files = try bench.disk.list()
    #expect(files.first { $0.name == "reserve" }?.size == size)
    var isMade = false
    while let job = bench.engine.nextJob(.background, now: .zero) {
      isMade = isMade || job.steps.contains(.create("reserve", zeros: reserve))
      try bench.carryOut(job, .background)
    }
    #expect(isMade == (size != reserve))
    #expect(try bench.disk.size(of: "reserve") == reserve)
  }

  /// After a sync that failed, for want of space too, nothing that reads as written is believed, and
  /// so nothing is tried again: there might be room the second time.
  @Test(arguments: 1...5)
  func noSyncIsTriedAgain(_ call: Int) throws {
    let bench = try unclean(reserve: 64 << 10)
    let disk = SyncFailingDisk(bench.disk, call: call)
    let error = #expect(throws: LogError.self) {
      try LogOpener.open(disk, options: bench.engine.options, seed: 5)
    }
    #expect(error?.storageError?.isOfSync == true && disk.syncs == call)
    #expect(try bench.disk.list().contains { $0.name == "reserve" })
  }
}
