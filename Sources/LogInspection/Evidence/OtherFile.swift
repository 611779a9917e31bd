// OtherFile: a file of the directory that is no segment of the log, and what it is.

import LogFormat
import ProgramSupport
import Recovery
import StorageIO
import SystemPackage

struct OtherFile {
  enum Kind: String, CaseIterable {
    case manifest, vote, lock, reserve, spare
    /// Work that was not finished: opening removes it.
    case leftover
    /// A file that looks like a segment, and that the manifest does not name.
    case unknown
    case quarantine
    /// None of the log's.
    case stranger
  }

  var kind: Kind
  /// Relative to the directory.
  var name: String
  var bytes: Int
  /// What there is to say about it.
  var note: String
}

extension Inspection {
  /// Everything that is not a segment of the log that is shown, in a fixed order.
  func otherFiles() throws -> [OtherFile] {
    guard !isDetached else { return [] }
    let odd = Set(evidence.unknown.map(\.file.name))
    let known = evidence.files.filter { !odd.contains($0.name) }.compactMap { knownFile($0) }
    let segments = Set(shown.segments.map { shown.fileName($0.record) })
    let unknown = evidence.unknown.filter { !segments.contains($0.file.name) }.map { file in
      OtherFile(
        kind: Self.kind(file), name: file.file.name, bytes: file.file.size,
        note: DirectoryEvidence.Names.isSpare(file.file.name) ? "for a next segment" : file.detail)
    }
    let strangers = evidence.strangers.map {
      OtherFile(kind: .stranger, name: $0.name, bytes: $0.size, note: "none of the log's")
    }
    return known + unknown + (try quarantined()) + strangers
  }

  private static func kind(_ file: UnknownEvidence) -> OtherFile.Kind {
    if DirectoryEvidence.Names.isSpare(file.file.name) { return .spare }
    let verdict = Verdict.decide(.unknown(file.content, isLive: false))
    return verdict == .leftover ? .leftover : .unknown
  }

  private func knownFile(_ file: FileInfo) -> OtherFile? {
    let names = DirectoryEvidence.Names.self
    if let i = ManifestHeader.names.firstIndex(of: file.name) {
      return OtherFile(
        kind: .manifest, name: file.name, bytes: file.size, note: note(evidence.manifests[i]))
    }
    if let i = VoteFile.names.firstIndex(of: file.name) {
      return OtherFile(
        kind: .vote, name: file.name, bytes: file.size, note: note(evidence.votes[i]))
    }
    switch file.name {
    case names.lock:
      let note = isLive ? "held by a writer" : "held by nobody"
      return OtherFile(kind: .lock, name: file.name, bytes: file.size, note: note)
    case names.reserve:
      return OtherFile(
        kind: .reserve, name: file.name, bytes: file.size, note: "for a full disk")
    default: return nil
    }
  }

  private func note(_ copy: ManifestCopy) -> String {
    switch copy {
    case .missing: "gone since the directory was listed"
    case .unusable(let error), .unsupported(let error): error.message
    case .unreadable(let failure): "\(failure)"
    case .usable(let scan):
      "edit \(scan.number)" + (scan.isClean ? "" : ", damaged behind it")
    }
  }

  private func note(_ copy: VoteCopy) -> String {
    switch copy {
    case .missing: "gone since the directory was listed"
    case .unusable(let error), .unsupported(let error): error.message
    case .unreadable(let failure): "\(failure)"
    case .usable(let file): "generation \(file.generation), term \(file.state.term)"
    }
  }

  /// What was set aside.
  private func quarantined() throws -> [OtherFile] {
    let name = DirectoryEvidence.Names.quarantine
    let files: [FileInfo]
    do throws(StorageError) {
      files = try Surroundings.directory("\(path)/\(name)").list()
    } catch {
      if error.isNotFound || error.errno == .notDirectory { return [] }
      throw error
    }
    return files.map {
      OtherFile(
        kind: .quarantine, name: "\(name)/\($0.name)", bytes: $0.size, note: "set aside, not read")
    }
  }
}
