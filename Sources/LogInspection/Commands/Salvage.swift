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
      standard error. Without a manifest the segments are read in the order of their headers. Exit \
      status: 0 nothing is missing; 2 there are gaps.
      """)

  @OptionGroup var subject: SubjectOptions

  @Option(help: "The file to write, which must not exist yet, or - for standard output.")
  var to: String

  func inspect(_ output: inout Output) throws -> ExitStatus {
    let whole = try Inspection(subject.path)
    let inspection = try whole.readable()
    let target = try Self.target(to)
    var salvaged = Output(target, name: to == "-" ? "standard output" : to)
    let sum = try salvage(inspection, to: &salvaged)
    try salvaged.flush()
    if to != "-" { try Self.finish(target, name: to) }
    for file in whole.evidence.unknown where file.content == .continues {
      Output.complain(
        "\(file.file.name) continues the log and is not in the manifest: salvage it by its own name"
      )
    }
    let written = Wording.count(sum.entries, "entry", "entries")
    let gaps = Wording.count(sum.gaps, "gap", "gaps")
    Output.complain("\(written) written, \(sum.gaps == 0 ? "nothing is missing" : gaps)")
    return sum.gaps == 0 ? .clean : .damaged
  }

  private struct Sum {
    var entries: UInt64 = 0
    var gaps = 0
  }

  private func salvage(_ inspection: Inspection, to output: inout Output) throws -> Sum {
    let view = try inspection.view()
    let progress = ProgressLine("salvaging")
    let count = Int(clamping: view.lastIndex &- view.firstIndex)
    var sum = Sum()
    try view.replay(
      onDamage: { damage in
        sum.gaps += 1
        progress.clear()
        Output.complain(damage.message)
      },
      into: { entries in
        for entry in entries { try print(entry, to: &output) }
        sum.entries += UInt64(entries.count)
        progress.show(Int(clamping: entries.last!.index - view.firstIndex), of: count)
        return true
      })
    return sum
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
