// SampleDirectory: the directories of real logs, at moments of their lives.
//
// What must always hold: a real engine wrote every byte of them; the same program makes the same
// samples each time, so that an input means the same in every run. `written` has every entry that
// any of the logs ever took: no other may ever be read from a sample, whatever is done to it.

package import ByteBuffers
package import LogFormat
import LogStorage
package import Simulation
import StorageIO

/// A file of a directory, in memory.
package struct SampleFile: Hashable, Sendable {
  package var name: String
  package var bytes: Bytes

  package init(name: String, bytes: Bytes) {
    self.name = name
    self.bytes = bytes
  }

  package var isSegment: Bool { name.hasSuffix(".wal") }
  package var isManifest: Bool { ManifestHeader.names.contains(name) }
  package var isVote: Bool { VoteFile.names.contains(name) }
}

package struct SampleDirectory: Sendable {
  package let name: String
  package let files: [SampleFile]

  fileprivate init(_ name: String, copying disk: SimulatedDisk) {
    self.name = name
    files = Self.files(on: disk)
  }

  /// The files on a disk that can be read, by name; without what is in quarantine/.
  package static func files(on disk: SimulatedDisk) -> [SampleFile] {
    do {
      return try disk.list().map { file in
        let bytes = try disk.open(file.name, .read).read(file.size, at: 0)
        return SampleFile(name: file.name, bytes: bytes)
      }
    } catch {
      found("a directory cannot be read: \(error)")
    }
  }

  /// A healthy disk with these files.
  package static func disk(_ files: [SampleFile]) -> SimulatedDisk {
    let disk = SimulatedDisk()
    do {
      for file in files { try disk.open(file.name, .create).write(file.bytes, at: 0) }
    } catch {
      found("a healthy disk fails: \(error)")
    }
    return disk
  }

  /// The file of that name, if this directory has it.
  package func file(_ name: String) -> SampleFile? { files.first { $0.name == name } }

  package static var all: [SampleDirectory] { Lives.shared.samples }
  package static var written: Set<Entry> { Lives.shared.written }

  /// The sample that an input's byte names.
  package static func chosen(by byte: UInt8) -> SampleDirectory { all[Int(byte) % all.count] }
}

/// What the logs left, made once.
private struct Lives: Sendable {
  var samples: [SampleDirectory] = []
  var written: Set<Entry> = []

  static let shared = Lives()

  init() {
    let plain = Life("plain", options: .tiny, seed: 1)
    plain.liveFully()
    var options = EngineOptions.tiny
    options.compression = .lz4
    options.syncMode = .never
    options.reserveBytes = 4096
    options.segmentBytes = 2 * EngineOptions.segmentBytesMin
    let packed = Life("packed", options: options, seed: 2)
    packed.liveWithoutSyncs()
    for life in [plain, packed] {
      samples += life.samples
      written.formUnion(life.written)
    }
  }
}

/// One log, from its first opening to its last closing.
private final class Life {
  private(set) var samples: [SampleDirectory] = []
  private(set) var written: Set<Entry> = []
  private let name: String
  private let options: EngineOptions
  private let disk = SimulatedDisk()
  private var running: RunningLog
  private var random: SplitMix64
  private var term: Term = 1

  init(_ name: String, options: EngineOptions, seed: UInt64) {
    self.name = name
    self.options = options
    random = SplitMix64(seed: seed)
    running = Self.open(disk, options, random.next())
  }

  private static func open(
    _ disk: SimulatedDisk, _ options: EngineOptions, _ seed: UInt64
  ) -> RunningLog {
    do {
      return try RunningLog(opening: disk, options: options, seed: seed)
    } catch {
      found("a healthy log does not open: \(error)")
    }
  }

  func liveFully() {
    settle("new")
    append(3, bytes: 40)
    settle("few")
    idle("marked")
    vote(for: 2)
    append(6, bytes: 2000)
    settle("rolled")
    truncate(after: running.engine.lastIndex - 1)
    append(1, bytes: 100)
    settle("truncated")
    truncate(after: 2)
    append(2, bytes: 300)
    settle("cut")
    append(7, bytes: 3000)
    compact(through: running.engine.lastIndex - 3)
    settle("compacted")
    // The log begins behind everything that its active segment holds.
    compact(through: running.engine.lastIndex)
    settle("emptied")
    append(2, bytes: 3500, pumps: false)
    running.pump(steps: 2)
    take("killed")
    reopen("copied")
    vote(for: 3)
    append(2, bytes: 10)
    close("closed")
  }

  func liveWithoutSyncs() {
    append(5, bytes: 3000)
    settle("unsynced")
    request { (engine) throws(LogError) in _ = try engine.sync() }
    idle("synced")
    append(12, bytes: 4000)
    vote(for: 1)
    settle("rolled")
    truncate(after: running.engine.lastIndex - 2)
    settle("truncated")
    reopen("copied")
    append(1, bytes: 0)
    close("closed")
  }

  // MARK: What a client does

  private func request(_ body: (inout LogEngine) throws(LogError) -> Void) {
    do {
      try body(&running.engine)
    } catch {
      found("a legal request was refused: \(error)")
    }
  }

  /// Appends entries, each a batch of its own if the disk gets its turn in between.
  private func append(_ count: Int, bytes: Int, pumps: Bool = true) {
    for _ in 0..<count {
      if random.next() % 4 == 0 { term += 1 }
      var payload = ByteWriter(capacity: bytes)
      // Half of it compresses well, so that both codecs are used.
      while payload.count < bytes / 2 { payload.u8(UInt8(truncatingIfNeeded: random.next())) }
      payload.fill(UInt8(truncatingIfNeeded: random.next()), count: bytes - payload.count)
      let content = payload.finish()
      let term = term
      var index: LogIndex = 0
      request { (engine) throws(LogError) in
        index = try engine.append(content.span, term: term).index
      }
      written.insert(Entry(index: index, term: term, payload: content))
      if pumps { running.pump() }
    }
  }

  private func truncate(after index: LogIndex) {
    request { (engine) throws(LogError) in _ = try engine.truncate(after: index) }
    term = max(term, running.engine.lastTerm) + 1
  }

  private func compact(through index: LogIndex) {
    request { (engine) throws(LogError) in _ = try engine.compact(through: index) }
    running.pump()
  }

  private func vote(for node: NodeID) {
    term += 1
    let state = HardState(term: term, vote: node)
    request { (engine) throws(LogError) in _ = try engine.save(state) }
    running.pump()
  }

  // MARK: Moments

  private func take(_ moment: String) {
    samples.append(SampleDirectory("\(name)-\(moment)", copying: disk))
  }

  private func settle(_ moment: String) {
    running.pump()
    take(moment)
  }

  private func idle(_ moment: String) {
    running.now += .milliseconds(50)
    settle(moment)
  }

  private func reopen(_ moment: String) {
    running = Self.open(disk, options, random.next())
    settle(moment)
  }

  private func close(_ moment: String) {
    running.close()
    take(moment)
  }
}
