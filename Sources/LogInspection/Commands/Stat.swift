// walinspect stat: a log on one screen.

import ArgumentParser
import LogFormat
import ProgramSupport
import Recovery

struct Stat: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Sums a log up: identity, entries, terms, bytes, state, and a picture of it all.",
    discussion: """
      Without --deep sealed segments are known by their footers only; what was checked is said. \
      Without a manifest the segments come in the order of their headers.
      """)

  @OptionGroup var subject: SubjectOptions

  @Flag(help: "Read every byte, and not only what opening the log reads.")
  var deep = false

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let inspection = try Inspection(subject.path, depth: deep ? .everything : .batchIndexes)
    let sum = try LogSum(inspection)
    inspection.sayRebuilt()
    if subject.json {
      try output.line(sum.json)
    } else {
      let indent = (sum.lines.map(\.name.count).max() ?? 0) + 2
      let terminal = Terminal.output
      for line in sum.lines {
        let rows = Wording.wrapped(line.value, width: terminal.width - indent)
        for (i, row) in rows.enumerated() {
          let name = (i == 0 ? line.name : "").padded(indent)
          try output.line(terminal.paint(name, .heading) + terminal.paint(row, line.tone))
        }
      }
      try sum.printPicture(to: &output, on: terminal)
    }
    return .clean
  }
}

/// Everything that `stat` shows.
private struct LogSum {
  private let inspection: Inspection
  /// What the entries are read from: the same, unless the manifest is gone.
  private let log: Inspection
  private let segments: [SegmentSummary]
  private let terms: [TermSpan]
  /// All segments in the order of the log, then prepared space.
  private let strip: Strip
  /// Bytes on the disk by what they are for.
  private let bytes: [(String, Int)]
  private let lastIndex: LogIndex

  init(_ inspection: Inspection) throws {
    self.inspection = inspection
    log = inspection.shown
    segments = try log.summaries()
    let files = try inspection.otherFiles()
    terms = TermSpan.spans(of: segments, from: log.manifest)
    var strip = Strip()
    for segment in segments { strip.append(segment.strip) }
    for file in files where file.kind == .spare { strip.append(.free, file.bytes) }
    self.strip = strip
    lastIndex = segments.last?.lastIndex ?? 0
    var entries = Strip()
    for segment in segments { entries.append(segment.strip) }
    var bytes = Use.allCases.filter { $0 != .missing }.map { ($0.name, entries.bytes(of: $0)) }
    for kind in OtherFile.Kind.allCases {
      bytes.append((kind.rawValue, files.reduce(0) { $0 + ($1.kind == kind ? $1.bytes : 0) }))
    }
    self.bytes = bytes
  }

  /// False where neither a manifest nor segments say what the log is.
  private var isKnown: Bool { log.manifest != nil }
  /// True where segments stand in for the manifest.
  private var isRebuilt: Bool { inspection.manifest == nil && isKnown }
  private var firstIndex: LogIndex { log.manifest?.firstIndex ?? 1 }
  private var entryCount: LogIndex { lastIndex < firstIndex ? 0 : lastIndex - firstIndex + 1 }

  private var vote: VoteFile? {
    inspection.evidence.votes.compactMap(\.file).max { $0.generation < $1.generation }
  }

  /// Whether the log was closed; nil while it is open.
  private var isClosed: Bool? { inspection.isLive ? nil : inspection.manifest?.isClosed }

  private var states: [(String, Int)] {
    let order: [SegmentSummary.State] = [.sealed, .ended, .cut, .active, .damaged, .missing]
    return order.map { state in
      (state.rawValue, segments.count { $0.state == state })
    }
  }

  // MARK: For scripts

  var json: JSONWriter {
    var json = JSONWriter(format: "walinspect.stat/1")
    json.field("path", inspection.path)
    json.field("isDetachedSegment", inspection.isDetached)
    json.field("isManifestLost", inspection.manifest == nil)
    json.field("group", log.manifest?.group.description)
    json.field(
      "incarnation", inspection.isDetached ? nil : inspection.manifest?.incarnation.description)
    json.field("firstIndex", isKnown ? firstIndex : nil)
    json.field("lastIndex", isKnown ? lastIndex : nil)
    json.field("entries", isKnown ? entryCount : nil)
    json.objects("terms", terms) { json, span in
      json.field("firstIndex", span.firstIndex)
      json.field("lastIndex", span.lastIndex)
      json.field("term", span.term)
    }
    directoryFields(&json)
    json.field("segments", segments.count)
    json.object("segmentStates") { json in
      for (name, count) in states { json.field(name, count) }
    }
    json.object("bytes") { json in
      for (name, count) in bytes { json.field(name, count) }
    }
    json.field("isLive", inspection.isLive)
    json.field("checked", log.unreadSegments == 0 ? "everything" : "footers")
    json.field("segmentsNotRead", log.unreadSegments)
    json.field("verdict", ExitStatus(inspection.severity).word)
    json.field("findings", inspection.findings.count)
    return json
  }

  /// What only a directory has.
  private func directoryFields(_ json: inout JSONWriter) {
    guard !inspection.isDetached else { return }
    let manifest = inspection.manifest
    json.objects("boots", manifest?.boots ?? []) { json, boot in
      json.field("counter", boot.counter)
      json.field("random", Hex.string(boot.random))
    }
    if let vote {
      json.object("hardState") { json in
        json.field("term", vote.state.term)
        json.field("vote", vote.state.vote)
        json.field("generation", vote.generation)
      }
    }
    json.field("manifestEdit", inspection.evidence.manifest?.number)
    if let isClosed { json.field("isClosed", isClosed) }
  }

  // MARK: For people

  struct Line {
    var name: String
    var value: String
    var tone = Tone.plain
  }

  var lines: [Line] {
    let group = log.manifest?.group.description
    var lines = [
      Line(
        name: "log",
        value: Wording.escaped(inspection.path) + (inspection.isDetached ? ", one segment" : "")),
      Line(name: "group", value: group.map { $0 + byHeaders } ?? "unknown: the manifest is gone"),
    ]
    if !inspection.isDetached { lines += directoryLines }
    lines += [
      Line(name: "entries", value: entriesLine),
      Line(name: "terms", value: termsLine),
      Line(name: "segments", value: segmentsLine),
      Line(name: "disk", value: diskLine),
      Line(name: "checked", value: checkedLine),
      verdictLine,
    ]
    return lines
  }

  private var byHeaders: String { isRebuilt ? ", by the segments' headers" : "" }

  private var directoryLines: [Line] {
    let manifest = inspection.manifest
    let boot = manifest?.boots.last.map { "number \($0.counter) (\(Hex.string($0.random)))" }
    let copies = inspection.evidence.manifests.count { $0.scan != nil }
    let edit = inspection.evidence.manifest.map {
      "edit \($0.number), \(copies == 2 ? "both copies" : "one copy only")"
    }
    return [
      Line(name: "incarnation", value: manifest?.incarnation.description ?? "unknown"),
      Line(name: "last boot", value: boot ?? "none"),
      Line(name: "writer", value: writerLine),
      Line(name: "hard state", value: hardStateLine),
      Line(name: "manifest", value: edit ?? "gone"),
    ]
  }

  private var writerLine: String {
    switch isClosed {
    case nil: inspection.isLive ? "at work" : "none"
    case true?: "none; the log was closed"
    case false?: "none; the log was not closed"
    }
  }

  private var hardStateLine: String {
    guard let vote else { return "unknown: no vote file is readable" }
    let given = vote.state.vote.map { "vote for \($0)" } ?? "no vote"
    return "term \(vote.state.term), \(given), generation \(vote.generation)"
  }

  private var entriesLine: String {
    guard isKnown else { return "unknown: the manifest is gone" }
    guard entryCount > 0 else {
      return "none; the next has index \(max(lastIndex, firstIndex - 1) + 1)" + byHeaders
    }
    let isCompacted = firstIndex > 1 && !inspection.isDetached && !isRebuilt
    return Wording.indices(firstIndex, lastIndex)
      + " (\(Wording.count(entryCount, "entry", "entries"))\(isCompacted ? ", compacted below" : ""))"
      + byHeaders + damageWords
  }

  /// The entries that cannot be read, the first ranges of them.
  private var damageWords: String {
    let ranges = inspection.findings
      .filter { $0.verdict.severity >= .damaged && $0.verdict.severity < .refused }
      .compactMap(\.indices)
    let more = ranges.count > 3 ? ", and more" : ""
    return ranges.isEmpty ? "" : ", damaged: " + ranges.prefix(3).joined(separator: ", ") + more
  }

  private var termsLine: String {
    guard isKnown else { return "unknown" }
    guard let first = terms.first, let last = terms.last else { return "none" }
    if terms.count == 1 { return "\(first.term)" }
    return "\(first.term) to \(last.term), in \(Wording.count(terms.count)) runs"
  }

  private var segmentsLine: String {
    let parts = states.filter { $0.1 > 0 }.map { "\(Wording.count($0.1)) \($0.0)" }
    return Wording.count(segments.count)
      + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))
  }

  private var diskLine: String {
    let parts = bytes.filter { $0.1 > 0 }.map { "\($0.0) \(Wording.bytes($0.1))" }
    return Wording.bytes(bytes.reduce(0) { $0 + $1.1 })
      + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))
  }

  private var verdictLine: Line {
    let severity = inspection.severity
    let clean: Tone = isChecked ? .good : .plain
    let tone: Tone = severity == .clean ? clean : severity == .mended ? .warning : .bad
    let live = inspection.isLive ? " (live)" : ""
    let count = inspection.findings.count
    let findings =
      count == 0
      ? "" : ": " + Wording.count(count, "finding", "findings") + ", see `walinspect explain`"
    let reach = isChecked ? "" : ", as far as it was checked"
    return Line(
      name: "verdict", value: ExitStatus(severity).word + live + findings + reach, tone: tone)
  }

  private var isChecked: Bool { log.unreadSegments == 0 }

  /// What the verdict is founded on.
  private var checkedLine: String {
    let unread = log.unreadSegments
    if unread == 0 { return "everything" }
    let rest = unread == segments.count ? "" : ", the rest in full"
    return Wording.count(unread, "segment", "segments")
      + " by header and footer only\(rest); `walinspect verify` reads every byte"
  }

  /// The whole directory as one bar; under it the first index of each segment where that begins.
  func printPicture(to output: inout Output, on terminal: Terminal) throws {
    guard strip.bytes > 0 else { return }
    let width = terminal.width - 2
    try output.line()
    try output.line(" " + terminal.picture(strip.cells(width)))
    let ruler = ruler(width)
    if !ruler.isEmpty { try output.line(" " + terminal.paint(ruler, .faint)) }
    try output.line(" " + terminal.legend(strip.stretches.map(\.use)))
  }

  /// As many first indices as there is room for, each below the cell that its segment begins with.
  private func ruler(_ width: Int) -> String {
    var ruler = ""
    var bytes = 0
    for segment in segments {
      let label = "\(segment.firstIndex)"
      let cell = bytes * width / strip.bytes
      bytes += segment.strip.bytes
      let hasRoom = ruler.isEmpty || ruler.count < cell
      let isEmpty = segment.lastIndex < segment.firstIndex
      if hasRoom, !isEmpty, cell + label.count <= width { ruler = ruler.padded(cell) + label }
    }
    return ruler
  }
}
