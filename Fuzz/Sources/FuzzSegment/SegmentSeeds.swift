// SegmentSeeds: the segments of real logs, in the roles that they may play.

import ByteBuffers
import FuzzSupport
import LogFormat

enum SegmentSeeds {
  static func all() -> [SeedCorpus.Seed] {
    var seen: Set<Bytes> = []
    var seeds: [SeedCorpus.Seed] = []
    for sample in SampleDirectory.all {
      for file in sample.files where file.isSegment && seen.insert(file.bytes).inserted {
        for role: UInt8 in [0, 1, 2, 3, 8, 12] {
          seeds.append(("\(sample.name)-\(file.name)-\(role)", file.bytes.array + [role]))
        }
      }
    }
    return seeds
  }

  /// The header that stands in where a file's own is not readable, as the manifest's would.
  static let header: SegmentHeader = {
    for file in SampleDirectory.all[0].files where file.isSegment {
      if let header = try? SegmentHeader(decoding: file.bytes.span) { return header }
    }
    found("a sample without a segment")
  }()
}
