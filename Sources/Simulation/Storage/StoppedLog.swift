// StoppedLog: a small log that was written and stopped, for damage to be done to it.
//
// What must always hold: everything in it was acknowledged, so nothing of it may be lost in silence.

import ByteBuffers
import LogFormat
import LogStorage
import Recovery

/// How a log was left before the damage.
public enum StopKind: String, Sendable, CaseIterable {
  case clean, crash
}

struct StoppedLog {
  let stop: StopKind
  /// The directory.
  let image: DiskImage
  /// What was acknowledged.
  let model: LogModel
  let hardState: HardState
  let options: EngineOptions

  /// A small log with several segments.
  init(small stop: StopKind, seed: UInt64) throws {
    try self.init(
      stop, seed: seed, segmentBytes: EngineOptions.segmentBytesMin,
      operations: [.append, .hardState, .large, .append])
  }

  /// A log whose segments hold several batches each, one of them rewritten.
  init(manyBatches stop: StopKind, seed: UInt64) throws {
    try self.init(
      stop, seed: seed, segmentBytes: 2 * EngineOptions.segmentBytesMin,
      operations: [
        .append, .large, .append, .truncate, .append, .append, .hardState, .append, .large, .append,
        .append, .append, .append, .append,
      ])
  }

  private init(
    _ stop: StopKind, seed: UInt64, segmentBytes: Int, operations: [StorageOperation]
  ) throws {
    var random = SplitMix64(seed: seed)
    var options = StorageExplorer.tinyOptions(&random)
    options.segmentBytes = segmentBytes
    options.segmentBytesFirst = segmentBytes
    options.syncMode = .always
    options.reserveBytes = 0
    self.options = options
    self.stop = stop
    let disk = SimulatedDisk()
    let driver = StorageDriver(disk: disk, options: options, seed: random.next())
    // Requests are finished one by one, so that all of them are acknowledged.
    driver.finishesEach = true
    for operation in operations { try driver.perform(operation) }
    switch stop {
    case .clean: try driver.perform(.close)
    case .crash: driver.crash()
    }
    model = driver.expectation.logs[0]
    hardState = driver.expectation.hardStates[0]
    image = disk.state.image
  }
}

extension DiskState {
  /// What a reader sees.
  var image: DiskImage {
    let files = entries.sorted { $0.key < $1.key }.map {
      (name: $0.key, content: inodes[$0.value].content)
    }
    return DiskImage(files: files)
  }
}

extension Finding {
  /// True when this finding says that the entry may be unreadable or gone.
  func covers(_ index: LogIndex) -> Bool {
    guard verdict.severity >= .damaged else { return false }
    guard let firstIndex else { return true }
    return index >= firstIndex && index <= lastIndex ?? .max
  }
}

extension LogModel {
  var indices: Range<LogIndex> { firstIndex..<lastIndex + 1 }

  /// True for an entry that was written like this.
  func holds(_ entry: Entry) -> Bool {
    guard indices.contains(entry.index) else { return false }
    return entries[Int(entry.index - firstIndex)]
      == LogModel.entry(index: entry.index, term: entry.term, payload: entry.payload)
      && entry.term == entries[Int(entry.index - firstIndex)].term
  }
}
