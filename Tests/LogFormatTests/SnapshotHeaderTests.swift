// SnapshotHeaderTests: what stands in front of a snapshot comes back whole, or not at all.

import ByteBuffers
import LogFormat
import Testing

@Suite struct SnapshotHeaderTests {
  private let header = SnapshotHeader(
    group: UID(high: 1, low: 2), uid: UID(high: 3, low: 4), name: SnapshotName(index: 70, term: 6),
    configurationIndex: 12, configuration: Bytes("who belongs to it"), state: Bytes("a state"))

  @Test func itComesBack() throws {
    #expect(try SnapshotHeader(decoding: header.encoded.span) == header)
    #expect(header.fileBytes == header.encoded.count + 7)
  }

  @Test func everyFlippedBitIsRefused() {
    let sound = header.encoded.array
    for place in sound.indices {
      for bit in 0..<8 {
        var bytes = sound
        bytes[place] ^= 1 << UInt8(bit)
        let damaged = Bytes(bytes)
        #expect(throws: FormatError.self) { _ = try SnapshotHeader(decoding: damaged.span) }
      }
    }
  }

  @Test func everyShorterLengthIsRefused() {
    let sound = header.encoded
    for count in 0..<sound.count {
      let short = sound[0..<count]
      #expect(throws: FormatError.self) { _ = try SnapshotHeader(decoding: short.span) }
    }
  }

  @Test(arguments: [
    "snapshot-70", "snapshot-070-6", "snapshot-70-6.tmp", "snapshot--6", "snapshot-+7-6",
    "Snapshot-70-6", "snapshot-70-6-1", "",
  ])
  func onlyItsOwnNamesAreNames(_ text: String) {
    #expect(SnapshotName(text) == nil)
  }

  @Test func namesComeBackAndAreInOrder() {
    let name = SnapshotName(index: 70, term: 6)
    #expect(SnapshotName(name.description) == name)
    #expect(name < SnapshotName(index: 100, term: 6))
  }
}
