// ContentTests: the questions that recovery asks of bytes, each held against the plain loop.

import ByteBuffers
import TestSupport
import Testing

struct ContentTests {
  @Test func sameMeansEveryByte() {
    var generator = SeededGenerator(seed: 2)
    for count in [0, 1, 7, 8, 9, 64, 513] {
      let array = generator.bytes(count)
      let bytes = Bytes(array)
      #expect(bytes.holdsSame(as: Bytes.misaligned(array, by: 3)))
      #expect(!bytes.holdsSame(as: Bytes(array + [0])))
      for i in array.indices {
        var other = array
        other[i] ^= 0x80
        #expect(!bytes.holdsSame(as: Bytes(other)), "byte \(i) of \(count)")
      }
    }
  }

  @Test(arguments: [0, 0xA5, 0xFF] as [UInt8])
  func filledMeansEveryByte(_ value: UInt8) {
    #expect(Bytes().isFilled(with: value))
    for count in 1...70 {
      let array = [UInt8](repeating: value, count: count)
      #expect(Bytes(array).isFilled(with: value))
      #expect(!Bytes(array).isFilled(with: value ^ 1))
      for i in array.indices {
        var other = array
        other[i] ^= 0x04
        #expect(!Bytes(other).isFilled(with: value), "byte \(i) of \(count)")
      }
    }
  }

  @Test func zeroIsFilledWithZero() {
    #expect(Bytes([0, 0, 0]).isZero)
    #expect(!Bytes([0, 0, 1]).isZero)
    #expect(Bytes().isZero)
  }

  @Test func firstNonZeroFindsEveryPlace() {
    #expect(Bytes().span.firstNonZero == nil)
    #expect(Bytes([UInt8](repeating: 0, count: 9000)).span.firstNonZero == nil)
    for place in [0, 1, 7, 8, 4095, 4096, 4097, 8191, 8192, 8999] {
      var array = [UInt8](repeating: 0, count: 9000)
      array[place] = 1
      #expect(Bytes(array).span.firstNonZero == place)
      // What follows does not matter.
      array[8999] = 1
      #expect(Bytes(array).span.firstNonZero == place)
    }
  }

  @Test func aPieceWithOneBitIsBlankButNotZero() {
    var array = [UInt8](repeating: 0, count: 4 * 512)
    array[512 + 511] = 0x40
    array[1024] = 0x01
    array[1024 + 300] = 0x01
    array[1536] = 0x03
    let bytes = Bytes(array)
    #expect(bytes.span.zeroPieces(of: 512) == 1)
    #expect(bytes.span.pieces(of: 512, withAtMostBits: 0) == 1)
    #expect(bytes.span.pieces(of: 512, withAtMostBits: 1) == 2)
  }

  @Test func aShorterLastPieceCountsToo() {
    #expect(Bytes().span.zeroPieces(of: 512) == 0)
    for tail in [1, 3, 8, 9, 511] {
      var array = [UInt8](repeating: 0, count: 512 + tail)
      #expect(Bytes(array).span.zeroPieces(of: 512) == 2)
      array[512 + tail - 1] = 0x80
      #expect(Bytes(array).span.zeroPieces(of: 512) == 1)
      #expect(Bytes(array).span.pieces(of: 512, withAtMostBits: 1) == 2)
    }
  }

  @Test func countsOfPiecesAgreeWithThePlainLoop() {
    var generator = SeededGenerator(seed: 3)
    var found = [0, 0]
    for _ in 0..<400 {
      let unit = [1, 5, 8, 16, 32][Int(generator.next() % 5)]
      var array = [UInt8](repeating: 0, count: Int(generator.next() % 200))
      for _ in 0..<generator.next() % 8 where !array.isEmpty {
        array[Int(generator.next() % UInt64(array.count))] |= 1 << UInt8(generator.next() % 8)
      }
      let bytes = Bytes.misaligned(array, by: Int(generator.next() % 8))
      for bits in 0...1 {
        let expected = stride(from: 0, to: array.count, by: unit).count { start in
          array[start..<min(start + unit, array.count)].reduce(0) { $0 + $1.nonzeroBitCount }
            <= bits
        }
        #expect(bytes.span.pieces(of: unit, withAtMostBits: bits) == expected)
        found[bits] += expected
      }
    }
    #expect(found[0] > 100 && found[1] > found[0])
  }
}
