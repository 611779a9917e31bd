// What the core asks for, carried out: entries get their bytes, messages their batches.

import ByteBuffers
import LogFormat
import LogStorage
import Raft
import StorageIO

extension Node {
  mutating func carryOut(_ effect: Effect) {
    switch effect {
    case .append(let write, let append): self.append(write, append)
    case .save(let write, let state):
      request { (engine) throws(LogError) in try engine.save(state) }.map {
        writes.begin(write, $0)
      }
    case .send(let envelope, let write): send(envelope, after: write)
    case .fetch(let fetch, _, let after, let bytesMax): self.fetch(fetch, after, bytesMax)
    case .apply(let index): effects.append(.apply(through: index))
    case .resolve(let id, let outcome): effects.append(.resolve(id, outcome))
    case .readReady(let id, let index): effects.append(.readReady(id, at: index))
    case .readFailed(let id, let refusal): effects.append(.readFailed(id, refusal))
    case .store(let chunk): store(chunk)
    case .install(let info): snapshots.install(info)
    case .compact(let index):
      request { (engine) throws(LogError) in try engine.compact(through: index) }
    case .role(let role, let term, let leader): effects.append(.role(role, term, leader: leader))
    case .mark(let mark):
      request { (engine) throws(LogError) in try engine.save(mark: mark) }
    case .misbehaved(let peer, let what): effects.append(.misbehaved(peer, what))
    case .halt(let reason):
      writes.giveUp()
      effects.append(.halt(reason))
    }
  }

  /// Asks something of the engine that the core has made sure of. What is refused all the same is told
  /// to the core like a failed write: once the log has stopped it refuses everything.
  @discardableResult
  mutating func request(
    _ body: (inout LogEngine) throws(LogError) -> Ticket
  ) -> Ticket? {
    do throws(LogError) {
      return try body(&engine)
    } catch {
      refused = refused ?? error
      return nil
    }
  }

  // MARK: Entries

  private mutating func append(_ write: WriteID, _ append: Append) {
    let slice = append.entries
    if append.truncates {
      tail.truncate(after: slice.first - 1)
      request { (engine) throws(LogError) in try engine.truncate(after: slice.first - 1) }
    }
    var last: Ticket?
    for stored in batches(of: append) {
      last = request { (engine) throws(LogError) in
        try engine.append(stored.batch, from: stored.indices.lowerBound)
      }
      guard last != nil else { return }
      tail.append(stored)
    }
    if let last { writes.begin(write, last) }
  }

  /// The batches that hold the entries of `append`, each cut to what the log takes of it.
  private func batches(of append: Append) -> [StoredBatch] {
    let slice = append.entries
    switch (append.origin, attachment) {
    case (.proposal, .entries(let entries)): return encoded(entries, slice)
    case (.noop, _): return encoded(PayloadBatch([Bytes()], kind: .noop), slice)
    case (.configuration(let configuration), _):
      return encoded(PayloadBatch([configuration.encoded], kind: .configuration), slice)
    case (.received, .packet(let packet)):
      return packet.batches.filter { $0.header.indices.overlaps(slice.indices) }.map {
        let stored = StoredBatch($0, slice.indices.clamped(to: $0.header.indices))
        return StoredBatch(stored.whole, stored.indices)
      }
    default: preconditionFailure("entries that the event of this step has not brought")
    }
  }

  private func encoded(_ entries: PayloadBatch, _ slice: LogSlice) -> [StoredBatch] {
    entries.encoded(
      at: slice.first, term: slice.lastPosition.term, group: group, engine.options
    ).map { StoredBatch($0, $0.header.indices) }
  }

  // MARK: Messages

  private mutating func send(_ envelope: Envelope, after write: WriteID?) {
    let effect: NodeEffect
    switch envelope.message {
    case .append(let request):
      let batches = request.entries.map { attached($0.indices) } ?? []
      effect = .send(Packet(envelope, batches: batches))
    case .snapshot(let chunk): effect = .sendChunk(envelope, of: chunk.snapshot.name)
    default: effect = .send(Packet(envelope))
    }
    if let write, writes.hold(effect, after: write) { return }
    effects.append(effect)
  }

  private func attached(_ indices: ClosedRange<LogIndex>) -> [Batch] {
    if let batches = tail.batches(indices) { return batches.map(\.whole) }
    guard case .fetched(let batches) = attachment else {
      preconditionFailure("entries \(indices) are sent, and are not at hand")
    }
    return batches.filter { $0.indices.overlaps(indices) }.map { $0.cut(to: indices).whole }
  }

  private mutating func fetch(_ fetch: FetchID, _ after: LogIndex, _ bytesMax: Int) {
    let first = after + 1
    guard let source = entries(from: first, through: engine.lastIndex, bytesMax: bytesMax) else {
      preconditionFailure("entry \(first) is wanted: it is neither in memory nor on the disk")
    }
    effects.append(.fetch(fetch, source, bytesMax: bytesMax))
  }

  // MARK: Snapshots

  private mutating func store(_ chunk: SnapshotChunk) {
    guard case .packet(let packet) = attachment else {
      preconditionFailure("a part of a snapshot that no message has brought")
    }
    snapshots.store(packet.chunk, at: chunk.offset, of: chunk.snapshot)
  }

  /// The state machine's state goes to the disk, with what has to be said of it.
  mutating func captured(_ state: Bytes, at index: LogIndex) {
    guard let (position, configuration) = core.basis(ofSnapshotAt: index),
      index > snapshots.newest?.position.index ?? 0, !snapshots.isTaking
    else { return }
    let name = SnapshotName(index: position.index, term: position.term)
    let header = SnapshotHeader(
      group: group, uid: UID(using: &random), name: name,
      configurationIndex: configuration.index,
      configuration: configuration.configuration.encoded, state: state)
    let info = SnapshotInfo(
      position: position, configuration: configuration, uid: header.uid, bytes: header.fileBytes)
    snapshots.save(info, header.encoded, state)
  }
}
