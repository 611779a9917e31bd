// SegmentScan, cut off: whether a segment without a footer was made larger than its file is now.
//
// What must always hold: a file as any writer or recovery leaves it is never taken for one that was cut
// off. Where a manifest says how large the file was made, that is asked instead.

import ByteBuffers
import LogFormat
package import StorageIO

extension SegmentScan {
  /// True for a file that ends nearer behind its last frame than whoever wrote it would have left it.
  package func isCutOff(_ file: any StorageFile) throws(StorageError) -> Bool {
    try fileBytes - usedBytes(of: file) < roomLeft
  }

  /// Where the last frame that shows anything of itself ends, or ended before the file was cut off.
  private func usedBytes(of file: any StorageFile) throws(StorageError) -> Int {
    let known = max(end.offset, marksBehindBreak.last?.end ?? 0)
    guard let last = breaks.last, last.shape != .zeros, last.resumesAt == nil else { return known }
    let page = try file.readTolerantly(Layout.frame, at: last.offset).bytes
    let frame = try? Frame(decoding: page.span, seed: header.seed)
    return max(known, last.offset + (frame?.extent ?? Layout.page))
  }

  /// Bytes that whoever wrote this segment left behind its last frame, at the least. A writer keeps
  /// room for the footer; a copy that nothing was appended to has room for a page.
  private var roomLeft: Int {
    let isWritten = header.purpose == .roll || holdsAppended
    // Behind damage the writer may have known of fewer batches than are found here.
    guard isWritten, breaks.allSatisfy({ $0.shape == .zeros }) else {
      return SegmentFooter.size(termRuns: 0, batches: 0)
    }
    return SegmentFooter.size(termRuns: termRuns.count, batches: batches.count)
  }
}
