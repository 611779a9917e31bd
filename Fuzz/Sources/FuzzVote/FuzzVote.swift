// FuzzVote: an input as the two vote files of a real log's directory.
//
//   offset size
//        0    1  which sample
//        1    1  bit 0: no first file; bit 1: no second file; bit 2: the first is a byte longer
//        2  512  the first file
//      514       the second
//
// What must always hold: the newer of two usable files counts; where there is none, or they
// contradict each other, the term goes up, so that no vote is given twice; votes never keep a log
// from opening, unless a newer program wrote them.

import ByteBuffers
import FuzzSupport
import LogFormat
import LogStorage
import Recovery
import Simulation

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(VoteInput.seeds)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { VoteInput($0).map { VoteCheck($0).run() } }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    let second = VoteInput.front + Layout.voteFile
    switch mutation.below(8) {
    case 0: mutation.mutateAll()
    case 1: mutation.mutate(0..<VoteInput.front)
    case 2, 3, 4: mutation.mutate(VoteInput.front..<VoteInput.front + VotePatch.fieldBytes)
    default: mutation.mutate(second..<second + VotePatch.fieldBytes)
    }
    guard var input = VoteInput(mutation.bytes) else { return }
    let repairs = Repairs.drawn(using: &mutation.random)
    VotePatch.repair(&input.first, repairs)
    VotePatch.repair(&input.second, repairs)
    mutation.bytes = input.encoded
  }
}

private struct VoteInput {
  static let front = 2

  var options: [UInt8]
  var first: [UInt8]
  var second: [UInt8]

  init?(_ bytes: [UInt8]) {
    guard bytes.count >= Self.front else { return nil }
    let split = min(Self.front + Layout.voteFile, bytes.count)
    options = Array(bytes[..<Self.front])
    first = Array(bytes[Self.front..<split])
    second = Array(bytes[split...])
  }

  var encoded: [UInt8] { options + first + second }

  var sample: SampleDirectory { SampleDirectory.chosen(by: options[0]) }

  /// The vote files that the directory gets.
  var files: [SampleFile] {
    var files: [SampleFile] = []
    let flags = options[1]
    if flags & 1 == 0 {
      let bytes = first + (flags & 4 == 0 ? [] : [0])
      files.append(SampleFile(name: VoteFile.names[0], bytes: Bytes(bytes)))
    }
    if flags & 2 == 0 {
      files.append(SampleFile(name: VoteFile.names[1], bytes: Bytes(second)))
    }
    return files
  }

  static func seeds() -> [SeedCorpus.Seed] {
    var seeds: [SeedCorpus.Seed] = []
    for (i, sample) in SampleDirectory.all.enumerated() {
      guard let bytes = sample.file(VoteFile.names[0])?.bytes,
        let vote = try? VoteFile(decoding: bytes.span)
      else { found("the sample \(sample.name) has no vote") }
      var later = vote
      later.generation += 1
      later.state = HardState(term: vote.state.term + 1, vote: 4)
      var other = vote
      other.state.vote = 5
      var last = later
      last.state.term = Layout.indexMax
      for (name, second) in [("same", vote), ("later", later), ("other", other), ("last", last)] {
        for flags: UInt8 in [0, 1, 2] {
          let front = [UInt8(i), flags]
          seeds.append(
            ("\(sample.name)-\(name)-\(flags)", front + bytes.array + second.encoded().array))
        }
      }
    }
    return seeds
  }
}

private struct VoteCheck {
  private let disk: SimulatedDisk
  private let copies: [VoteCopy]

  init(_ input: VoteInput) {
    disk = SampleDirectory.disk(input.sample.files.filter { !$0.isVote } + input.files)
    copies = Self.read(disk)
  }

  private static func read(_ disk: SimulatedDisk) -> [VoteCopy] {
    VoteFile.names.map { name in
      do {
        return try VoteCopy.read(name, in: disk)
      } catch {
        found("reading \(name) failed: \(error)")
      }
    }
  }

  func run() {
    for file in copies.compactMap(\.file) { checkEncoding(file) }
    let reading = DirectoryReading(disk)
    reading.expectOnly(SampleDirectory.written)
    // A vote file of another directory is no copy of this one's.
    let own = reading.diagnosis.evidence.votes.compactMap(\.file)
    guard let running = open() else { return }
    let hardState = running.plan.opened.hardState
    checkChoice(hardState, of: own, behind: running.plan.opened.active.end.term)
    let newest = Self.read(disk).compactMap(\.file).max { $0.generation < $1.generation }
    expect(newest?.state == hardState, "the hard state on the disk is not the one that was opened")
    goOn(running, hardState)
  }

  private func checkEncoding(_ file: VoteFile) {
    do throws(FormatError) {
      let again = try VoteFile(decoding: file.encoded().span)
      expect(again == file, "a vote changed by being written again")
    } catch {
      found("a vote that was written again does not decode: \(error)")
    }
  }

  private func open() -> RunningLog? {
    do {
      return try RunningLog(opening: disk, options: .tiny, seed: 1)
    } catch {
      let isNewer = copies.contains { if case .unsupported = $0 { true } else { false } }
      expect(isNewer && error.code == .unsupported, "votes kept a log from opening: \(error)")
      return nil
    }
  }

  private func checkChoice(
    _ hardState: HardState, of files: [VoteFile], behind lastTerm: Term
  ) {
    let isConflict =
      files.count == 2 && files[0].generation == files[1].generation && files[0] != files[1]
    if !isConflict, let newest = files.max(by: { $0.generation < $1.generation }) {
      expect(hardState == newest.state, "\(hardState) was opened, the newest is \(newest.state)")
      return
    }
    let highest = max(files.map(\.state.term).max() ?? 0, lastTerm)
    expect(
      hardState.term > highest && hardState.vote == nil,
      "the votes are lost, term \(highest) was reached, and \(hardState) could vote again")
  }

  /// A later vote is there after the process was killed; behind the last term there is none.
  private func goOn(_ running: RunningLog, _ before: HardState) {
    let later = HardState(term: before.term + 1, vote: 9)
    guard later.term <= Layout.indexMax else {
      expectRefusal(running, later)
      return
    }
    do {
      _ = try running.engine.save(later)
      running.pump()
      let again = try RunningLog(opening: disk, options: .tiny, seed: 3)
      expect(again.plan.opened.hardState == later, "a vote that was saved is not there")
    } catch {
      found("a log that was opened does not go on: \(error)")
    }
  }

  private func expectRefusal(_ running: RunningLog, _ later: HardState) {
    do {
      _ = try running.engine.save(later)
      found("term \(later.term) was taken, and no file may hold it")
    } catch {
      expect(error.code == .outOfRange, "term \(later.term) was refused as \(error)")
    }
  }
}
