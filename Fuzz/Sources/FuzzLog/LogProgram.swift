// LogProgram: what an input says is to be done.
//
//   an operation: offset size
//                      0    1  what (see `Kind`)
//                      1    2  how: sizes, indices, terms
//                      3    1  how far the disk comes afterwards: 0 to 127 all the way, up to 191
//                              not at all, else as many steps as the low three bits say
//
//   options: byte 0, bits 0-1 compression, 2-3 sync mode, 4 segment size, 5 reserve, 6 batch size;
//            byte 1, what the engine's names are drawn from

import FuzzSupport
import LogFormat
import LogStorage

struct LogProgram {
  static let front = 2
  static let recordBytes = 4
  private static let operationsMax = 256

  enum Kind: UInt8, CaseIterable {
    case append, appendTerm, appendBurst, truncate, compact, hardState, idle, sync, kill, close
    case illegal, read
  }

  struct Operation {
    var kind: Kind
    var a: Int
    var b: Int
    var pump: Pump
  }

  enum Pump {
    case fully, none, steps(Int)
  }

  let options: EngineOptions
  let seed: UInt64
  let operations: [Operation]

  init?(_ bytes: [UInt8]) {
    guard bytes.count >= Self.front else { return nil }
    options = Self.options(bytes[0])
    seed = UInt64(bytes[1])
    let starts = stride(
      from: Self.front, through: bytes.count - Self.recordBytes, by: Self.recordBytes)
    operations = starts.prefix(Self.operationsMax).map { start in
      let pump: Pump =
        switch bytes[start + 3] {
        case 0..<128: .fully
        case 128..<192: .none
        default: .steps(Int(bytes[start + 3] & 7))
        }
      return Operation(
        kind: Kind.allCases[Int(bytes[start]) % Kind.allCases.count], a: Int(bytes[start + 1]),
        b: Int(bytes[start + 2]), pump: pump)
    }
  }

  private static func options(_ byte: UInt8) -> EngineOptions {
    var options = EngineOptions.tiny
    options.compression =
      switch byte & 3 {
      case 0, 1: .none
      case 2: .lz4
      default: .automatic
      }
    options.syncMode =
      switch byte >> 2 & 3 {
      case 0, 1: .always
      case 2: .interval(.milliseconds(20))
      default: .never
      }
    if byte & 0x10 != 0 { options.segmentBytes *= 2 }
    if byte & 0x20 != 0 { options.reserveBytes = 4096 }
    if byte & 0x40 != 0 { options.batchBytesMax = 512 }
    return options
  }

  // MARK: Seeds

  static func seeds() -> [SeedCorpus.Seed] {
    var seeds: [SeedCorpus.Seed] = []
    var random = SplitMix64(seed: 3)
    for options in 0..<16 {
      let front = [UInt8(options * 5 & 0x7F), UInt8(options)]
      let drawn = (0..<20).flatMap { _ -> [UInt8] in
        (0..<recordBytes).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      }
      seeds.append(("drawn-\(options)", front + drawn))
      // Every operation behind a few appends, with the disk keeping up and not.
      for kind in Kind.allCases {
        let appends = (0..<5).flatMap { (i: UInt8) -> [UInt8] in
          [Kind.append.rawValue, i * 40, 1, 0]
        }
        let pump: UInt8 = options % 2 == 0 ? 0 : 130
        let rest = [kind.rawValue, 2, 3, pump, Kind.append.rawValue, 9, 0, pump]
        seeds.append(("\(kind)-\(options)", front + appends + rest))
      }
    }
    return seeds
  }
}
