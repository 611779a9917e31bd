// BatchPatch: finds the parts of a batch's body and makes its lengths and checksums right.

import LogFormat

package enum BatchPatch {
  private static let codecAt = 4
  private static let countAt = 40
  private static let rawAt = 44
  private static let storedAt = 48
  private static let payloadChecksumAt = 52
  private static let tableChecksumAt = 56

  /// Header, payload and table of the body that begins at `range`, as far as they lie in it.
  package static func parts(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    guard range.count >= Layout.bodyHeader else { return range.isEmpty ? [] : [range] }
    let payload = range.lowerBound + Layout.bodyHeader
    let table = min(payload + storedBytes(bytes, range), range.upperBound)
    let end = min(table + count(bytes, range) * Layout.tableRow, range.upperBound)
    return [range.lowerBound..<payload, payload..<table, table..<end].filter { !$0.isEmpty }
  }

  /// Bytes that the body claims to have.
  package static func size(_ bytes: [UInt8], in range: Range<Int>) -> Int {
    Layout.bodyHeader + storedBytes(bytes, range) + count(bytes, range) * Layout.tableRow
  }

  private static func count(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
    Int(bytes.u32(at: range.lowerBound + countAt))
  }

  private static func storedBytes(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
    Int(bytes.u32(at: range.lowerBound + storedAt))
  }

  /// Repairs the body that lies in `range`, which may reach further than the body does.
  package static func repair(_ bytes: inout [UInt8], in range: Range<Int>, _ repairs: Repairs) {
    let least = Layout.bodyHeader + Layout.tableRow
    guard range.count >= least, repairs.contains(.body) else { return }
    let start = range.lowerBound
    if repairs.contains(.lengths) { fitLengths(&bytes, in: range) }
    let payload = start + Layout.bodyHeader
    let table = payload + storedBytes(bytes, range)
    let end = start + size(bytes, in: range)
    if end <= range.upperBound {
      if repairs.contains(.rows), bytes[start + codecAt] == Codec.none.rawValue {
        repairRows(&bytes, payload: payload, table: table, end: end)
      }
      if repairs.contains(.payload) {
        bytes.set(bytes.crc32c(payload..<table), at: start + payloadChecksumAt)
      }
      if repairs.contains(.table) {
        bytes.set(bytes.crc32c(table..<end), at: start + tableChecksumAt)
      }
    }
    bytes.set(bytes.crc32c(start + 4..<payload), at: start)
  }

  /// Cuts what the header claims down to what is there, and lets the table add up to it.
  private static func fitLengths(_ bytes: inout [UInt8], in range: Range<Int>) {
    let start = range.lowerBound
    let room = range.count - Layout.bodyHeader
    let count = max(1, min(count(bytes, range), room / Layout.tableRow))
    let stored = min(storedBytes(bytes, range), room - count * Layout.tableRow)
    bytes.set(UInt32(count), at: start + countAt)
    bytes.set(UInt32(stored), at: start + storedAt)
    if bytes[start + codecAt] == Codec.none.rawValue {
      bytes.set(UInt32(stored), at: start + rawAt)
    }
    var left = bytes.u32(at: start + rawAt)
    for i in 0..<count {
      let at = start + Layout.bodyHeader + stored + i * Layout.tableRow + 4
      let length = i == count - 1 ? left : min(bytes.u32(at: at), left)
      bytes.set(length, at: at)
      left -= length
    }
  }

  private static func repairRows(_ bytes: inout [UInt8], payload: Int, table: Int, end: Int) {
    var offset = payload
    for row in stride(from: table, to: end, by: Layout.tableRow) {
      let next = offset + Int(bytes.u32(at: row + 4))
      guard next <= table else { return }
      bytes.set(bytes.crc32c(offset..<next), at: row + 8)
      offset = next
    }
  }
}
