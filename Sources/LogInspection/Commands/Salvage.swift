// walinspect salvage: every entry that can still be read, past all damage.
//
// What must always hold: what is written was verified; what is missing is said, range by range.

import ArgumentParser
import LogFormat
import ProgramSupport
import Recovery
import StorageIO
import SystemPackage

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

struct Salvage: InspectCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes every readable entry to a file, past damage, and says what is missing.",
    discussion: """
      Payloads are written one a line as they are, or as JSON with --json. Gaps are told on \
      standard error. Of a damaged batch every entry is written that is whole by its own checksum, \
      unless the batch is compressed. Without a manifest the segments are read in the order of their \
      headers; nobody knows then where the log began or ended, and it is said what is known to be \
      gone. Exit status: 0 no gap is known; 2 there are gaps, or \
      entries that others may have taken the place of.
      """)

  @OptionGroup var subject: SubjectOptions

  @Option(help: "The file to write, which must not exist yet, or - for standard output.")
  var to: String

  func validate() throws {
    if to.isEmpty { throw ValidationError("--to is empty: name a file, or - for standard output.") }
  }

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let whole = try Inspection(subject.path)
    let inspection = try whole.readable()
    let target = try Self.target(to)
    var salvaged = Output(target, name: to == "-" ? "standard output" : to)
    var sum: Sum
    do {
      sum = try salvage(inspection, to: &salvaged)
      try salvaged.flush()
    } catch let error as OutputError where to != "-" {
      throw Failure(
        .inputOutput,
        "\(error); remove \(to), free space or name a file elsewhere, and run this again")
    }
    if to != "-" { try Self.finish(target, name: to) }
    for file in whole.evidence.unknown where file.content == .continues {
      Output.complain(
        "\(file.file.name) continues the log and is not in the manifest: salvage it by its own name"
      )
    }
    // What no reader comes across may be known to be gone all the same.
    let known = KnownLosses(whole)
    sum.report(Loss.left(of: known.losses, without: sum.written.map { Loss($0) } + sum.missing))
    for note in known.notes { Output.complain("note: \(note)") }
    sum.doubtful = whole.findings.filter { $0.verdict == .ambiguousTail }.compactMap(\.uncertain)
    let written = Wording.count(sum.entries, "entry", "entries")
    Output.complain("\(written) written, \(sum.verdict(isCertain: known.notes.isEmpty))")
    return sum.missing.isEmpty && sum.doubtful.isEmpty ? .clean : .damaged
  }

  /// What was written, and what was said to be missing.
  private struct Sum {
    var entries: UInt64 = 0
    /// In order, as few as possible.
    private(set) var written: [ClosedRange<LogIndex>] = []
    private(set) var missing: [Loss] = []
    /// Entries that were written, and that others may have taken the place of.
    var doubtful: [ClosedRange<LogIndex>] = []

    mutating func add(_ range: ClosedRange<LogIndex>) {
      entries += range.upperBound - range.lowerBound + 1
      if let last = written.last, range.lowerBound == last.upperBound + 1 {
        written[written.count - 1] = last.lowerBound...range.upperBound
      } else {
        written.append(range)
      }
    }

    /// Says that these are missing.
    mutating func report(_ losses: [Loss]) {
      guard !losses.isEmpty else { return }
      missing += losses
      Output.complain("missing: " + losses.map(\.description).joined(separator: ", "))
    }

    /// - Parameter isCertain: false where nobody knows how far the log went.
    func verdict(isCertain: Bool) -> String {
      if !missing.isEmpty { return Wording.count(missing.count, "gap", "gaps") }
      if let doubt = doubtful.first {
        return "no gap, but others may have taken the place of \(Words.entries(doubt))"
      }
      return isCertain
        ? "nothing is missing" : "no gap in what is there; nobody knows what else there was"
    }
  }

  private func salvage(_ inspection: Inspection, to output: inout Output) throws -> Sum {
    let view = try inspection.view()
    let progress = ProgressLine("salvaging")
    let count = Int(clamping: view.lastIndex &- view.firstIndex)
    var damaged = DamagedBatches(inspection)
    var sum = Sum()
    var next = view.firstIndex
    try view.replay(
      onDamage: { damage in
        progress.clear()
        Output.complain(damage.message)
      },
      into: { entries in
        let (first, last) = (entries.first!.index, entries.last!.index)
        if first > next {
          progress.clear()
          try fill(next, first - 1, from: &damaged, &sum, to: &output)
        }
        for entry in entries { try print(entry, to: &output) }
        sum.add(first...last)
        next = last + 1
        progress.show(Int(clamping: last - view.firstIndex), of: count)
        return true
      })
    progress.clear()
    let tail = Self.tail(inspection, behind: max(view.lastIndex + 1, next))
    if let tail, tail.isOpenEnded {
      try fill(next, nil, from: &damaged, &sum, to: &output)
      return sum
    }
    if next <= view.lastIndex {
      try fill(next, view.lastIndex, from: &damaged, &sum, to: &output)
    }
    if let tail { try fill(tail.first, tail.last, from: &damaged, &sum, to: &output) }
    return sum
  }

  /// What lay behind the last entry that the log has: damage of which nobody knows the end, or an
  /// ambiguous tail that opening cuts.
  private static func tail(_ inspection: Inspection, behind index: LogIndex) -> Loss? {
    guard let name = inspection.segments.last?.record.fileName else { return nil }
    for finding in inspection.diagnosis.findings where finding.file == name {
      guard let first = finding.firstIndex else { continue }
      let isOpen = finding.lastIndex == nil && finding.verdict.refusesOpening
      guard isOpen || finding.verdict == .ambiguousTail else { continue }
      if !isOpen { Output.complain("\(finding): \(finding.verdict.action)") }
      if let last = finding.lastIndex, last < max(first, index) { continue }
      return Loss(first: max(first, index), last: finding.lastIndex)
    }
    return nil
  }

  /// Writes what is left of the entries from `first` to `last`, and names those that are missing;
  /// nil where nobody knows the last one.
  private func fill(
    _ first: LogIndex, _ last: LogIndex?, from damaged: inout DamagedBatches, _ sum: inout Sum,
    to output: inout Output
  ) throws {
    var missing: [Loss] = []
    var next = first
    for entry in try damaged.entries(in: first...(last ?? .max)) {
      if entry.index > next { missing.append(Loss(next...entry.index - 1)) }
      try print(entry, to: &output)
      sum.add(entry.index...entry.index)
      next = entry.index + 1
    }
    if last.map({ next <= $0 }) ?? true { missing.append(Loss(first: next, last: last)) }
    sum.report(missing)
  }

  private func print(_ entry: Entry, to output: inout Output) throws {
    if subject.json {
      try output.line(JSONWriter(format: "walinspect.salvage/1", entry: entry))
    } else {
      try output.line(entry.payload)
    }
  }

  private static func target(_ name: String) throws -> FileDescriptor {
    if name == "-" { return .standardOutput }
    do {
      return try FileDescriptor.open(
        FilePath(name), .writeOnly, options: [.create, .exclusiveCreate],
        permissions: [.ownerReadWrite])
    } catch Errno.fileExists {
      throw Failure(
        .usage, "\(name) exists, and nothing is overwritten: name another file with --to")
    } catch {
      throw Failure(.inputOutput, "cannot create \(name): \(error); name another file with --to")
    }
  }

  /// fsync(2) and close(2): what was salvaged is not to be lost a second time.
  private static func finish(_ file: FileDescriptor, name: String) throws {
    guard fsync(file.rawValue) == 0 else {
      throw Failure(
        .inputOutput, "cannot sync \(name): \(Errno(rawValue: errno)); it may be incomplete")
    }
    do {
      try file.close()
    } catch {
      throw Failure(.inputOutput, "cannot close \(name): \(error); it may be incomplete")
    }
    try syncDirectory(of: name)
  }

  /// fsync(2) of the directory: a file whose name is lost is lost.
  private static func syncDirectory(of name: String) throws {
    let above = FilePath(name).removingLastComponent().string
    do {
      try POSIXDirectory(path: above.isEmpty ? "." : above).sync(nil)
    } catch {
      throw Failure(.inputOutput, "\(error): \(name) is written, but its name may not be durable")
    }
  }
}
