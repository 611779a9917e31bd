// Helpers: segments and whole logs, put on a simulated disk frame by frame, so that a test says
// exactly which bytes are there; and the few ways to damage them.
//
// What must always hold: nothing here goes through the engine. What recovery is shown was written by
// the format alone.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

extension Bytes {
  /// Bytes none of which is zero, so that no sector of them is blank; different for each `seed`.
  static func filler(_ count: Int, _ seed: Int = 0) -> Bytes {
    Bytes((0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 37) ^ (seed &* 101)) | 1 })
  }

  static func zeros(_ count: Int) -> Bytes { Bytes([UInt8](repeating: 0, count: count)) }
}

extension SimulatedDisk {
  func write(_ bytes: Bytes, to name: String, at offset: Int) throws {
    try open(name, .update).write(bytes, at: offset)
  }

  func bytes(of name: String) throws -> Bytes {
    let file = try open(name, .read)
    return try file.read(try file.size(), at: 0)
  }

  /// Turns one bit over.
  func flip(_ name: String, at offset: Int, bit: Int = 0) throws {
    let byte = try open(name, .read).read(1, at: offset).array[0]
    try write([byte ^ 1 << UInt8(bit)], to: name, at: offset)
  }

  /// A file of these bytes, which was not there before.
  func make(_ name: String, _ bytes: Bytes) throws {
    try open(name, .create).write(bytes, at: 0)
  }

  /// Everything in the directory, to tell whether something was touched.
  func contents() throws -> [String: Bytes] {
    var contents: [String: Bytes] = [:]
    for file in try list() { contents[file.name] = try bytes(of: file.name) }
    return contents
  }
}

// MARK: A segment

/// A frame as it lies in its file.
struct PlacedFrame {
  let frame: Frame
  let offset: Int
  /// Frame, body and padding.
  let bytes: Bytes

  var end: Int { offset + bytes.count }
  var range: Range<Int> { offset..<end }
  /// Where the body ends and padding begins.
  var bodyEnd: Int { offset + Layout.frame + frame.bodyBytes }
}

/// A segment file under construction.
struct SegmentFixture {
  static let group = UID(high: 0x6E0, low: 0x6E0)

  let disk: SimulatedDisk
  let header: SegmentHeader
  let capacity: Int
  private(set) var frames: [PlacedFrame] = []
  /// Where the next frame goes.
  private(set) var end = Layout.segmentHeader
  private(set) var lastIndex: LogIndex
  private(set) var lastTerm: Term
  private var checksum: UInt32

  var name: String { header.fileName }
  var ordinal: UInt32 { frames.last?.frame.ordinal ?? 0 }

  /// - Parameter exists: true for a file that is there already, with its header and without a frame.
  init(
    on disk: SimulatedDisk = SimulatedDisk(), header: SegmentHeader = Self.header(),
    capacity: Int = 64 << 10, exists: Bool = false
  ) throws {
    self.disk = disk
    self.header = header
    self.capacity = capacity
    lastIndex = header.previousIndex
    lastTerm = header.previousTerm
    checksum = header.checksum
    guard !exists else { return }
    let file = try disk.open(header.fileName, .create)
    try file.extendWithZeros(to: capacity)
    try file.write(header.encoded(), at: 0)
  }

  static func header(
    firstIndex: LogIndex = 1, previousTerm: Term = 0, salt: UInt64 = 0x5A17, sequence: UInt64 = 1,
    purpose: SegmentPurpose = .roll, group: UID = Self.group
  ) -> SegmentHeader {
    SegmentHeader(
      purpose: purpose, group: group, uid: UID(high: sequence, low: salt), salt: salt,
      sequence: sequence, firstIndex: firstIndex, previousTerm: previousTerm)
  }

  /// Writes a batch; what is not given is what a healthy writer would say.
  @discardableResult
  mutating func batch(
    _ payloads: [Bytes], term: Term? = nil, firstIndex: LogIndex? = nil, durable: UInt32 = 0,
    skip: Int = 0, truncateAfter: LogIndex? = nil, ordinal: UInt32? = nil, previous: UInt32? = nil,
    group: UID? = nil, manifestEdit: UInt64 = 1
  ) throws -> PlacedFrame {
    let first = firstIndex ?? (truncateAfter ?? lastIndex) + 1 - LogIndex(skip)
    let term = term ?? lastTerm
    var builder = BatchBuilder(group: group ?? header.group, firstIndex: first)
    for payload in payloads { builder.append(payload.span, kind: .data, term: term) }
    let frame = Frame(
      kind: .batch, ordinal: ordinal ?? self.ordinal + 1, durableOrdinal: durable,
      manifestEdit: manifestEdit, previousChecksum: previous ?? checksum, skip: skip,
      truncateAfter: truncateAfter)
    let written = builder.finish(.none).framed(frame, seed: header.seed)
    lastIndex = first + LogIndex(payloads.count) - 1
    lastTerm = term
    return try place(written.frame, written.bytes)
  }

  /// Writes a batch of one entry of so many bytes.
  @discardableResult
  mutating func entry(_ bytes: Int = 100, durable: UInt32 = 0) throws -> PlacedFrame {
    try batch([.filler(bytes, Int(lastIndex) + 1)], durable: durable)
  }

  /// Writes a frame without a body.
  @discardableResult
  mutating func bare(
    _ kind: FrameKind, durable: UInt32 = 0, truncateAfter: LogIndex? = nil
  ) throws -> PlacedFrame {
    let frame = Frame(
      kind: kind, ordinal: ordinal + 1, durableOrdinal: durable, manifestEdit: 1,
      previousChecksum: checksum, truncateAfter: truncateAfter)
    let written = frame.encoded(seed: header.seed)
    if let truncateAfter { lastIndex = truncateAfter }
    return try place(written.frame, written.bytes)
  }

  /// Vouches for every frame so far.
  @discardableResult
  mutating func marker() throws -> PlacedFrame { try bare(.marker, durable: ordinal) }

  /// Writes a frame that somebody else made.
  @discardableResult
  mutating func place(_ frame: Frame, _ bytes: Bytes) throws -> PlacedFrame {
    let placed = PlacedFrame(frame: frame, offset: end, bytes: bytes)
    try disk.write(bytes, to: name, at: end)
    frames.append(placed)
    end = placed.end
    checksum = frame.checksum
    return placed
  }

  // Damage.

  func zero(_ range: Range<Int>) throws {
    try disk.write(.zeros(range.count), to: name, at: range.lowerBound)
  }

  func zeroSector(_ sector: Int, of placed: PlacedFrame) throws {
    let start = placed.offset + sector * Layout.sector
    try zero(start..<start + Layout.sector)
  }

  /// Puts back what was written.
  func restore(_ placed: PlacedFrame) throws {
    try disk.write(placed.bytes, to: name, at: placed.offset)
  }

  func flip(at offset: Int, bit: Int = 0) throws { try disk.flip(name, at: offset, bit: bit) }

  func cut(to size: Int) throws { try disk.open(name, .update).truncate(to: size) }

  // Evidence.

  /// A scan that knows how large the file was made.
  func scan(limit: Int? = nil) throws -> SegmentScan {
    try SegmentScan.scan(
      try disk.open(name, .read), header: header, limit: limit, capacity: capacity)
  }

  /// The entries in `locations`, read back from the file.
  func entries(at locations: [BatchLocation]) throws -> [Entry] {
    var reader = try BatchReader(
      try disk.open(name, .read), header: header, path: name, windowBytes: 1 << 16)
    return try locations.flatMap { try reader.entries(at: $0, in: $0.firstIndex...$0.lastIndex) }
  }
}

extension SegmentBreak {
  /// The row that this break gets in the last segment, above its mark.
  func row(
    _ stop: BreakFacts.Stop = .unclean, mark: BreakFacts.Mark = .above,
    place: BreakFacts.Place = .active
  ) -> Verdict {
    Verdict.decide(
      .segmentBreak(BreakFacts(shape: shape, later: later, mark: mark, place: place, stop: stop)))
  }
}

// MARK: A log

/// A whole log: manifest, votes, and a segment that frames are put into.
struct LogFixture {
  static let options = OpeningOptions(
    group: SegmentFixture.group, segmentBytes: 64 << 10, copyWholeBytesMax: 32 << 10,
    manifestRoom: 8 << 10)

  let disk: SimulatedDisk
  private(set) var state: ManifestState
  private(set) var position: ManifestPosition
  /// The active segment.
  var segment: SegmentFixture
  private var generator = SeededGenerator(seed: 99)

  /// Starts a log, as opening an empty directory does.
  init() throws {
    disk = SimulatedDisk()
    let opened = try Self.open(disk, seed: 1).opened
    state = opened.manifest
    position = opened.manifestPosition
    segment = try SegmentFixture(
      on: disk, header: opened.active.record.header(group: opened.manifest.group),
      capacity: opened.active.record.capacity, exists: true)
  }

  /// Recovers whatever is on `disk`, as production does.
  @discardableResult
  static func open(_ disk: SimulatedDisk, seed: UInt64 = 7) throws -> OpeningPlan {
    var generator = SeededGenerator(seed: seed)
    let plan = try OpeningPlan.make(
      for: try diagnose(disk), in: disk, options: options, using: &generator)
    var executor = DiskExecutor(directory: disk)
    try executor.run(plan.steps)
    return plan
  }

  static func diagnose(
    _ disk: SimulatedDisk, depth: DirectoryEvidence.Depth = .opening, isLive: Bool = false
  ) throws -> Diagnosis {
    Diagnosis(try DirectoryEvidence.gather(disk, depth: depth, isLive: isLive))
  }

  func diagnose(_ depth: DirectoryEvidence.Depth = .opening) throws -> Diagnosis {
    try Self.diagnose(disk, depth: depth)
  }

  /// Every entry that can be read without opening; damage is passed over and counted.
  func readable() throws -> (entries: [Entry], damage: Int) {
    guard let view = LogView(try diagnose(), in: disk) else { return ([], 0) }
    var entries: [Entry] = []
    var damage = 0
    try view.replay(onDamage: { _ in damage += 1 }) { more in
      entries += more
      return true
    }
    return (entries, damage)
  }

  var indices: [LogIndex] { get throws { try readable().entries.map(\.index) } }

  /// Appends an edit to both copies, or to one.
  mutating func edit(
    _ changes: [ManifestChange], copies: [String] = ManifestHeader.names
  ) throws {
    for change in changes { try state.apply(change) }
    let edit = ManifestEdit(number: position.number + 1, changes: changes)
      .encoded(previousChecksum: position.checksum)
    for name in copies { try disk.write(edit.bytes, to: name, at: position.end) }
    position.number += 1
    position.checksum = edit.checksum
    position.end += edit.bytes.count
  }

  /// Replaces both copies by one edit of `state`, with the next number if none is given.
  mutating func rewrite(_ state: ManifestState, number: UInt64? = nil) throws {
    self.state = state
    let number = number ?? position.number + 1
    let image = ManifestImage(state: state, number: number, room: 8 << 10)
    for name in ManifestHeader.names {
      try disk.remove(name)
      try disk.make(name, image.bytes)
    }
    position = ManifestPosition(
      number: number, checksum: image.checksum, end: image.end, fileBytes: image.bytes.count)
  }

  /// Says that every frame so far was durable at a clean close.
  mutating func close() throws {
    try edit([.closed(segment.header.uid, ordinal: segment.ordinal)])
  }

  /// A segment that goes on where the active one ends; the manifest does not know it.
  mutating func nextSegment() throws -> SegmentFixture {
    let header = SegmentHeader(
      purpose: .roll, group: state.group, uid: UID(using: &generator), salt: generator.next(),
      sequence: segment.header.sequence + 1, firstIndex: segment.lastIndex + 1,
      previousTerm: segment.lastTerm)
    return try SegmentFixture(on: disk, header: header)
  }

  /// Ends the active segment and goes on in a new one.
  ///
  /// - Returns: the one that ended.
  @discardableResult
  mutating func roll(isSealed: Bool) throws -> SegmentFixture {
    let ended = segment
    let scan = try ended.scan()
    let next = try nextSegment()
    try edit([
      .ended(ended.header.uid, scan.end(at: scan.end.ordinal), isCut: false),
      .added(SegmentRecord(header: next.header, capacity: next.capacity)),
    ])
    segment = next
    guard isSealed else { return ended }
    let footer = scan.footer.encoded(header: ended.header)
    let size = scan.end.offset + footer.count
    try disk.write(footer, to: ended.name, at: scan.end.offset)
    try ended.cut(to: size)
    try edit([.sealed(ended.header.uid, SegmentSeal(size: size, digest: scan.digest))])
    return ended
  }

  /// Expects that opening refuses for `code`, and leaves every byte as it is.
  func expectRefusal(
    _ code: RecoveryError.Code, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try disk.contents()
    #expect(!before.isEmpty, sourceLocation: sourceLocation)
    do {
      try Self.open(disk)
      Issue.record("the log was opened", sourceLocation: sourceLocation)
    } catch let error as RecoveryError {
      #expect(error.code == code, sourceLocation: sourceLocation)
    }
    #expect(try disk.contents() == before, sourceLocation: sourceLocation)
  }
}
