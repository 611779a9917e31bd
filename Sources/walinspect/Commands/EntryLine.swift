// EntryLine: an entry with its payload on one line of JSON, wherever one is printed.

import LogFormat

extension JSONWriter {
  init(format: String, entry: Entry) {
    self.init(format: format)
    field("index", entry.index)
    field("term", entry.term)
    field("kind", entry.kind.description)
    checksum("crc", entry.checksum)
    base64("payload", entry.payload)
  }
}
