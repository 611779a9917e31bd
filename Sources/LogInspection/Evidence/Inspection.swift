// Inspection: a log as it lies on the disk: evidence and findings, gathered without a lock.
//
// What must always hold: nothing is written; what a writer did while we read is not taken for
// damage (`DirectoryLook`).

import LogFormat
import ProgramSupport
import Recovery
import StorageIO
import SystemPackage

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

struct Inspection {
  /// What the user named.
  let path: String
  let directory: any StorageDirectory
  let diagnosis: Diagnosis
  /// The rows that fired and that a second look confirmed, with the files' own names.
  let findings: [Finding]
  /// True when a writer holds the directory.
  let isLive: Bool
  /// True for one segment file apart from its log.
  let isDetached: Bool
  /// The name on the disk of files that a made-up manifest knows by another.
  private let realNames: [String: String]

  /// Looks at what `path` names: a directory, or one segment file.
  ///
  /// - Throws: `Failure` with status 66 if there is no log.
  init(
    _ path: String, depth: DirectoryEvidence.Depth = .batchIndexes, label: String = "reading"
  ) throws {
    let directory: POSIXDirectory
    do throws(StorageError) {
      directory = try POSIXDirectory(path: path)
    } catch {
      switch error.errno {
      case .notDirectory: try self.init(detached: path, depth: depth, label: label)
      case .noSuchFileOrDirectory: throw Self.noLog(path, "there is no such file or directory")
      default: throw error
      }
      return
    }
    try self.init(path, directory, isDetached: false, depth: depth, label: label)
    if diagnosis.isUnborn { throw Self.noLog(path, "no log was ever started in this directory") }
  }

  private init(detached path: String, depth: DirectoryEvidence.Depth, label: String) throws {
    let file = try RegularFile(path)
    let parent = try POSIXDirectory(path: file.directory)
    let name = file.name
    let segment = try LooseSegment(name, in: parent)
    let directory = try LooseSegment.directory(of: [segment], over: parent, path: parent.path)
    try self.init(
      path, directory, isDetached: true, realNames: [segment.header.fileName: name], depth: depth,
      label: label)
  }

  init(
    _ path: String, _ directory: any StorageDirectory, isDetached: Bool,
    realNames: [String: String] = [:], depth: DirectoryEvidence.Depth, label: String
  ) throws {
    self.path = path
    self.directory = directory
    self.isDetached = isDetached
    self.realNames = realNames
    let line = ProgressLine(label)
    let look = try DirectoryLook(
      directory, depth: depth, progress: { done, total in line.show(done, of: total) },
      pause: { Pause.milliseconds(20) })
    diagnosis = look.diagnosis
    isLive = look.isLive
    findings = look.findings.map { finding in
      var finding = finding
      finding.file = realNames[finding.file] ?? finding.file
      return finding
    }
  }

  fileprivate static func noLog(_ path: String, _ why: String) -> Failure {
    Failure(.noLog, "no log at \(path): \(why); name the directory of a log, or one segment file")
  }
}

/// Where a path leads that does not name a directory.
private struct RegularFile {
  let directory: String
  let name: String

  init(_ path: String) throws {
    guard let resolved = unsafe realpath(path, nil) else {
      let reason = Errno(rawValue: errno)
      guard reason == .notDirectory || reason == .noSuchFileOrDirectory else {
        throw StorageError(.open, path: path, errno: reason)
      }
      throw Inspection.noLog(path, "there is no such file or directory")
    }
    defer { unsafe free(resolved) }
    var status = stat()
    // Opening what is no file may wait for ever.
    guard unsafe stat(resolved, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Inspection.noLog(path, "this is neither a directory nor a file")
    }
    let file = FilePath(unsafe String(cString: resolved))
    directory = file.removingLastComponent().string
    name = file.lastComponent?.string ?? ""
  }
}

extension Inspection {
  var evidence: DirectoryEvidence { diagnosis.evidence }

  /// What the manifest says; nil when it is gone.
  var manifest: ManifestState? { evidence.manifest?.state }

  /// The log's segments in order, without the one that a made-up manifest needed.
  var segments: [SegmentEvidence] {
    evidence.segments.filter { $0.record.uid != LooseSegment.inventedUID }
  }

  var severity: Verdict.Severity { findings.map(\.verdict.severity).max() ?? .clean }

  /// The name that the file of a segment has on the disk.
  func fileName(_ record: SegmentRecord) -> String {
    realNames[record.fileName] ?? record.fileName
  }

  /// The entries as they can be read.
  func view() throws -> LogView {
    guard let view = LogView(diagnosis, in: directory) else {
      throw Failure(.lost, "\(path): the manifest is gone; `walinspect explain` says more")
    }
    return view
  }

  /// The log to read entries from: this one or, where the manifest is gone, the segments in the
  /// order that their headers give.
  func readable() throws -> Inspection {
    guard manifest == nil else { return self }
    let refusals = findings.filter { $0.verdict == .unsupported }
    if let finding = refusals.first { throw Failure(.refused, "\(path): \(finding)") }
    let segments = try evidence.unknown.compactMap { unknown in
      unknown.scan == nil ? nil : try LooseSegment(unknown.file.name, in: directory)
    }
    let standIn = try LooseSegment.directory(of: segments, over: directory, path: path)
    let names = segments.map { ($0.header.fileName, $0.fileName) }
    Output.complain(
      "\(path): the manifest is gone; reading \(Wording.count(segments.count, "segment", "segments")) "
        + "in the order of their headers")
    return try Inspection(
      path, standIn, isDetached: false,
      realNames: Dictionary(names, uniquingKeysWith: { $1 }), depth: .batchIndexes, label: "reading"
    )
  }
}
