// FindingPlaceTests: a finding about a manifest or a vote names the copy, and the byte in it.

import ByteBuffers
import LogFormat
import Recovery
import Simulation
import StorageIO
import TestSupport
import Testing

@Suite struct FindingPlaceTests {
  /// A log with a second edit in its manifests.
  private func log() throws -> LogFixture {
    var log = try LogFixture()
    try log.segment.entry()
    try log.close()
    return log
  }

  private func finding(_ log: LogFixture) throws -> Finding {
    let findings = try log.diagnose().findings
    return try #require(findings.count == 1 ? findings.first : nil, "\(findings)")
  }

  @Test(arguments: ManifestHeader.names)
  func aMissingManifestIsMissingFromItsBeginning(name: String) throws {
    let log = try log()
    try log.disk.remove(name)
    let finding = try finding(log)
    #expect(finding.verdict == .healedManifest && finding.file == name && finding.offset == 0)
  }

  @Test(arguments: ManifestHeader.names)
  func anUnusableManifestIsWrongWhereItsHeaderIs(name: String) throws {
    let log = try log()
    try log.disk.flip(name, at: 100)
    let finding = try finding(log)
    #expect(finding.verdict == .healedManifest && finding.file == name && finding.offset == 8)
  }

  @Test(arguments: ManifestHeader.names)
  func aDamagedEditIsWrongWhereItBegins(name: String) throws {
    let log = try log()
    let start = log.position.end - Layout.sector
    try log.disk.flip(name, at: start + 30)
    let finding = try finding(log)
    #expect(finding.file == name && finding.offset == start)
  }

  @Test func aNewerManifestIsNamedBeforeADamagedOne() throws {
    let log = try log()
    let (first, second) = (ManifestHeader.names[0], ManifestHeader.names[1])
    try log.disk.flip(first, at: 100)
    let newer = try log.disk.bytes(of: second).replacing(at: 12, with: UInt16(2))
      .sealed(at: 8, covering: 12..<Layout.manifestHeader)
    try log.disk.write(newer, to: second, at: 0)
    let finding = try #require(try log.diagnose().findings.first { $0.verdict == .unsupported })
    #expect(finding.file == second && finding.offset == 12)
  }

  @Test func copiesThatContradictEachOtherDoSoAtAnEdit() throws {
    let log = try log()
    let start = log.position.end
    let boots = [Boot(counter: 2, random: 1), Boot(counter: 2, random: 2)]
    for (name, boot) in zip(ManifestHeader.names, boots) {
      let edit = ManifestEdit(number: log.position.number + 1, changes: [.opened(boot)])
      let bytes = edit.encoded(previousChecksum: log.position.checksum).bytes
      try log.disk.write(bytes, to: name, at: start)
    }
    let finding = try #require(try log.diagnose().findings.first { $0.verdict == .corruptManifest })
    #expect(finding.offset == start)
  }

  @Test(arguments: VoteFile.names)
  func aVoteIsWrongWhereItsChecksumIs(name: String) throws {
    let log = try log()
    try log.disk.flip(name, at: 100)
    let finding = try finding(log)
    #expect(finding.verdict == .healedVote && finding.file == name && finding.offset == 8)
  }

  @Test func rangesAreOneEntryOrMany() {
    #expect(Words.entries(4, 3) == "no entry")
    #expect(Words.entries(4, 4) == "entry 4")
    #expect(Words.entries(4...9) == "entries 4-9")
    #expect(Words.entries(4, nil) == "entries from 4 on")
  }
}
