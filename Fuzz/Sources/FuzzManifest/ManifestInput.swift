// ManifestInput: two manifest copies, and the sample whose directory they are put into.
//
//   offset size
//        0    1  which sample
//        1    1  bit 0: no first copy; bit 1: no second copy; bit 2: repairs keep what is behind
//                damage
//        2    2  sectors of the first copy
//        4       the first copy, then the second

import ByteBuffers
import FuzzSupport
import LogFormat
import Recovery

struct ManifestInput {
  static let front = 4

  var sampleByte: UInt8
  var flags: UInt8
  var copies: [[UInt8]]

  init(sampleByte: UInt8, flags: UInt8, copies: [[UInt8]]) {
    self.sampleByte = sampleByte
    self.flags = flags
    self.copies = copies
  }

  init?(_ bytes: [UInt8]) {
    guard bytes.count >= Self.front else { return nil }
    let split = min(Self.front + Int(bytes.u16(at: 2)) * Layout.sector, bytes.count)
    self.init(
      sampleByte: bytes[0], flags: bytes[1],
      copies: [Array(bytes[Self.front..<split]), Array(bytes[split...])])
  }

  /// The input's bytes; a first copy that ends within a sector is filled up with zeros.
  var encoded: [UInt8] {
    let sectors = (copies[0].count + Layout.sector - 1) / Layout.sector
    let missing = sectors * Layout.sector - copies[0].count
    var bytes = [sampleByte, flags, 0, 0]
    bytes.set(UInt16(min(sectors, Int(UInt16.max))), at: 2)
    return bytes + copies[0] + Array(repeating: 0, count: missing) + copies[1]
  }

  var keep: RepairPlan.Keep { flags & 4 == 0 ? .before : .after }

  /// The directory with these copies in it.
  var files: [SampleFile] {
    var files = SampleDirectory.chosen(by: sampleByte).files.filter { !$0.isManifest }
    for (i, copy) in copies.enumerated() where flags & 1 << UInt8(i) == 0 {
      files.append(SampleFile(name: ManifestHeader.names[i], bytes: Bytes(copy)))
    }
    return files
  }

  static func seeds() -> [SeedCorpus.Seed] {
    SampleDirectory.all.enumerated().flatMap { i, sample in
      let copies = ManifestHeader.names.map { name -> [UInt8] in
        if let file = sample.file(name) { return file.bytes.array }
        found("the sample \(sample.name) has no \(name)")
      }
      return [UInt8(0), 1, 2].map { flags in
        let input = ManifestInput(sampleByte: UInt8(i), flags: flags, copies: copies)
        return ("\(sample.name)-\(flags)", input.encoded)
      }
    }
  }
}
