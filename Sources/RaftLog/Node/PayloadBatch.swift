// PayloadBatch: entries of one proposal that have no place in the log yet.

import ByteBuffers
import LogFormat
import LogStorage

struct PayloadBatch: Sendable {
  let payloads: [Bytes]
  let kind: EntryKind

  init(_ payloads: [Bytes], kind: EntryKind) {
    self.payloads = payloads
    self.kind = kind
  }

  /// Bytes of the batches that will hold them, if they are not compressed.
  var bytes: Int {
    payloads.reduce(Layout.bodyHeader) { $0 + $1.count + Layout.tableRow }
  }

  /// Encodes them as they go to the disk and to every follower; several batches where one has no room.
  func encoded(at first: LogIndex, term: Term, group: UID, _ options: EngineOptions) -> [Batch] {
    var batches: [Batch] = []
    var next = 0
    while next < payloads.count {
      let start = first + LogIndex(next)
      var builder = BatchBuilder(group: group, firstIndex: start, capacity: Layout.pages(bytes))
      while next < payloads.count,
        builder.fits(payload: payloads[next].count, term: term, limit: options.batchBytesMax)
      {
        let payload = payloads[next]
        builder.append(payload.span, kind: kind, term: term)
        next += 1
      }
      do throws(FormatError) {
        batches.append(try Batch(builder.finish(options.compression).body))
      } catch {
        preconditionFailure("a batch that was just built does not decode: \(error)")
      }
    }
    return batches
  }
}
