// VoteFileTests: term and vote come back together, from one checked sector, or not at all.

import ByteBuffers
import LogFormat
import TestSupport
import Testing

struct VoteFileTests {
  private static let states = [
    HardState(), HardState(term: 1), HardState(term: 7, vote: 0), HardState(term: 7, vote: 3),
    HardState(term: Layout.indexMax, vote: .max),
  ]

  private func file(_ state: HardState) -> VoteFile {
    VoteFile(
      generation: 12, state: state, incarnation: Sample.incarnation, group: Sample.group)
  }

  private func decode(_ bytes: Bytes) throws -> VoteFile { try VoteFile(decoding: bytes.span) }

  private func falsified<T: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, with value: T
  ) -> Bytes {
    file(HardState(term: 7, vote: 3)).encoded().replacing(at: offset, with: value)
      .sealed(at: 8, covering: 12..<Layout.voteFile)
  }

  @Test(arguments: states)
  func aVoteComesBackAsItWent(_ state: HardState) throws {
    let bytes = file(state).encoded()
    #expect(bytes.count == Layout.voteFile)
    #expect(try decode(bytes) == file(state))
  }

  @Test(arguments: [
    Mark(term: 7, mayHaveHeld: nil), Mark(term: 0, mayHaveHeld: LogPosition()),
    Mark(term: 7, mayHaveHeld: LogPosition(term: 6, index: Layout.indexMax)),
  ])
  func aMarkComesBackWithIt(_ mark: Mark) throws {
    var marked = file(HardState(term: 7, vote: 3))
    marked.mark = mark
    #expect(try decode(marked.encoded()) == marked)
    #expect(refusal { try decode(falsified(at: 80, with: UInt8(3))) } == .inconsistent)
  }

  /// Node 0 is a node, and no vote is none.
  @Test func aVoteForNodeZeroIsAVote() throws {
    #expect(try decode(file(HardState(term: 7, vote: 0)).encoded()).state.vote == 0)
    #expect(try decode(file(HardState(term: 7)).encoded()).state.vote == nil)
  }

  @Test(arguments: states)
  func everyFlippedBitIsNoticed(_ state: HardState) {
    let unnoticed = file(state).encoded().unnoticedFlips { bytes in
      refusal { try decode(bytes) } != nil
    }
    #expect(unnoticed == [])
  }

  @Test func theSizeIsPartOfTheFormat() {
    let bytes = file(HardState(term: 1)).encoded()
    for count in [0, 8, 80, 511] {
      #expect(refusal { try decode(bytes[0..<count]) } == .truncated)
    }
    #expect(refusal { try decode(Bytes(bytes.array + [0])) } == .truncated)
  }

  @Test func anotherMajorVersionIsUnsupported() {
    for major in [0, 2, UInt16.max] as [UInt16] {
      #expect(refusal { try decode(falsified(at: 12, with: major)) } == .unsupported)
    }
    #expect(refusal { try decode(falsified(at: 14, with: UInt16(9))) } == nil)
  }

  @Test func aVoteIsGivenOrNot() {
    #expect(refusal { try decode(falsified(at: 40, with: UInt8(2))) } == .inconsistent)
    #expect(refusal { try decode(falsified(at: 40, with: UInt8(0))) } == nil)
  }

  @Test func zerosAreNoVoteFile() {
    #expect(refusal { try decode(Bytes([UInt8](repeating: 0, count: 512))) } == .badMagic)
  }
}
