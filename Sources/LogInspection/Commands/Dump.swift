// walinspect dump: what is in the segment files, frame by frame, whether it belongs to the log or not.

import ArgumentParser
import ByteBuffers
import LogFormat
import ProgramSupport
import Recovery
import StorageIO

struct Dump: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the segments frame by frame and entry by entry.",
    discussion: """
      Everything that lies in the files is shown, also what is not part of the log any more: \
      entries that were compacted away, truncated or cut are marked.
      """)

  @OptionGroup var subject: SubjectOptions
  @OptionGroup var range: RangeOptions

  @Flag(help: "Print payloads: as escaped text, or in base64 with --json.")
  var payload = false

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path).readable()
    let progress = ProgressLine("dumping")
    var done = 0
    let total = inspection.segments.reduce(0) { $0 + ($1.fileBytes ?? 0) }
    for segment in inspection.segments where mayHold(segment) {
      var printer = SegmentPrinter(
        segment, in: inspection, range: range, withPayload: payload, asJSON: subject.json)
      // A terminal that shows the dump shows how far it has come.
      try printer.print(to: &output) { offset in
        if !Terminal.output.isTerminal { progress.show(done + offset, of: total) }
      }
      done += segment.fileBytes ?? 0
    }
    return .clean
  }

  /// False for segments of which no frame can be in the range.
  private func mayHold(_ segment: SegmentEvidence) -> Bool {
    let indices = range.indices
    if segment.record.firstIndex > indices.upperBound { return false }
    // A sealed file holds nothing behind its end; others may.
    guard segment.record.seal != nil, let end = segment.record.end else { return true }
    return !range.isLimited || end.index >= indices.lowerBound
  }
}

/// Prints one segment.
private struct SegmentPrinter {
  private let segment: SegmentEvidence
  private let inspection: Inspection
  private let name: String
  private let range: RangeOptions
  private let withPayload: Bool
  private let asJSON: Bool
  /// The log's batches in this file, by offset.
  private var log: [Int: BatchLocation] = [:]
  /// What the next frame must be.
  private var ordinal: UInt32 = 1
  private var chain: UInt32

  private static let format = "walinspect.dump/1"

  init(
    _ segment: SegmentEvidence, in inspection: Inspection, range: RangeOptions, withPayload: Bool,
    asJSON: Bool
  ) {
    self.segment = segment
    self.inspection = inspection
    self.range = range
    self.withPayload = withPayload
    self.asJSON = asJSON
    name = inspection.fileName(segment.record)
    chain = segment.record.headerChecksum
  }

  mutating func print(to output: inout Output, progress: (Int) -> Void) throws {
    guard let manifest = inspection.manifest else { return }
    guard segment.fileBytes != nil, !segment.isUnopenable,
      segment.header == .valid || segment.header == .damaged
    else {
      try printUnreadable(to: &output)
      return
    }
    let header = segment.record.header(group: manifest.group)
    let file = try inspection.directory.open(segment.record.fileName, .read)
    let batches = try segment.batches(in: file, header: header)
    log = Dictionary(batches.map { ($0.offset, $0) }, uniquingKeysWith: { $1 })
    try print(header, to: &output)
    var walk = try FrameWalk(file, header: header)
    while let piece = try walk.next() {
      switch piece {
      case .frame(let frame, let body, let offset):
        try print(frame, body, at: offset, to: &output)
        progress(offset)
      case .footer(let place): try print("footer", place, to: &output)
      case .damage(let place): try print("damage", place, to: &output)
      case .zeros(let place): try print("zeros", place, to: &output)
      }
    }
  }

  // MARK: Pieces

  private func begin(_ type: String, _ offset: Int) -> JSONWriter {
    var json = JSONWriter(format: Self.format)
    json.field("type", type)
    json.field("file", name)
    json.field("offset", offset)
    return json
  }

  private func printUnreadable(to output: inout Output) throws {
    let withheld = segment.isUnopenable ? segment.failure.map { "\($0)" } : nil
    let detail =
      withheld ?? (segment.fileBytes == nil ? "the file is not there" : segment.headerDetail)
    if asJSON {
      var json = begin("unreadable", 0)
      json.field("firstIndex", segment.record.firstIndex)
      json.field("lastIndex", segment.record.end?.index)
      json.field("detail", detail)
      try output.line(json)
    } else {
      try output.line("\(Wording.escaped(name)): \(Wording.escaped(detail))")
    }
  }

  private func print(_ header: SegmentHeader, to output: inout Output) throws {
    if asJSON {
      var json = begin("header", 0)
      json.field("group", header.group.description)
      json.field("uid", header.uid.description)
      json.field("purpose", "\(header.purpose)")
      json.field("sequence", header.sequence)
      json.field("firstIndex", header.firstIndex)
      json.field("previousTerm", header.previousTerm)
      json.checksum("crc", header.checksum)
      json.field("isValid", segment.header == .valid)
      try output.line(json)
      return
    }
    let state = segment.header == .valid ? "" : "; damaged: \(segment.headerDetail)"
    try output.line(
      Terminal.output.paint(Wording.escaped(name), .heading)
        + ": first index \(header.firstIndex), previous term \(header.previousTerm), "
        + "\(header.purpose), uid \(header.uid), group \(header.group), "
        + "crc \(Hex.string(header.checksum))\(state)")
  }

  /// A piece of the file that is no frame.
  private func print(_ type: String, _ place: Range<Int>, to output: inout Output) throws {
    guard !range.isLimited else { return }
    if asJSON {
      var json = begin(type, place.lowerBound)
      json.field("bytes", place.count)
      try output.line(json)
    } else {
      let tone: Tone = type == "damage" ? .bad : .faint
      try output.line(
        "@\(place.lowerBound) " + Terminal.output.paint(type, tone)
          + ": \(Wording.count(place.count, "byte", "bytes"))")
    }
  }

  private mutating func print(
    _ frame: Frame, _ body: SegmentReader.Body, at offset: Int, to output: inout Output
  ) throws {
    let isInOrder = frame.ordinal == ordinal && frame.previousChecksum == chain
    ordinal = frame.ordinal &+ 1
    chain = frame.checksum
    let (header, rows, error) = parts(of: body)
    if range.isLimited {
      guard let header, header.indices.overlaps(range.indices) else { return }
    }
    if asJSON {
      try printJSON(frame, header, at: offset, isInOrder, error, to: &output)
    } else {
      try printText(frame, header, at: offset, isInOrder, error, to: &output)
    }
    guard let header, !rows.isEmpty else { return }
    try print(rows, header, body, at: offset, to: &output)
  }

  private func parts(
    of body: SegmentReader.Body
  ) -> (BatchHeader?, [BatchRow], FormatError?) {
    switch body {
    case .none: (nil, [], nil)
    case .batch(let batch, let rows): (batch.header, rows, nil)
    case .damaged(let header, let rows, let error): (header, rows, error)
    }
  }

  private func printJSON(
    _ frame: Frame, _ header: BatchHeader?, at offset: Int, _ isInOrder: Bool,
    _ error: FormatError?, to output: inout Output
  ) throws {
    var json = begin("frame", offset)
    json.field("bytes", frame.extent)
    json.field("ordinal", frame.ordinal)
    json.field("kind", frame.kind.name)
    json.field("durableOrdinal", frame.durableOrdinal)
    json.field("manifestEdit", frame.manifestEdit)
    json.field("truncateAfter", frame.truncateAfter)
    json.field("skip", frame.skip)
    json.checksum("crc", frame.checksum)
    json.field("isInOrder", isInOrder)
    json.field("damage", error?.message)
    if let header {
      json.field("firstIndex", header.firstIndex)
      json.field("lastIndex", header.lastIndex)
      json.field("codec", "\(header.codec)")
      json.field("storedBytes", header.storedBytes)
      json.field("rawBytes", header.rawBytes)
      json.checksum("batchCrc", header.checksum)
    }
    try output.line(json)
  }

  private func printText(
    _ frame: Frame, _ header: BatchHeader?, at offset: Int, _ isInOrder: Bool,
    _ error: FormatError?, to output: inout Output
  ) throws {
    var line = "@\(offset) frame \(frame.ordinal): \(frame.kind.name)"
    if let header {
      line +=
        " \(Wording.indices(header.firstIndex, header.lastIndex)), \(header.codec), "
        + "\(Wording.count(header.storedBytes)) of \(Wording.count(header.rawBytes, "byte", "bytes"))"
    }
    line += ", durable \(frame.durableOrdinal), edit \(frame.manifestEdit)"
    if let truncation = frame.truncateAfter { line += ", truncates after \(truncation)" }
    if frame.skip > 0 { line += ", skips \(frame.skip)" }
    line += ", crc \(Hex.string(frame.checksum))"
    let terminal = Terminal.output
    if !isInOrder { line += terminal.paint(", not chained to the frame before it", .warning) }
    if let error { line += terminal.paint(", damaged: \(error.message)", .bad) }
    try output.line(line)
  }

  // MARK: Entries

  private func print(
    _ rows: [BatchRow], _ header: BatchHeader, _ body: SegmentReader.Body, at offset: Int,
    to output: inout Output
  ) throws {
    var payloads: [LogIndex: Bytes] = [:]
    if withPayload, case .batch(let batch, _) = body, let entries = try? batch.entries() {
      for entry in entries { payloads[entry.index] = entry.payload }
    }
    let location = log[offset]
    for (i, row) in rows.enumerated() {
      let index = header.firstIndex + LogIndex(i)
      guard range.indices.contains(index) else { continue }
      let place = place(of: index, location)
      let payload = payloads[index]
      if asJSON {
        var json = JSONWriter(format: Self.format)
        json.field("type", "entry")
        json.field("index", index)
        json.field("term", row.term)
        json.field("kind", row.kind.description)
        json.field("length", row.length)
        json.checksum("crc", row.checksum)
        json.field("place", place.rawValue)
        if withPayload {
          if let payload { json.base64("payload", payload) } else { json.noPayload() }
        }
        try output.line(json)
      } else {
        try output.line(text(row, index, place, payload))
      }
    }
  }

  private func text(
    _ row: BatchRow, _ index: LogIndex, _ place: Place, _ payload: Bytes?
  ) -> String {
    var line =
      "  entry \(index): term \(row.term), \(row.kind), "
      + "\(Wording.count(row.length, "byte", "bytes")), crc \(Hex.string(row.checksum))"
    if place != .log { line += Terminal.output.paint(", \(place.words)", .warning) }
    if withPayload {
      line += payload.map { " \"\(Wording.escaped($0))\"" } ?? ", payload not readable"
    }
    return line
  }

  /// Whether an entry that is stored is part of the log.
  private enum Place: String {
    case log, compacted, dropped

    var words: String {
      switch self {
      case .log: "in the log"
      case .compacted: "compacted"
      case .dropped: "not in the log"
      }
    }
  }

  private func place(of index: LogIndex, _ location: BatchLocation?) -> Place {
    guard let location, index >= location.firstIndex, index <= location.lastIndex,
      index <= segment.record.end?.index ?? .max
    else { return .dropped }
    return index < inspection.manifest?.firstIndex ?? 1 ? .compacted : .log
  }
}

extension JSONWriter {
  /// The payload of an entry that cannot be read.
  fileprivate mutating func noPayload() { field("payload", String?.none) }
}

extension FrameKind {
  fileprivate var name: String {
    switch self {
    case .batch: "batch"
    case .marker: "marker"
    case .truncation: "truncation"
    default: "kind-\(rawValue)"
    }
  }
}
