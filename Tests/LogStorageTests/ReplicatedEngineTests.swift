// ReplicatedEngineTests: what a member of a group asks of the engine: batches as another node encoded them,
// a log that begins behind a snapshot, and a mark.

import ByteBuffers
import LogFormat
import LogStorage
import StorageIO
import Testing

@Suite struct ReplicatedEngineTests {
  private func batch(
    _ bench: Bench, _ indices: ClosedRange<LogIndex>, term: Term = 1
  ) throws -> Batch {
    var builder = BatchBuilder(group: bench.engine.group, firstIndex: indices.lowerBound)
    for index in indices {
      let payload = Bytes("entry \(index)")
      builder.append(payload.span, kind: .data, term: term)
    }
    let framed = builder.finish(.none)
    return try Batch(framed.body)
  }

  @Test func aBatchIsWrittenAsItCame() throws {
    let bench = try Bench()
    let batch = try batch(bench, 1...3)
    _ = try bench.engine.append(batch, from: 1)
    let job = try bench.take()
    guard case .write(_, let bytes, _)? = job.steps.first else {
      Issue.record("\(job.steps)")
      return
    }
    #expect(bytes[Layout.frame..<Layout.frame + batch.bytes.count] == batch.bytes)
    bench.engine.completed(job.id, nil, now: .zero)
    #expect(bench.engine.durableIndex == 3)
  }

  @Test func whatTheLogHasIsSkipped() throws {
    let bench = try Bench()
    _ = try bench.engine.append(try batch(bench, 1...3), from: 1)
    _ = try bench.engine.append(try batch(bench, 2...6), from: 4)
    try bench.settle()
    #expect(bench.engine.lastIndex == 6)
    let found = bench.engine.place(of: 4)
    let place = try #require(found)
    let stored = try place.read(bytesMax: 1 << 20, in: bench.disk)
    #expect(stored.map(\.indices) == [4...6])
    #expect(stored[0].batch.header.firstIndex == 2)
  }

  @Test func aBatchThatDoesNotFollowIsRefused() throws {
    let bench = try Bench()
    let far = try batch(bench, 5...6)
    #expect(throws: LogError.self) { _ = try bench.engine.append(far, from: 5) }
    #expect(bench.engine.lastIndex == 0)
  }

  @Test func aBatchOfAnotherGroupIsRefused() throws {
    let bench = try Bench()
    var builder = BatchBuilder(group: UID(high: 9, low: 9), firstIndex: 1)
    let payload = Bytes("foreign")
    builder.append(payload.span, kind: .data, term: 1)
    let framed = builder.finish(.none)
    let batch = try Batch(framed.body)
    #expect(throws: LogError.self) { _ = try bench.engine.append(batch, from: 1) }
  }

  @Test func aLogBeginsBehindASnapshotThatContradictsIt() throws {
    let bench = try Bench()
    for i in 1...5 { _ = try bench.append("entry \(i)") }
    try bench.settle()
    _ = try bench.engine.restart(after: 4, of: 7)
    #expect(throws: LogError.self) { _ = try bench.append("too early") }
    try bench.settle()
    #expect(bench.engine.firstIndex == 5)
    #expect(bench.engine.lastIndex == 4)
    #expect(bench.engine.lastTerm == 7)
    #expect(bench.engine.durableIndex == 4)
  }

  @Test func whatFollowsTheSnapshotsEntryStays() throws {
    let bench = try Bench()
    for i in 1...5 { _ = try bench.append("entry \(i)") }
    try bench.settle()
    _ = try bench.engine.restart(after: 4, of: bench.engine.terms.term(at: 4)!)
    try bench.settle()
    #expect(bench.engine.firstIndex == 5)
    #expect(bench.engine.lastIndex == 5)
  }

  @Test func aMarkIsKeptWithTermAndVote() throws {
    let bench = try Bench()
    _ = try bench.engine.save(HardState(term: 3, vote: 1))
    let mark = Mark(term: 3, mayHaveHeld: LogPosition(term: 3, index: 9))
    _ = try bench.engine.save(mark: mark)
    _ = try bench.engine.save(HardState(term: 4))
    try bench.settle()
    #expect(bench.engine.mark == mark)
    #expect(bench.engine.hardState == HardState(term: 4))
    _ = try bench.engine.save(mark: nil)
    try bench.settle()
    #expect(bench.engine.mark == nil)
    #expect(bench.engine.hardState == HardState(term: 4))
  }
}
