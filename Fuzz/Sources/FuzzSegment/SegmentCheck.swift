// SegmentCheck: a segment file that may be anything, by itself and in a directory.

import ByteBuffers
import FuzzSupport
import LogFormat
import LogStorage
import Recovery
import Simulation
import StorageIO

struct SegmentCheck {
  private let bytes: Bytes
  private let role: SegmentRole
  private let header: SegmentHeader
  /// What the file alone says.
  private let scan: SegmentScan
  private let footer: SegmentFooter?

  /// Nil for an input without a role.
  init?(_ input: [UInt8]) {
    guard let last = input.last else { return nil }
    let content = Array(input.dropLast())
    let role = SegmentRole(byte: last)
    let bytes = Bytes(content)
    let decoded = try? SegmentHeader(decoding: bytes.span)
    let header = decoded ?? SegmentSeeds.header
    self.bytes = bytes
    self.header = header
    self.role = role
    let capacity = content.count + (role.isShort ? Layout.page : 0)
    do {
      let disk = SampleDirectory.disk([SampleFile(name: "segment", bytes: bytes)])
      let file = try disk.open("segment", .read)
      scan = try SegmentScan.scan(file, header: header, capacity: capacity)
    } catch {
      found("scanning failed: \(error)")
    }
    footer = Self.decodedFooter(bytes, header)
  }

  func run() {
    checkScan()
    checkFooter()
    checkDirectory()
  }

  // MARK: The file alone

  /// The chain that a scan reports has no gap and no step back.
  private func checkScan() {
    let end = scan.end
    expect(end.offset % Layout.page == 0, "the chain ends within a page")
    expect(scan.durableOrdinal <= scan.durableOrdinalAnywhere, "a part vouches for more than all")
    expect(scan.durableOrdinal < max(end.ordinal, 1), "the chain vouches for what follows it")
    var next = header.firstIndex
    for batch in scan.batches {
      expect(batch.firstIndex == next && batch.lastIndex >= next, "a gap at entry \(next)")
      next = batch.lastIndex + 1
    }
    expect(next == end.index + 1, "the chain ends at \(end.index), its batches at \(next - 1)")
    var previous = TermRun(firstIndex: header.firstIndex - 1, term: header.previousTerm)
    for (i, run) in scan.termRuns.enumerated() {
      expect(run.firstIndex > previous.firstIndex, "term runs go back")
      expect(
        run.term > previous.term || (i == 0 && run.term == previous.term), "the term falls")
      previous = run
    }
    expect(end.term == previous.term, "the chain's last term is not its last run's")
    for ordinal in 0...min(end.ordinal, 16) {
      let earlier = scan.end(at: ordinal)
      expect(earlier.ordinal == ordinal && earlier.offset <= end.offset, "an end out of place")
      expect(earlier.index <= end.index, "an earlier end is behind the last one")
    }
  }

  private static func decodedFooter(_ bytes: Bytes, _ header: SegmentHeader) -> SegmentFooter? {
    guard let offset = try? SegmentFooter.offset(trailer: bytes.span), offset < bytes.count else {
      return nil
    }
    let rest = bytes[offset..<bytes.count]
    _ = try? SegmentFooter(decoding: rest.span, header: header, batchIndex: false)
    return try? SegmentFooter(decoding: rest.span, header: header)
  }

  /// A footer that decodes says the same after being written again.
  private func checkFooter() {
    guard let footer else { return }
    let bytes = footer.encoded(header: header)
    let again = try? SegmentFooter(decoding: bytes.span, header: header)
    expect(again == footer, "a footer changed by being written again")
    let offset = try? SegmentFooter.offset(trailer: bytes.span)
    expect(offset == footer.offset, "a trailer points elsewhere")
  }

  // MARK: In a directory

  /// The entries of the unbroken chain, decoded by hand; those that have rotted are left out.
  private func chainEntries() -> [Entry] {
    var entries: [Entry] = []
    for location in scan.batches {
      let rest = bytes[min(location.offset, bytes.count)..<bytes.count]
      guard let frame = try? Frame(decoding: rest.span, seed: header.seed) else {
        found("the scan took a frame at byte \(location.offset) that does not decode")
      }
      guard rest.count >= Layout.frame + frame.bodyBytes,
        let batch = try? Batch(rest[Layout.frame..<Layout.frame + frame.bodyBytes])
      else { found("the scan took a batch at byte \(location.offset) that does not decode") }
      let range = location.firstIndex...location.lastIndex
      if let found = try? batch.entries(in: range) { entries += found }
    }
    return entries
  }

  private func checkDirectory() {
    let chain = chainEntries()
    let disk = SampleDirectory.disk(directory())
    let reading = DirectoryReading(disk)
    if reading.diagnosis.refusals.isEmpty {
      expect(reading.entries == chain, "the view shows other entries than the file's chain")
    }
    let running: RunningLog
    do {
      running = try RunningLog(opening: disk, options: .tiny, seed: 1)
    } catch {
      expect(error.code != .storage, "opening began what it could not finish: \(error)")
      return
    }
    let after = DirectoryReading(disk, depth: .opening)
    if let refusal = after.diagnosis.refusals.first { found("after opening: \(refusal)") }
    // A footer that was forged with the right checksums is believed: rot does not do that.
    let isBelieved = role.place == .sealed && footer.map { $0.batches != scan.batches } ?? false
    expect(
      isBelieved || after.entries == chain, "opening kept other entries than the file's chain")
    goOn(running, disk, after.entries)
  }

  private func goOn(_ running: RunningLog, _ disk: SimulatedDisk, _ entries: [Entry]) {
    let payload = Bytes("appended behind what was recovered")
    let entry: Entry
    do {
      let term = running.engine.lastTerm
      let index = try running.engine.append(payload.span, term: term).index
      entry = Entry(index: index, term: term, payload: payload)
    } catch {
      expect(error.code == .outOfRange, "a recovered log takes no entry: \(error)")
      return
    }
    running.pump()
    running.close()
    let after = DirectoryReading(disk, depth: .opening)
    expect(after.entries == entries + [entry], "appending changed the entries before")
  }

  /// A directory in which the manifest knows the file, in its role.
  private func directory() -> [SampleFile] {
    let record = role.record(scan, footer: footer)
    var files = [SampleFile(name: record.fileName, bytes: bytes)]
    var state = ManifestState(group: header.group, incarnation: UID(high: 3, low: 4))
    state.firstIndex = header.firstIndex
    state.previousTerm = header.previousTerm
    state.boots = [Boot(counter: 1, random: 5)]
    state.segments = [record]
    if let end = record.end {
      let next = SegmentHeader(
        purpose: .roll, group: header.group, uid: UID(high: 6, low: 7), salt: 8,
        sequence: header.sequence &+ 1, firstIndex: end.index + 1, previousTerm: end.term)
      let active = SegmentRecord(header: next, capacity: EngineOptions.segmentBytesMin)
      state.segments.append(active)
      files.append(SampleFile(name: active.fileName, bytes: Self.emptySegment(next)))
    }
    state.isClosed = role.place == .closed
    // An edit that a frame names must be there, unless no log could ever get that far.
    let number = scan.manifestEdit < 1 << 62 ? max(scan.manifestEdit, 1) : 1
    let manifest = ManifestImage(state: state, number: number, room: 0)
    files += ManifestHeader.names.map { SampleFile(name: $0, bytes: manifest.bytes) }
    let vote = VoteFile(
      generation: 1, state: HardState(term: 1), incarnation: state.incarnation,
      group: state.group)
    files += VoteFile.names.map { SampleFile(name: $0, bytes: vote.encoded()) }
    return files
  }

  private static func emptySegment(_ header: SegmentHeader) -> Bytes {
    var writer = ByteWriter(capacity: EngineOptions.segmentBytesMin)
    let front = header.encoded()
    writer.bytes(front.span)
    writer.fill(0, count: EngineOptions.segmentBytesMin - writer.count)
    return writer.finish()
  }
}
