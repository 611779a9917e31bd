// EngineOptions: the sizes and times that the engine keeps to.

public import LogFormat

/// When an append counts as done.
public enum SyncMode: Hashable, Sendable {
  /// When it is on the disk. A power cut loses nothing that was acknowledged.
  case always
  /// When it is written; it is synced at most this long afterwards. A crash of the process loses
  /// nothing, a power cut at most what was acknowledged in this time.
  case interval(Duration)
  /// When it is written; it is synced when a segment ends and on close. A crash of the process loses
  /// nothing, a power cut may lose everything since.
  case never
}

/// What the engine is told once, in bytes unless a name says otherwise.
public struct EngineOptions: Sendable {
  public var syncMode: SyncMode = .always
  public var compression: Compression = .automatic
  /// A segment is rolled at this size. Segments begin small and grow to it.
  public var segmentBytes: Int = 64 << 20
  /// The size that the first segment has, and the one after a crash.
  public var segmentBytesFirst: Int = 1 << 20
  /// The largest payload that is taken.
  public var entryBytesMax: Int = 4 << 20
  /// A batch is closed at this many raw bytes.
  public var batchBytesMax: Int = 1 << 20
  /// The most payload that waits to be written; `LogEngine.hasRoom` is false above it.
  public var pendingBytesMax: Int = 32 << 20
  /// The most that is kept in memory of what was written last, for readers at the tail.
  public var recentBytesMax: Int = 1 << 20
  /// The most that appending lets the log's files take, spares and the reserve included; nil for no
  /// limit but the disk's. Beyond it go what an opening copies after a crash (a segment at the most),
  /// a manifest while it is rewritten, and `quarantine/`, which is not the log's to delete.
  public var bytesMax: Int?
  /// After this long without work, the last batch is vouched for by a marker.
  public var markerDelay: Duration = .milliseconds(5)
  /// Zeros behind a rewritten manifest, for edits.
  public var manifestRoom: Int = 32 << 10
  /// Bytes set aside so that a full disk still has room for recovery and compaction.
  public var reserveBytes: Int = 2 << 20

  public init() {}

  /// The smallest segment that any configuration may ask for.
  public static let segmentBytesMin = 16 << 10
  /// A manifest is read whole, so it must not grow without bound.
  public static let manifestRoomMax = 16 << 20

  /// Refuses what cannot work, saying which option and why.
  public func validate() throws(LogError) {
    guard segmentBytes >= Self.segmentBytesMin, segmentBytes <= Layout.segmentBytesMax else {
      throw LogError(
        .badConfiguration,
        "a segment of \(segmentBytes) bytes: it must have \(Self.segmentBytesMin) to "
          + "\(Layout.segmentBytesMax)")
    }
    guard segmentBytesFirst >= Self.segmentBytesMin, segmentBytesFirst <= Layout.segmentBytesMax
    else {
      throw LogError(
        .badConfiguration,
        "a first segment of \(segmentBytesFirst) bytes: it must have \(Self.segmentBytesMin) to "
          + "\(Layout.segmentBytesMax)")
    }
    guard batchBytesMax >= 1, pendingBytesMax >= 1, manifestRoom >= 0, reserveBytes >= 0,
      recentBytesMax >= 0, markerDelay > .zero
    else {
      throw LogError(
        .badConfiguration,
        "batchBytesMax, pendingBytesMax and markerDelay must be more than "
          + "nothing, manifestRoom, reserveBytes and recentBytesMax not less")
    }
    if case .interval(let interval) = syncMode, interval <= .zero {
      throw LogError(
        .badConfiguration, "a sync interval of \(interval): it must be longer than that")
    }
    guard entryBytesMax >= 1, entryBytesMax <= Layout.entryBytesMax else {
      throw LogError(
        .badConfiguration,
        "entries of up to \(entryBytesMax) bytes: the limit must be 1 to \(Layout.entryBytesMax)")
    }
    guard manifestRoom <= Self.manifestRoomMax, reserveBytes <= Layout.segmentBytesMax else {
      throw LogError(
        .badConfiguration,
        "room for \(manifestRoom) bytes of edits and a reserve of \(reserveBytes): they may have up "
          + "to \(Self.manifestRoomMax) and \(Layout.segmentBytesMax)")
    }
    try validateCap()
  }

  private func validateCap() throws(LogError) {
    let first = min(segmentBytes, segmentBytesFirst)
    let least = 4 * first + reserveBytes + 2 * (manifestRoom + Layout.page)
    if let bytesMax, bytesMax < least {
      throw LogError(
        .badConfiguration,
        "a cap of \(bytesMax) bytes: with four first segments, the reserve and two manifests a log "
          + "takes \(least)")
    }
  }
}
