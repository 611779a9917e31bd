// ByteWriterTests: what was written is what is there, whatever the buffer had to grow through.

import ByteBuffers
import TestSupport
import Testing

struct ByteWriterTests {
  @Test func integersAreLittleEndian() {
    var writer = ByteWriter(capacity: 16)
    writer.u8(0x01)
    writer.u16(0x0203)
    writer.u32(0x0405_0607)
    writer.u64(0x0809_0A0B_0C0D_0E0F)
    writer.integer(Int16(-2))
    let bytes = writer.finish()
    #expect(
      bytes.array == [
        0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0F, 0x0E, 0x0D, 0x0C, 0x0B, 0x0A, 0x09, 0x08,
        0xFE, 0xFF,
      ])
  }

  @Test func aWriterAgreesWithAnArray() {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<40 {
      var writer = ByteWriter(capacity: Int(generator.next() % 100))
      var model: [UInt8] = []
      for _ in 0..<120 {
        write(into: &writer, and: &model, &generator)
        let count = writer.count
        #expect(count == model.count)
      }
      let isEnough = writer.capacity >= writer.count
      #expect(isEnough)
      let inPlace = writer.span.byteCount
      #expect(inPlace == model.count)
      let bytes = writer.finish()
      #expect(bytes.array == model)
    }
  }

  /// One random operation, on both.
  private func write(
    into writer: inout ByteWriter, and model: inout [UInt8], _ generator: inout SeededGenerator
  ) {
    switch generator.next() % 8 {
    case 0:
      let value = UInt8(truncatingIfNeeded: generator.next())
      writer.u8(value)
      model.append(value)
    case 1:
      let value = generator.next()
      writer.u64(value)
      model += (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    case 2:
      let more = generator.bytes(Int(generator.next() % 300))
      let bytes = Bytes(more)
      writer.bytes(bytes.span)
      model += more
    case 3:
      let count = Int(generator.next() % 50)
      writer.fill(0xA5, count: count)
      model += [UInt8](repeating: 0xA5, count: count)
    case 4:
      writer.pad(to: 64, with: 7)
      while model.count % 64 != 0 { model.append(7) }
    case 5:
      let count = Int(generator.next() % UInt64(model.count + 1))
      writer.truncate(to: count)
      model.removeLast(model.count - count)
    case 6:
      var other = ByteWriter(capacity: 0)
      other.u32(0x0102_0304)
      writer.bytes(of: other)
      model += [4, 3, 2, 1]
    default:
      guard model.count >= 4 else { return }
      let offset = Int(generator.next() % UInt64(model.count - 3))
      writer.replace(at: offset, with: UInt32(0xDDCC_BBAA))
      model.replaceSubrange(offset..<offset + 4, with: [0xAA, 0xBB, 0xCC, 0xDD])
    }
  }

  @Test func paddingAtAMultipleAddsNothing() {
    var writer = ByteWriter(capacity: 64)
    writer.pad(to: 16, with: 1)
    writer.fill(2, count: 16)
    writer.pad(to: 16, with: 3)
    let bytes = writer.finish()
    #expect(bytes.array == [UInt8](repeating: 2, count: 16))
  }

  @Test func reservingKeepsWhatIsThere() {
    var writer = ByteWriter(capacity: 64)
    writer.u32(0xFEED_BEEF)
    writer.reserve(1 << 20)
    let isEnough = writer.capacity >= 4 + 1 << 20
    #expect(isEnough)
    let bytes = writer.finish()
    #expect(bytes.array == [0xEF, 0xBE, 0xED, 0xFE])
  }

  @Test func largeBuffersStayPageAlignedWhileTheyGrow() {
    var writer = ByteWriter(capacity: 64)
    writer.fill(9, count: 10_000)
    let bytes = writer.finish()
    #expect(bytes.address % 4096 == 0)
  }

  @Test func onlyWhatWasWrittenBehindIsTaken() {
    var writer = ByteWriter(capacity: 64)
    writer.u8(1)
    unsafe writer.appendUninitialized(limit: 100) { room in
      unsafe room[0] = 2
      unsafe room[1] = 3
      return room.count == 100 ? 2 : 0
    }
    let bytes = writer.finish()
    #expect(bytes.array == [1, 2, 3])
  }

  private struct Refusal: Error {}

  @Test func aRefusedAppendLeavesNothing() {
    var writer = ByteWriter(capacity: 64)
    writer.u8(1)
    var isRefused = false
    do {
      try unsafe writer.appendUninitialized(limit: 100) {
        (_: UnsafeMutableRawBufferPointer) throws(Refusal) -> Int in throw Refusal()
      }
    } catch {
      isRefused = true
    }
    #expect(isRefused)
    let bytes = writer.finish()
    #expect(bytes.array == [1])
  }

  @Test func aChecksumOfARangeIsThatOfItsBytes() {
    var writer = ByteWriter(capacity: 64)
    writer.fill(0x11, count: 10)
    writer.fill(0x22, count: 10)
    let range = writer.crc32c(5..<15)
    let extended = writer.crc32c(15..<20, extending: range)
    let expected: [UInt8] = [UInt8](repeating: 0x11, count: 5) + [UInt8](repeating: 0x22, count: 5)
    #expect(range == ReferenceCRC.checksum(expected))
    #expect(
      extended == ReferenceCRC.checksum(expected + [UInt8](repeating: 0x22, count: 5)))
  }

  @Test func replacingPastTheEndTraps() async {
    await #expect(processExitsWith: .failure) {
      var writer = ByteWriter(capacity: 64)
      writer.u32(0)
      writer.replace(at: 1, with: UInt32(1))
    }
  }
}
