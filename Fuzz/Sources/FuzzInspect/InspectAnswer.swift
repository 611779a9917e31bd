// InspectAnswer: what a command said, for people and as JSON.
//
// What must always hold: both forms end with the same status, one of the command's; a failure says
// something; text holds no control character; every line of JSON is an object that names the
// command's format.

import FuzzSupport
import LogFormat
import LogInspection
import StorageIO

struct InspectAnswer {
  let status: Int32
  /// Standard output without --json.
  let plain: [UInt8]
  /// Standard output with --json.
  let lines: [JSON]

  /// Runs a command that changes nothing.
  init(_ command: InspectCommandLine, in directories: [String: any StorageDirectory]) {
    self.init(command, plainly: directories, asJSON: directories)
  }

  /// Runs a command that may change its directory, each time on one of its own.
  init(
    _ command: InspectCommandLine, plainly: [String: any StorageDirectory],
    asJSON: [String: any StorageDirectory]
  ) {
    let plain = InspectionProgram.run(command.arguments, in: plainly)
    let json = InspectionProgram.run(command.arguments + ["--json"], in: asJSON)
    status = plain.status
    self.plain = plain.output
    lines = Self.objects(json.output, of: command)
    expect(
      plain.status == json.status,
      "\(command.arguments) ends with \(plain.status), and with --json with \(json.status)")
    for outcome in [plain, json] { Self.check(outcome, of: command) }
    // Payloads go to a file as they are.
    if command.name != "salvage" { Self.checkText(plain.output, of: command) }
  }

  private static func check(_ outcome: InspectionProgram.Outcome, of command: InspectCommandLine) {
    let errors = String(decoding: outcome.errors, as: UTF8.self)
    expect(
      command.statuses.contains(outcome.status),
      "\(command.arguments) ends with \(outcome.status): \(errors)")
    expect(
      outcome.status == 0 || !outcome.output.isEmpty || !outcome.errors.isEmpty,
      "\(command.arguments) ends with \(outcome.status), and says nothing")
    checkText(outcome.errors, of: command)
  }

  /// Nothing that came from a disk reaches a terminal as a control character.
  private static func checkText(_ bytes: [UInt8], of command: InspectCommandLine) {
    expect(
      bytes.last ?? 0x0A == 0x0A && bytes.allSatisfy { $0 == 0x0A || ($0 >= 0x20 && $0 != 0x7F) }
        && String(validating: bytes, as: UTF8.self) != nil,
      "\(command.arguments) prints what is no text")
  }

  private static func objects(_ output: [UInt8], of command: InspectCommandLine) -> [JSON] {
    expect(output.last ?? 0x0A == 0x0A, "\(command.arguments): the last line has no end")
    return output.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map { line in
      do throws(JSONError) {
        let object = try JSON(line: line)
        expect(
          object.string("format") == "walinspect.\(command.name)/1",
          "\(command.arguments): a line of format \(object["format"], default: "none")")
        return object
      } catch {
        found("\(command.arguments): \(error): \(String(decoding: line, as: UTF8.self))")
      }
    }
  }

  /// The lines of one type.
  func lines(_ type: String) -> [JSON] { lines.filter { $0.string("type") == type } }
}

/// What an entry is told by without its payload.
struct EntryName: Hashable {
  let index: LogIndex
  let term: Term
  /// In words.
  let kind: String
  /// Eight hexadecimal digits.
  let checksum: String
}

extension EntryName {
  init(_ entry: Entry) {
    let digits = String(entry.checksum, radix: 16)
    self.init(
      index: entry.index, term: entry.term, kind: entry.kind.description,
      checksum: String(repeating: "0", count: 8 - digits.count) + digits)
  }

  /// Nil unless the line has all of it.
  init?(_ line: JSON) {
    guard let index = line.integer("index"), let term = line.integer("term"),
      let kind = line.string("kind"), let checksum = line.string("crc")
    else { return nil }
    self.init(index: index, term: term, kind: kind, checksum: checksum)
  }
}
