// BytesTests: slices share, copies do not, and two runs are equal when their bytes are.

import ByteBuffers
import TestSupport
import Testing

struct BytesTests {
  @Test func anArrayComesBackAsItWent() {
    var generator = SeededGenerator(seed: 1)
    for count in [0, 1, 2, 63, 64, 65, 4095, 4096, 4097] {
      let array = generator.bytes(count)
      let bytes = Bytes(array)
      #expect(bytes.count == count)
      #expect(bytes.isEmpty == (count == 0))
      #expect(bytes.array == array)
      #expect(Bytes(copying: bytes.span).array == array)
    }
  }

  @Test func aSliceSharesItsStorage() {
    let whole = Bytes([UInt8](0..<100))
    let slice = whole[10..<30]
    #expect(slice.address == whole.address + 10)
    #expect(slice.array == [UInt8](10..<30))
    let inner = slice[5..<7]
    #expect(inner.address == whole.address + 15)
    #expect(inner.array == [15, 16])
  }

  @Test func aCopyDoesNotShare() {
    let whole = Bytes([UInt8](0..<100))
    let copy = Bytes(copying: whole.span)
    #expect(copy == whole)
    #expect(copy.address != whole.address)
  }

  @Test func aSliceKeepsTheStorageAlive() {
    func slice() -> Bytes { Bytes([UInt8](0..<200))[100..<200] }
    let kept = (0..<50).map { _ in slice() }
    // Whoever freed the storage too early would find these bytes overwritten.
    let others = (0..<50).map { _ in Bytes([UInt8](repeating: 0xFF, count: 200)) }
    #expect(others.count == 50)
    #expect(kept.allSatisfy { $0.array == [UInt8](100..<200) })
  }

  @Test func aSliceOutsideTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = Bytes([1, 2, 3])[1..<4]
    }
  }

  @Test func largeStorageIsPageAligned() {
    for count in [4096, 4097, 1 << 20] {
      #expect(Bytes([UInt8](repeating: 1, count: count)).address % 4096 == 0)
    }
  }

  @Test func nothingIsNothingHoweverItWasMade() {
    let empties: [Bytes] = [
      Bytes(), [], Bytes([UInt8]()), Bytes(""), Bytes([1, 2, 3])[2..<2],
      ByteWriter(capacity: 0).finish(),
    ]
    for empty in empties {
      #expect(empty == Bytes())
      #expect(empty.hashValue == Bytes().hashValue)
      #expect(empty.span.byteCount == 0)
      #expect(empty.array == [])
      #expect(empty.text == "")
    }
  }

  @Test func equalityAndHashGoByTheBytesAlone() {
    let array = [UInt8](0..<40)
    for misalignment in 0..<9 {
      let same = Bytes.misaligned(array, by: misalignment)
      #expect(same == Bytes(array))
      #expect(same.hashValue == Bytes(array).hashValue)
    }
    for i in array.indices {
      var other = array
      other[i] ^= 0x10
      #expect(Bytes(other) != Bytes(array))
    }
    #expect(Bytes(array)[0..<39] != Bytes(array))
    #expect(Bytes(array)[1..<40] != Bytes(array)[0..<39])
  }

  @Test func textIsUTF8AndMalformedBytesAreReplaced() {
    #expect(Bytes("größer").array == Array("größer".utf8))
    #expect(Bytes("größer").text == "größer")
    #expect(Bytes([0x61, 0xFF, 0x62]).text == "a\u{FFFD}b")
  }

  @Test func aDescriptionDoesNotSpillTheBytes() {
    #expect("\(Bytes([1, 2, 3]))" == "Bytes(3)")
  }
}
