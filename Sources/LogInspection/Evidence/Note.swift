// Note: something that is not as it should be, and is no finding.
//
// What must always hold: no note changes a status.

import ProgramSupport
import Recovery

struct Note {
  let file: String
  let offset: Int
  let detail: String

  func json(format: String) -> JSONWriter {
    var json = JSONWriter(format: format)
    json.field("type", "note")
    json.field("file", file)
    json.field("offset", offset)
    json.field("detail", detail)
    return json
  }

  var line: String { Wording.escaped("note: \(file) at byte \(offset): \(detail)") }
}

extension Inspection {
  /// Everything there is to note of a log that was read at the depth of everything.
  var notes: [Note] {
    let padding = segments.flatMap { segment in
      (segment.scan?.paddingDamage ?? []).map { offset in
        Note(
          file: fileName(segment.record), offset: offset,
          detail: "the padding of this frame is not what was written: harmless")
      }
    }
    return padding + lossesWithoutManifest
  }

  /// Where the manifest is gone no finding names what only it could name.
  private var lossesWithoutManifest: [Note] {
    guard let lost = findings.first(where: { $0.verdict == .manifestLost }) else { return [] }
    return KnownLosses(self).losses.map { loss in
      let end = loss.isOpenEnded ? ", and nobody can know how many" : ""
      return Note(
        file: lost.file, offset: lost.offset ?? 0,
        detail: "without it, gone or cut off from the rest: \(loss)\(end)")
    }
  }
}
