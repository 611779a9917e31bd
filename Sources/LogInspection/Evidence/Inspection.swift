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
  private let look: DirectoryLook
  var diagnosis: Diagnosis { look.diagnosis }
  /// The rows that fired and that a second look confirmed, with the files' own names. Without a
  /// manifest those that the segments show by themselves are among them.
  let findings: [Finding]
  /// True when a writer holds the directory.
  let isLive: Bool
  /// True for one segment file apart from its log.
  let isDetached: Bool
  /// True where the segments' headers stand in for a manifest that is gone.
  let isStandIn: Bool
  /// What an opening comes across, which does not read every byte; nil where it meets the same.
  private let metByOpening: [Finding]?
  /// The name on the disk of files that a made-up manifest knows by another.
  private let realNames: [String: String]
  /// Where the manifest is gone: the segments in the order of their headers. One at most.
  private let rebuilt: [Inspection]

  /// Looks at what `path` names: a directory, or one segment file.
  ///
  /// - Throws: `Failure` with status 66 if there is no log.
  init(
    _ path: String, depth: DirectoryEvidence.Depth = .batchIndexes, label: String = "reading"
  ) throws {
    let directory: any StorageDirectory
    do throws(StorageError) {
      directory = try Surroundings.directory(path)
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
    let (parent, name) = try Self.place(of: path)
    let segment = try LooseSegment(name, in: parent)
    let directory = try LooseSegment.directory(of: [segment], over: parent, path: parent.path)
    try self.init(
      path, directory, isDetached: true, realNames: [segment.header.fileName: name], depth: depth,
      label: label)
  }

  init(
    _ path: String, _ directory: any StorageDirectory, isDetached: Bool, isStandIn: Bool = false,
    realNames: [String: String] = [:], depth: DirectoryEvidence.Depth, label: String
  ) throws {
    self.path = path
    self.directory = directory
    self.isDetached = isDetached
    self.isStandIn = isStandIn
    self.realNames = realNames
    let line = ProgressLine(label)
    let look = try DirectoryLook(
      directory, depth: depth, progress: { done, total in line.show(done, of: total) },
      pause: { Pause.milliseconds(20) })
    self.look = look
    isLive = look.isLive
    let found = look.findings.map { finding in
      var finding = finding
      finding.file = realNames[finding.file] ?? finding.file
      if isDetached { finding.detail += Self.withoutManifest }
      return finding
    }
    let hasManifest = look.diagnosis.evidence.manifest != nil && !look.diagnosis.hidesManifest
    let refuses = look.findings.contains(where: \.verdict.refusesOpening)
    metByOpening =
      hasManifest && refuses && !isDetached && !isStandIn
      ? try DirectoryLook(directory).findings : nil
    rebuilt = try Self.rebuild(look, path, directory, depth: depth, label: label)
    findings = found + rebuilt.flatMap(\.findingsOfSegments)
  }

  /// The directory that a file is in, and its name there.
  private static func place(
    of path: String
  ) throws -> (directory: any StorageDirectory, name: String) {
    if let place = Surroundings.file(path) { return place }
    let file = try RegularFile(path)
    return (try POSIXDirectory(path: file.directory), file.name)
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
  /// What the segments' own headers add up to, where the manifest is gone and they can be trusted.
  private static func rebuild(
    _ look: DirectoryLook, _ path: String, _ directory: any StorageDirectory,
    depth: DirectoryEvidence.Depth, label: String
  ) throws -> [Inspection] {
    let (diagnosis, evidence) = (look.diagnosis, look.diagnosis.evidence)
    guard evidence.manifest == nil || diagnosis.hidesManifest, !diagnosis.isUnborn,
      !diagnosis.findings.contains(where: { $0.verdict == .unsupported })
    else { return [] }
    let known = evidence.segments.filter {
      $0.header == .valid && $0.fileBytes != nil && !$0.isUnopenable
    }
    let unknown = evidence.unknown.filter { $0.scan != nil }
    var segments: [LooseSegment] = []
    for name in known.map(\.record.fileName) + unknown.map(\.file.name) {
      do {
        segments.append(try LooseSegment(name, in: directory))
      } catch let failure as Failure {
        // Out of all bounds, or gone since: it stays a file that nobody knows.
        Output.complain("left out: \(failure.message)")
      }
    }
    guard !segments.isEmpty else { return [] }
    let standIn = try LooseSegment.directory(of: segments, over: directory, path: path)
    let names = segments.map { ($0.header.fileName, $0.fileName) }
    return [
      try Inspection(
        path, standIn, isDetached: false, isStandIn: true,
        realNames: Dictionary(names, uniquingKeysWith: { $1 }), depth: depth, label: label)
    ]
  }

  /// What every finding of a segment says that no manifest speaks for.
  private static let withoutManifest = "; judged by the segment alone, without a manifest"

  /// What a made-up manifest lets the segments say: the rest of its findings are its own.
  private var findingsOfSegments: [Finding] {
    let lasts = Dictionary(
      segments.map { (fileName($0.record), $0.record.end?.index) }, uniquingKeysWith: { $1 })
    return findings.compactMap { finding in
      switch finding.evidence {
      case .segmentBreak:
        // What a later segment took the place of is no part of the log.
        if let last = lasts[finding.file] ?? nil, let first = finding.firstIndex, first > last {
          return nil
        }
      case .header, .footer, .unknownKind: break
      default: return nil
      }
      var finding = finding
      finding.detail += Self.withoutManifest
      return finding
    }
  }

  var evidence: DirectoryEvidence { diagnosis.evidence }

  /// True where an opening of the log refuses: not for what only a look at every byte shows.
  var isRefused: Bool { (metByOpening ?? findings).contains(where: \.verdict.refusesOpening) }

  /// True for a finding that keeps the log from being opened.
  func refusesOpening(_ finding: Finding) -> Bool {
    guard finding.verdict.refusesOpening, let metByOpening else {
      return finding.verdict.refusesOpening
    }
    return metByOpening.contains {
      $0.verdict == finding.verdict && $0.file == finding.file && $0.offset == finding.offset
    }
  }

  /// What the manifest says; nil when it is gone.
  var manifest: ManifestState? { evidence.manifest?.state }

  /// The log's segments in order, without the one that a made-up manifest needed.
  var segments: [SegmentEvidence] {
    evidence.segments.filter { $0.record.uid != LooseSegment.inventedUID }
  }

  var severity: Verdict.Severity { findings.map(\.severity).max() ?? .clean }

  /// The name that the file of a segment has on the disk.
  func fileName(_ record: SegmentRecord) -> String {
    realNames[record.fileName] ?? record.fileName
  }

  /// How many segments speak by their footers alone, because nobody read their frames.
  var unreadSegments: Int {
    segments.count { $0.fileBytes != nil && $0.scan == nil }
  }

  /// The log to show: this one or, where the manifest is gone, the segments in the order that their
  /// headers give, if there are any.
  var shown: Inspection { rebuilt.first ?? self }

  /// The entries as they can be read.
  func view() throws -> LogView {
    guard let view = LogView(look, in: directory) else {
      if let hidden = findings.first(where: { $0.verdict == .inputOutput }) {
        throw Failure(.inputOutput, "\(path): \(hidden)")
      }
      throw Failure(.lost, "\(path): the manifest is gone; `walinspect explain` says more")
    }
    return view
  }

  /// The log to read entries from: as `shown`, with a word about it.
  func readable() throws -> Inspection {
    guard manifest == nil || diagnosis.hidesManifest else { return self }
    let refusals = findings.filter { $0.verdict == .unsupported }
    if let finding = refusals.first { throw Failure(.refused, "\(path): \(finding)") }
    guard !rebuilt.isEmpty else {
      throw Failure(
        .lost, "\(path) holds no segment with a readable header: there is nothing to read")
    }
    sayRebuilt()
    return shown
  }

  /// Says on standard error that something stands in for the manifest.
  func sayRebuilt() {
    guard let log = rebuilt.first else { return }
    let count = Wording.count(log.segments.count, "segment", "segments")
    let order = log.segments.count == 1 ? "by its header" : "in the order of their headers"
    let state = diagnosis.hidesManifest ? "cannot be read" : "is gone"
    Output.complain(
      "\(path): the manifest \(state); reading \(count) \(order)")
  }
}
