// CrashedDirectory: what a crash left of a log's directory, and what a reader has to make of it.
//
// What must always hold: a reader that does not open the log gets the entries that opening keeps;
// statuses and lines are those of the programs' contract, said here a second time and not taken
// from their code.

import ByteBuffers
public import LogFormat
import Recovery
public import StorageIO

/// What stopped a log.
public enum CrashOrigin: String, Sendable, CaseIterable {
  case crash
  /// A crash while the log was recovered from another one.
  case recovery
  /// A clean close.
  case close
}

/// Is shown what is left of logs, once the simulator has recovered it and found it right.
public protocol CrashVisitor: AnyObject {
  /// True if one more of this origin is wanted.
  func wants(_ origin: CrashOrigin) -> Bool
  func visit(_ crashed: CrashedDirectory)
}

/// A directory after a crash, and what the simulator says of it.
public struct CrashedDirectory: Sendable {
  public let origin: CrashOrigin
  /// How it came about, for people: a seed and its operations.
  public let history: String
  /// The entries that the log has once it is open.
  public let entries: [Entry]
  /// What the next entry gets.
  public let nextIndex: LogIndex
  /// The term of the last entry, or of the last that was compacted away.
  public let lastTerm: Term
  /// Exit status that `walinspect verify` owes it.
  public let verifyStatus: Int
  /// Exit status that `raftlog read` owes it.
  public let readStatus: Int
  private let image: DiskImage

  /// What both programs answer where there is no log.
  public static let noLog = 66

  /// - Parameter disk: the disk on which `image` was recovered.
  init(
    _ image: DiskImage, _ origin: CrashOrigin, _ history: String, recovered: RecoveredImage,
    on disk: SimulatedDisk
  ) throws(SimulationFailure) {
    self.image = image
    self.origin = origin
    self.history = history
    nextIndex = recovered.model.lastIndex + 1
    lastTerm = recovered.model.lastTerm
    do {
      let crashed = SimulatedDisk(image.state)
      let diagnosis = Diagnosis(try DirectoryEvidence.gather(crashed))
      let whole = Diagnosis(try DirectoryEvidence.gather(crashed, depth: .everything))
      verifyStatus = whole.isUnborn ? Self.noLog : whole.severity.rawValue
      // What opening mends is none of a reader's business.
      readStatus =
        diagnosis.isUnborn
        ? Self.noLog : diagnosis.severity > .mended ? diagnosis.severity.rawValue : 0
      entries = try Self.entries(Diagnosis(try DirectoryEvidence.gather(disk)), in: disk)
      guard try Self.entries(diagnosis, in: crashed) == entries else {
        throw SimulationFailure(description: "a reader gets other entries than opening keeps")
      }
    } catch let failure as SimulationFailure {
      throw failure
    } catch {
      throw SimulationFailure(description: "a reader cannot read what opening keeps: \(error)")
    }
  }

  private static func entries(
    _ diagnosis: Diagnosis, in directory: any StorageDirectory
  ) throws -> [Entry] {
    guard let view = LogView(diagnosis, in: directory) else { return [] }
    var entries: [Entry] = []
    try view.replay { batch in
      entries += batch
      return true
    }
    return entries
  }

  /// Names of its files, `quarantine/<name>` included.
  public var fileNames: [String] { image.files.map(\.name) }

  /// A simulated disk that holds it.
  public var disk: SimulatedDisk { SimulatedDisk(image.state) }

  /// Puts its files into an empty directory, byte for byte.
  public func write(to directory: any StorageDirectory) throws(StorageError) {
    for file in image.files {
      if let slash = file.name.firstIndex(of: "/") {
        try directory.makeDirectory(String(file.name[..<slash]))
      }
      try directory.open(file.name, .create).write(Bytes(file.content), at: 0)
    }
  }

  /// What the programs have to make of it, as lines: `verify STATUS`, `read STATUS`, `next INDEX
  /// TERM` (what the next entry gets), `from HISTORY`; then what `raftlog read --json` has to print
  /// of the log once it is open.
  public var expectation: String {
    var lines = [
      "verify \(verifyStatus)", "read \(readStatus)", "next \(nextIndex) \(lastTerm)",
      "from \(history): \(origin.rawValue)",
    ]
    lines += entries.map { entry in
      "{\"format\":\"raftlog.entry/1\",\"index\":\(entry.index),\"term\":\(entry.term),"
        + "\"kind\":\"\(entry.kind)\",\"crc\":\"\(Hex.string(entry.checksum))\",\"payload\":\""
        + "\(Base64.string(entry.payload))\"}"
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
