// ManifestPatch: finds the parts of a manifest copy; makes its checksums, chain and numbers right.

import LogFormat

package struct ManifestPatch {
  private static let editMagic: UInt32 = 0x3145_4C52
  private static let editFixed = 24

  /// The edits, without their padding.
  private var edits: [Range<Int>] = []

  package init(_ bytes: [UInt8]) {
    var offset = Layout.manifestHeader
    while offset + Self.editFixed <= bytes.count {
      guard bytes.u32(at: offset) == Self.editMagic else {
        offset += Layout.sector
        continue
      }
      let size = min(Self.editFixed + Int(bytes.u32(at: offset + 8)), bytes.count - offset)
      edits.append(offset..<offset + size)
      offset += (size + Layout.sector - 1) / Layout.sector * Layout.sector
    }
  }

  package func parts(_ bytes: [UInt8]) -> [Range<Int>] {
    [0..<min(72, bytes.count)].filter { !$0.isEmpty } + edits
  }

  package func repair(_ bytes: inout [UInt8], _ repairs: Repairs) {
    guard bytes.count >= Layout.manifestHeader else { return }
    if repairs.contains(.header) {
      bytes.set(bytes.crc32c(12..<Layout.manifestHeader), at: 8)
    }
    var previous = bytes.u32(at: 8)
    let first = bytes.u64(at: 64)
    for (i, edit) in edits.enumerated() {
      let at = edit.lowerBound
      if repairs.contains(.lengths) { bytes.set(UInt32(edit.count - Self.editFixed), at: at + 8) }
      if repairs.contains(.chain) { bytes.set(previous, at: at + 12) }
      if repairs.contains(.numbers) { bytes.set(first &+ UInt64(i), at: at + 16) }
      if repairs.contains(.edit) {
        bytes.set(bytes.crc32c(at + 8..<edit.upperBound), at: at + 4)
      }
      previous = bytes.u32(at: at + 4)
    }
  }
}
