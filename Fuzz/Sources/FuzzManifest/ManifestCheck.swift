// ManifestCheck: two manifest copies, each by itself and both in a directory.

import ByteBuffers
import FuzzSupport
import LogFormat
import Recovery

enum ManifestCheck {
  static func run(_ input: ManifestInput) {
    for copy in input.copies {
      if let scan = try? ManifestCopy.scan(Bytes(copy)) { check(scan, copy.count) }
    }
    let disk = SampleDirectory.disk(input.files)
    var check = DirectoryCheck(disk, written: SampleDirectory.written)
    check.keep = input.keep
    _ = check.run()
  }

  private static func check(_ scan: ManifestScan, _ count: Int) {
    expect(scan.end <= count && scan.fileBytes == count, "a scan that went past the end")
    expect(!scan.edits.isEmpty && scan.edits.last?.number == scan.number, "edits out of number")
    for (a, b) in zip(scan.edits, scan.edits.dropFirst()) {
      expect(a.number + 1 == b.number, "edit \(b.number) behind edit \(a.number)")
    }
    for edit in scan.edits { check(edit) }
    checkState(scan.state)
    checkRewriting(scan)
  }

  private static func check(_ edit: ManifestEdit) {
    let written = edit.encoded(previousChecksum: 7)
    let bytes = written.bytes
    guard let read = try? ManifestEdit.decode(bytes.span) else {
      found("edit \(edit.number), written again, does not decode")
    }
    expect(read.edit == edit, "edit \(edit.number) changed by being written again")
    expect(
      read.previousChecksum == 7 && read.checksum == written.checksum
        && read.extent == bytes.count, "edit \(edit.number) has another frame")
  }

  /// What the comment on `ManifestState` promises.
  private static func checkState(_ state: ManifestState) {
    expect(state.boots.count <= Boot.kept, "\(state.boots.count) boots are remembered")
    for (a, b) in zip(state.segments, state.segments.dropFirst()) {
      guard let end = a.end else { found("\(a.fileName) has no end, and is not the last") }
      expect(end.index == b.previousIndex, "\(b.fileName) does not begin where \(a.fileName) ends")
    }
    expect(state.segments.last.map { $0.end == nil } ?? true, "the last segment has an end")
    for record in state.segments {
      guard let end = record.end else { continue }
      expect(end.index >= record.previousIndex, "\(record.fileName) ends before it begins")
      // An engine that opens this log builds its table of terms so; nonsense would stop it.
      var terms = TermTable(firstIndex: record.firstIndex, previousTerm: record.previousTerm)
      terms.append(end.termRuns, through: end.index)
      expect(terms.lastIndex == end.index, "\(record.fileName): terms do not reach the end")
    }
  }

  /// Opening rewrites the manifest whole: nothing may change or get lost by that.
  private static func checkRewriting(_ scan: ManifestScan) {
    let image = ManifestImage(state: scan.state, number: scan.number, room: Layout.sector)
    do throws(FormatError) {
      let again = try ManifestCopy.scan(image.bytes)
      expect(again.isClean && again.number == scan.number, "a rewritten manifest is not whole")
      expect(again.state == scan.state, "a manifest changed by being rewritten")
      expect(again.end == image.end, "a rewritten manifest ends elsewhere")
    } catch {
      found("a manifest that decodes was rewritten, and does not decode: \(error)")
    }
  }
}
