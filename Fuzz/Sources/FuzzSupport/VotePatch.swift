// VotePatch: makes the checksum of a vote file right.

import LogFormat

package enum VotePatch {
  /// Bytes that mean something; zeros follow.
  package static let fieldBytes = 112

  package static func repair(_ bytes: inout [UInt8], _ repairs: Repairs) {
    guard bytes.count >= Layout.voteFile, repairs.contains(.header) else { return }
    bytes.set(bytes.crc32c(12..<Layout.voteFile), at: 8)
  }
}
