// InspectRun: every command on one directory, and what they say held against what was written,
// against the sample, and against each other.

import ByteBuffers
import FuzzSupport
import LogFormat
import Simulation
import StorageIO

struct InspectRun {
  private let input: InspectInput
  private let disk: SimulatedDisk
  private let directories: [String: any StorageDirectory]

  /// The samples, untouched, and what they show.
  private static let samples = SampleDirectory.all.map { SampleDirectory.disk($0.files) }
  private static let baselines = samples.map { DirectoryReading($0) }
  private static let written = Dictionary(
    SampleDirectory.written.map { (EntryName($0), [$0]) }, uniquingKeysWith: +)

  /// What paths lead to.
  private static let log = "log"
  private static let sample = "sample"

  init(_ input: InspectInput) {
    self.input = input
    disk = input.mutant.disk()
    directories = [Self.log: disk, Self.sample: Self.samples[input.sample]]
  }

  private var hasBadSectors: Bool { !input.mutant.faults.isEmpty }

  func run() {
    let lock = input.isLive ? Self.lock(disk) : nil
    let verified = checkFindings()
    switch input.look {
    case .pictures: for command in InspectCommandLine.others(Self.log) { _ = look(command) }
    case .entries:
      checkDump(Self.log)
      let entries = salvage(Self.log)
      if verified == 0, input.mutant.isPlainRot, !input.isLive { expectComplete(entries) }
      checkDiff(entries)
    case .file(let name): checkDetached("\(Self.log)/\(name)")
    case .repair: _ = look(.plan(Self.log, keep: input.keep))
    }
    lock?.release()
    expectUnchanged(disk, "looking")
    if input.look == .repair { checkRepair() }
  }

  private static func lock(_ disk: SimulatedDisk) -> any DirectoryLock {
    do {
      return try disk.lock()
    } catch {
      found("a directory that nobody holds is locked: \(error)")
    }
  }

  /// Runs a command that changes nothing.
  private func look(
    _ command: InspectCommandLine, in others: [String: any StorageDirectory]? = nil
  ) -> InspectAnswer {
    let answer = InspectAnswer(command, in: others ?? directories)
    expectNoFailure(answer, command)
    return answer
  }

  /// Without a bad sector there is no I/O error.
  private func expectNoFailure(_ answer: InspectAnswer, _ command: InspectCommandLine) {
    expect(answer.status != 5 || hasBadSectors, "\(command.arguments) failed on a healthy disk")
  }

  // MARK: Findings

  /// `verify` and `explain` find the same; returns the status of `verify`.
  private func checkFindings() -> Int32 {
    let verified = verify(Self.log)
    let explained = look(.explain(Self.log))
    if explained.status == 0 {
      expect(
        explained.lines("finding").count == verified.lines("finding").count,
        "explain and verify do not find the same")
    }
    return verified.status
  }

  /// The words for statuses 0 to 4.
  private static let severities = ["clean", "mended", "damaged", "lost", "refused"]

  /// The last line is the verdict, and says how the program ends: as the gravest finding wants it, or
  /// because the device failed.
  private func verify(
    _ path: String, in others: [String: any StorageDirectory]? = nil
  ) -> InspectAnswer {
    let answer = look(.verify(path), in: others)
    let text = answer.plain.split(separator: 0x0A).last ?? []
    expect(text.starts(with: "verdict: ".utf8), "verify does not end with a verdict")
    expect(answer.lines.last?.string("type") == "verdict", "verify --json ends without a verdict")
    expect(
      answer.lines.last?.integer("status") == UInt64(answer.status), "a verdict of another status")
    let words = answer.lines("finding").compactMap { $0.string("severity") }
    if let gravest = words.compactMap(Self.severities.firstIndex(of:)).max() {
      expect(
        answer.status == gravest || answer.status == 5,
        "verify ends with \(answer.status) where a finding is \(Self.severities[gravest])")
    }
    return answer
  }

  // MARK: Entries

  /// The entries that `salvage` writes: all of them were written, and gaps are not kept quiet.
  private func salvage(
    _ path: String, in others: [String: any StorageDirectory]? = nil
  ) -> [Entry] {
    let answer = look(.salvage(path), in: others)
    var entries: [Entry] = []
    for line in answer.lines {
      guard let entry = entry(line) else { found("salvage printed no entry: \(line)") }
      if let last = entries.last {
        expect(entry.index > last.index, "entry \(entry.index) behind entry \(last.index)")
        expect(
          entry.index == last.index + 1 || answer.status != 0,
          "nothing is missing between entries \(last.index) and \(entry.index)")
      }
      entries.append(entry)
    }
    let payloads = entries.map { $0.payload.array + [0x0A] }
    expect(answer.plain == Array(payloads.joined()), "salvage writes other payloads with --json")
    return entries
  }

  /// Frames and tables are believed only with their checksums: whatever they name was written, whether
  /// its payload can be read or not.
  private func checkDump(_ path: String) {
    for line in look(.dump(path)).lines("entry") {
      guard let name = EntryName(line), Self.written[name] != nil else {
        found("dump printed an entry that was never written: \(line)")
      }
      if line["payload"] != .null, entry(line) == nil { found("dump printed no entry: \(line)") }
    }
  }

  /// The entry in a line, with its payload; ends the process if nobody wrote it.
  private func entry(_ line: JSON) -> Entry? {
    guard let name = EntryName(line), let payload = line.base64("payload") else { return nil }
    guard let entry = Self.written[name, default: []].first(where: { $0.payload == payload }) else {
      found("entry \(name.index) of term \(name.term) was never written: \(line)")
    }
    return entry
  }

  /// `verify` found nothing: everything that the sample had is there.
  private func expectComplete(_ entries: [Entry]) {
    let baseline = Self.baselines[input.sample].entries
    expect(
      entries == baseline,
      "verify calls clean what has \(entries.count) entries of \(baseline.count), or others")
  }

  /// `diff` found no difference: where both can be read they are the same.
  private func checkDiff(_ entries: [Entry]) {
    let answer = look(.diff(Self.log, Self.sample))
    guard answer.status == 0, let summary = answer.lines("summary").first else {
      expect(answer.status != 0, "diff says nothing")
      return
    }
    guard let first = summary.integer("firstIndex"), let last = summary.integer("lastIndex") else {
      return
    }
    let other = Dictionary(
      uniqueKeysWithValues: Self.baselines[input.sample].entries.map { ($0.index, $0) })
    for entry in entries where entry.index >= first && entry.index <= last {
      expect(
        other[entry.index] == nil || other[entry.index] == entry,
        "diff calls equal what differs at entry \(entry.index)")
    }
  }

  // MARK: One file

  /// A file by itself, of which nobody says where it belongs.
  private func checkDetached(_ path: String) {
    _ = verify(path)
    for command in InspectCommandLine.others(path) { _ = look(command) }
    checkDump(path)
    _ = salvage(path)
  }

  // MARK: Repair

  /// A repair that ends well leaves a log that opens; one that does not begin changes nothing.
  private func checkRepair() {
    let (disk, other) = (input.mutant.disk(), input.mutant.disk())
    let locks = input.isLive ? [Self.lock(disk), Self.lock(other)] : []
    let command = InspectCommandLine.apply(Self.log, keep: input.keep, isLocked: input.isLive)
    let answer = InspectAnswer(command, plainly: [Self.log: disk], asJSON: [Self.log: other])
    expectNoFailure(answer, command)
    for lock in locks { lock.release() }
    if answer.lines("result").isEmpty, answer.status != 5 {
      for disk in [disk, other] { expectUnchanged(disk, "a repair that did nothing") }
    }
    guard !hasBadSectors else { return }
    for disk in [disk, other] {
      let status = verify(Self.log, in: [Self.log: disk]).status
      expect(answer.status != 0 || status <= 1, "a repaired log is not: \(status)")
      _ = salvage(Self.log, in: [Self.log: disk])
    }
  }

  private func expectUnchanged(_ disk: SimulatedDisk, _ what: String) {
    disk.faults = []
    defer { disk.faults = input.mutant.faults }
    let files = input.mutant.files.sorted { $0.name < $1.name }
    expect(SampleDirectory.files(on: disk) == files, "\(what) changed the directory")
  }
}
