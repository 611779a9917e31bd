// NodeOpener: from a directory to a node: the log is recovered, a snapshot that it is behind is installed,
// and what the core has to know is read.
//
// What must always hold: whoever opens holds the directory's lock; nothing that a power cut can take away
// counts as recovered.

import ByteBuffers
public import LogFormat
public import LogStorage
public import Raft
import Recovery
public import StorageIO

/// What a node is opened with.
public struct NodeOptions: Sendable {
  public var raft = RaftOptions()
  public var engine = EngineOptions()

  public init() {}
}

/// A node that was opened, before its state machine has anything.
public struct OpenedNode: ~Copyable {
  public let id: NodeID
  public let incarnation: UID
  public let options: NodeOptions
  /// The snapshot that the state machine begins with; nil for an empty one.
  public let snapshot: SnapshotFile?
  var engine: LogEngine
  let base: ConfigurationEntry
  let configurations: [ConfigurationEntry]
  let older: [SnapshotName]

  /// The last entry that the snapshot holds.
  public var snapshotIndex: LogIndex { snapshot?.info.position.index ?? 0 }

  /// The node, once its state machine stands at `applied`: at the snapshot's index, or behind it if it
  /// keeps its state.
  ///
  /// - Parameters:
  ///   - seed: what names and election timeouts are drawn from.
  ///   - now: a monotonic time, on the scale of `Node.step`.
  public consuming func start(applied: LogIndex, seed: UInt64, at now: Duration) -> Node {
    let info = snapshotIndex > 0 ? snapshot?.info : nil
    let recovered = Recovered(
      id: id, incarnation: incarnation, boot: engine.boot, hardState: engine.hardState,
      terms: engine.terms, snapshot: info, base: base, configurations: configurations,
      applied: applied, mark: engine.mark)
    let core = RaftCore(recovered, options: options.raft, seed: seed, at: now)
    let shelf = SnapshotShelf(newest: snapshot?.info, older: older)
    return Node(
      core: core, engine: engine, snapshots: shelf, applied: applied,
      seed: seed ^ 0x9E37_79B9_7F4A_7C15)
  }
}

public enum NodeOpener {
  /// Opens the node in `directory`; a directory without a log becomes that of a node that knows nobody.
  ///
  /// - Parameter group: the group that the directory must belong to.
  /// - Throws: `LogError`: what `LogOpener.open` throws, and `damaged` or `storage` for a snapshot.
  public static func open(
    _ id: NodeID, _ directory: any StorageDirectory, group: UID, options: NodeOptions, seed: UInt64
  ) throws(LogError) -> OpenedNode {
    let plan = try LogOpener.open(
      directory, options: options.engine, group: group, isMember: true, seed: seed)
    var engine = LogEngine(plan.opened, options: options.engine, seed: seed ^ 0xD1B5_4A32)
    let snapshot: SnapshotFile?
    let names: [SnapshotName]
    do throws(StorageError) {
      snapshot = try SnapshotFile.newest(group: group, in: directory)
      names = try directory.list().filter(\.isRegular).compactMap { SnapshotName($0.name) }
    } catch {
      throw LogError(error)
    }
    if let info = snapshot?.info { try install(info, &engine, directory) }
    let (base, configurations) = try configurations(engine, snapshot?.info, directory)
    return OpenedNode(
      id: id, incarnation: plan.opened.manifest.incarnation, options: options, snapshot: snapshot,
      engine: engine, base: base, configurations: configurations,
      older: names.filter { $0 != snapshot?.info.name })
  }

  /// Makes the directory's node a member: its first snapshot, of no entry, says of what group. It was
  /// opened before as that of a node that knows nobody, so that it has an incarnation.
  ///
  /// - Throws: `LogError`: `foreign` for a directory of another group, `unexpectedIndex` for one that
  ///   belongs to a group already, `storage` if it cannot be written.
  public static func found(
    _ configuration: Configuration, group: UID, uid: UID, in directory: any StorageDirectory
  ) throws(LogError) {
    try requireUnfounded(directory, group)
    let name = SnapshotName(index: 0, term: 0)
    let header = SnapshotHeader(
      group: group, uid: uid, name: name, configurationIndex: 0,
      configuration: configuration.encoded, state: Bytes())
    let file = SnapshotShelf.takenName
    var executor = DiskExecutor(directory: directory)
    do throws(StorageError) {
      try executor.run([
        .create(file, zeros: 0), .write(file, header.encoded, at: 0), .sync(file), .close(file),
        .rename(file, to: name.description), .syncDirectory(nil),
      ])
    } catch {
      throw LogError(error)
    }
  }

  /// Who has members already does not get others: it would count other majorities than they do.
  private static func requireUnfounded(
    _ directory: any StorageDirectory, _ group: UID
  ) throws(LogError) {
    let evidence: DirectoryEvidence
    do throws(StorageError) {
      evidence = try DirectoryEvidence.gather(directory)
    } catch {
      throw LogError(error)
    }
    guard let state = evidence.manifest?.state, state.group == group else {
      throw LogError(.foreign, "\(directory.path) holds no log of group \(group)")
    }
    let isEmpty = state.firstIndex == 1 && evidence.segments.allSatisfy(\.isEmpty)
    guard isEmpty, !evidence.isOfMember else {
      throw LogError(
        .unexpectedIndex,
        "\(directory.path) belongs to a group already: one that is to join another is begun anew")
    }
  }

  /// A snapshot that the log ends before, or contradicts, came from the leader, and a crash came before
  /// the log began behind it: that is done now.
  private static func install(
    _ info: SnapshotInfo, _ engine: inout LogEngine, _ directory: any StorageDirectory
  ) throws(LogError) {
    let position = info.position
    guard position.index >= engine.firstIndex,
      engine.terms.term(at: position.index) != position.term
    else { return }
    let ticket = try engine.restart(after: position.index, of: position.term)
    var executor = DiskExecutor(directory: directory)
    while engine.durableTicket < ticket {
      guard
        let job = engine.nextJob(.writer, now: .zero) ?? engine.nextJob(.background, now: .zero)
      else { throw LogError(.poisoned, "the log does not begin behind its snapshot") }
      do throws(StorageError) {
        try executor.run(job.steps)
        engine.completed(job.id, nil, now: .zero)
      } catch {
        throw LogError(error)
      }
    }
  }

  /// The configuration before the log's first entry, and those in the log.
  private static func configurations(
    _ engine: borrowing LogEngine, _ info: SnapshotInfo?, _ directory: any StorageDirectory
  ) throws(LogError) -> (ConfigurationEntry, [ConfigurationEntry]) {
    let known = info?.configuration ?? ConfigurationEntry(index: 0, configuration: Configuration())
    let compacted = engine.firstIndex - 1
    // What was in force before a configuration that is committed is never in force again: the snapshot's
    // stands in for it.
    let base = ConfigurationEntry(
      index: min(known.index, compacted), configuration: known.configuration)
    var found = known.index > compacted ? [known] : []
    var next = max(engine.firstIndex, known.index + 1)
    while next <= engine.lastIndex, let place = engine.place(of: next) {
      for stored in try place.read(bytesMax: 1 << 20, in: directory) {
        found += try configurations(in: stored)
        next = stored.indices.upperBound + 1
      }
    }
    return (base, found)
  }

  private static func configurations(
    in stored: StoredBatch
  ) throws(LogError) -> [ConfigurationEntry] {
    do throws(FormatError) {
      var found: [ConfigurationEntry] = []
      for (i, row) in try stored.batch.rows().enumerated() where row.kind == .configuration {
        let index = stored.batch.header.firstIndex + LogIndex(i)
        guard stored.indices.contains(index) else { continue }
        let entry = try stored.batch.entries(in: index...index)[0]
        found.append(
          ConfigurationEntry(
            index: index, configuration: try Configuration(decoding: entry.payload.span)))
      }
      return found
    } catch {
      throw LogError(
        .damaged, "a configuration in entries \(stored.indices) does not decode: \(error.message)")
    }
  }
}
