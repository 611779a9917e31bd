// SegmentPatch: finds the parts of a segment file and makes its checksums right.

import LogFormat

package struct SegmentPatch {
  private static let frameMagic: UInt32 = 0x3146_4C52
  private static let footerMagic: UInt64 = 0x0152_544F_4F46_4C52
  private static let footerFixed = 168
  private static let headerCopy = 8..<96
  private static let trailerBytes = 16

  private struct Place {
    var offset: Int
    /// The body, as far as the file has it.
    var body: Range<Int>
  }

  private var frames: [Place] = []
  private var footer: Int?

  /// Looks for what lies in `bytes`; a frame may be anywhere at a page's start.
  package init(_ bytes: [UInt8]) {
    var offset = Layout.segmentHeader
    while offset + Layout.frame <= bytes.count {
      if bytes.u32(at: offset) == Self.frameMagic {
        let body = offset + Layout.frame
        let size = min(Int(bytes.u32(at: offset + 12)), bytes.count - body)
        frames.append(Place(offset: offset, body: body..<body + size))
        offset += Layout.pages(Layout.frame + size)
      } else if bytes.u64(at: offset) == Self.footerMagic {
        footer = offset
        return
      } else {
        offset += Layout.page
      }
    }
  }

  /// Header, frames and footer: what is not a batch.
  package func outsideBatches(_ bytes: [UInt8]) -> [Range<Int>] {
    var parts = [0..<min(96, bytes.count)]
    parts += frames.map { $0.offset..<$0.offset + Layout.frame }
    if let footer {
      let runs = Int(bytes.u32(at: footer + 12))
      let batches = Int(bytes.u32(at: footer + 16))
      let end = min(footer + Self.footerFixed + 16 * (runs + batches), bytes.count)
      parts.append(footer..<max(footer, end))
      parts.append(max(footer, bytes.count - Self.trailerBytes)..<bytes.count)
    }
    return parts.filter { !$0.isEmpty }
  }

  /// The parts of all batches.
  package func batches(_ bytes: [UInt8]) -> [Range<Int>] {
    frames.flatMap { BatchPatch.parts(bytes, in: $0.body) }
  }

  package func repair(_ bytes: inout [UInt8], _ repairs: Repairs) {
    guard bytes.count >= Layout.segmentHeader else { return }
    if repairs.contains(.header) {
      bytes.set(bytes.crc32c(12..<Layout.segmentHeader), at: 8)
    }
    // The frames' checksums are salted: the salt's own checksum goes in front.
    let seed = bytes.crc32c(64..<72)
    var previous = bytes.u32(at: 8)
    for (i, frame) in frames.enumerated() {
      repair(frame, number: UInt32(i + 1), previous: previous, seed: seed, &bytes, repairs)
      previous = bytes.u32(at: frame.offset + 4)
    }
    if let footer { repairFooter(at: footer, &bytes, repairs) }
  }

  private func repair(
    _ frame: Place, number: UInt32, previous: UInt32, seed: UInt32, _ bytes: inout [UInt8],
    _ repairs: Repairs
  ) {
    if repairs.contains(.body), frame.body.count >= Layout.bodyHeader {
      BatchPatch.repair(&bytes, in: frame.body, repairs)
      if repairs.contains(.lengths) {
        let size = BatchPatch.size(bytes, in: frame.body)
        bytes.set(UInt32(min(size, frame.body.count)), at: frame.offset + 12)
      }
      bytes.set(bytes.u32(at: frame.body.lowerBound), at: frame.offset + 36)
    }
    if repairs.contains(.numbers) { bytes.set(number, at: frame.offset + 16) }
    if repairs.contains(.chain) { bytes.set(previous, at: frame.offset + 32) }
    if repairs.contains(.frame) {
      let covered = frame.offset + 8..<frame.offset + Layout.frame
      bytes.set(bytes.crc32c(covered, extending: seed), at: frame.offset + 4)
    }
  }

  private func repairFooter(at footer: Int, _ bytes: inout [UInt8], _ repairs: Repairs) {
    if repairs.contains(.digest) { bytes.set(bytes.crc32c(0..<footer), at: footer + 56) }
    let runs = Int(bytes.u32(at: footer + 12))
    let index = footer + Self.footerFixed + 16 * runs
    let end = index + 16 * Int(bytes.u32(at: footer + 16))
    if repairs.contains(.footer), end <= bytes.count {
      if repairs.contains(.lengths) { bytes.set(UInt64(footer), at: footer + 24) }
      bytes.replaceSubrange(footer + 64..<footer + 152, with: Array(bytes[Self.headerCopy]))
      bytes.set(bytes.crc32c(index..<end), at: footer + 20)
      bytes.set(bytes.crc32c(footer + 12..<index), at: footer + 8)
    }
    let trailer = bytes.count - Self.trailerBytes
    if repairs.contains(.trailer), trailer >= footer {
      if repairs.contains(.lengths) { bytes.set(UInt64(footer), at: trailer) }
      bytes.set(bytes.crc32c(trailer..<trailer + 8), at: trailer + 8)
    }
  }
}
