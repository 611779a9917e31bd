// OpenedLog: what an engine starts from, and the sizes that opening depends on. Values.

public import LogFormat

/// The segment that is being written.
public struct ActiveSegment: Sendable {
  public var record: SegmentRecord
  /// The end of the last frame; `index` and `term` are the log's last.
  public var end: SegmentEnd
  /// Every frame up to here is durable.
  public var durableOrdinal: UInt32
  public var batches: [BatchLocation]
  /// CRC32C of the file up to `end`.
  public var digest: UInt32

  public init(
    record: SegmentRecord, end: SegmentEnd, durableOrdinal: UInt32, batches: [BatchLocation],
    digest: UInt32
  ) {
    self.digest = digest
    self.record = record
    self.end = end
    self.durableOrdinal = durableOrdinal
    self.batches = batches
  }
}

/// Where the manifest's next edit goes.
public struct ManifestPosition: Hashable, Sendable {
  /// The number of the last edit.
  public var number: UInt64
  /// Its checksum.
  public var checksum: UInt32
  /// The byte behind it.
  public var end: Int
  /// Bytes of the file, zeros included.
  public var fileBytes: Int

  public init(number: UInt64, checksum: UInt32, end: Int, fileBytes: Int) {
    self.number = number
    self.checksum = checksum
    self.end = end
    self.fileBytes = fileBytes
  }
}

/// A log that is ready to be appended to, once the plan's steps are done.
public struct OpenedLog: Sendable {
  public var manifest: ManifestState
  public var manifestPosition: ManifestPosition
  public var hardState: HardState
  /// Set if the directory may have lost something that it acknowledged.
  public var mark: Mark?
  public var voteGeneration: UInt64
  public var active: ActiveSegment
  /// No file of the log was ever numbered higher.
  public var lastSequence: UInt64
  public var boot: Boot
  /// Bytes that the file has that keeps space in reserve; nil if it is not there.
  public var reserveBytes: Int?
  /// Dropped files that the plan removes.
  public var removed: [SegmentName] = []
}

/// Sizes that opening depends on, in bytes.
public struct OpeningOptions: Sendable {
  /// The group that the log must belong to; nil takes whichever it is, or a random new one.
  public var group: UID?
  /// True for the log of a member of a group: what it may have forgotten is noted with its vote before
  /// anything is cut, and one that has lost its vote is not opened.
  public var isMember = false
  /// Zeros of the segment that opening starts, and at least the room behind what it copies.
  public var segmentBytes: Int
  /// A segment that has at most this much to keep is copied whole, so that a crash loop leaves one
  /// small segment and not one a crash.
  public var copyWholeBytesMax: Int
  /// Room for edits behind a rewritten manifest.
  public var manifestRoom: Int

  public init(
    group: UID? = nil, segmentBytes: Int = 1 << 20, copyWholeBytesMax: Int = 256 << 10,
    manifestRoom: Int = 32 << 10
  ) {
    self.group = group
    self.segmentBytes = segmentBytes
    self.copyWholeBytesMax = copyWholeBytesMax
    self.manifestRoom = manifestRoom
  }
}
