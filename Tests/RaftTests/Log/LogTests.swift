// LogTests: what the core knows of its log, held against the plainest way to know it.

import LogFormat
import Raft
import TestSupport
import Testing

@Suite struct LogTests {
  /// A log of a few terms, as a table and as an array from index 1.
  private func log(
    _ random: inout SplitMix64, compacted: Int = 0
  ) -> (table: TermTable, terms: [Term]) {
    var terms: [Term] = []
    var term: Term = 1
    for _ in 0..<random.next() % 20 {
      if random.next() % 3 == 0 { term += 1 + random.next() % 3 }
      terms.append(term)
    }
    var table = TermTable(firstIndex: 1, previousTerm: 0)
    for term in terms { table.append(through: table.lastIndex + 1, term: term) }
    table.compact(through: LogIndex(min(compacted, terms.count)))
    return (table, terms)
  }

  private func slice(of terms: ArraySlice<Term>) -> LogSlice? {
    guard !terms.isEmpty else { return nil }
    let first = LogIndex(terms.startIndex) + 1
    var runs: [TermRun] = []
    for (i, term) in zip(terms.indices, terms) where runs.last?.term != term {
      runs.append(TermRun(firstIndex: LogIndex(i) + 1, term: term))
    }
    return LogSlice(first...LogIndex(terms.endIndex), runs: runs, bytes: 1)
  }

  @Test func whereLogsPartIsWhereArraysDo() throws {
    var random = SplitMix64(seed: 1)
    for _ in 0..<20_000 {
      let compacted = Int(random.next() % 5)
      let (table, ours) = log(&random, compacted: compacted)
      let (_, theirs) = log(&random)
      let from = max(Int(table.firstIndex) - 1, Int(random.next() % 6))
      guard from < theirs.count, let slice = slice(of: theirs[from...]) else { continue }
      let expected = (from..<theirs.count).first { $0 >= ours.count || ours[$0] != theirs[$0] }
      #expect(table.firstDifference(from: slice) == expected.map { LogIndex($0) + 1 })
    }
  }

  @Test func theLastCommonPositionIsFound() {
    var random = SplitMix64(seed: 2)
    for _ in 0..<20_000 {
      let (table, terms) = log(&random, compacted: Int(random.next() % 5))
      let index = LogIndex(random.next() % 25)
      let term = random.next() % 8
      let found = table.lastPosition(upTo: index, termAtMost: term)
      let first = Int(table.firstIndex)
      let expected = (first..<max(first, terms.count + 1)).last {
        $0 <= index && terms[$0 - 1] <= term
      }
      #expect(found.index == expected.map(LogIndex.init) ?? table.firstIndex - 1)
      #expect(found.term == table.term(at: found.index))
    }
  }

  @Test func termsOfARangeAreThoseOfItsEntries() {
    var random = SplitMix64(seed: 3)
    for _ in 0..<5000 {
      let (table, terms) = log(&random)
      guard !terms.isEmpty else { continue }
      let first = LogIndex(random.next() % UInt64(terms.count)) + 1
      let last = first + random.next() % (LogIndex(terms.count) - first + 1)
      let expected = slice(of: terms[Int(first) - 1..<Int(last)])
      #expect(table.runs(in: first...last) == expected?.runs)
    }
  }

  @Test func aSliceThatNoLogHasIsRefused() {
    let run = TermRun(firstIndex: 5, term: 2)
    #expect(LogSlice(5...6, runs: [run], bytes: 1) != nil)
    #expect(LogSlice(5...6, runs: [], bytes: 1) == nil)
    #expect(LogSlice(4...6, runs: [run], bytes: 1) == nil)
    #expect(LogSlice(5...6, runs: [run], bytes: -1) == nil)
    #expect(LogSlice(0...6, runs: [TermRun(firstIndex: 0, term: 2)], bytes: 1) == nil)
    #expect(LogSlice(5...6, runs: [run, TermRun(firstIndex: 6, term: 2)], bytes: 1) == nil)
    #expect(LogSlice(5...6, runs: [run, TermRun(firstIndex: 7, term: 3)], bytes: 1) == nil)
    let outside = ConfigurationEntry(index: 7, configuration: Configuration())
    #expect(LogSlice(5...6, runs: [run], bytes: 1, configurations: [outside]) == nil)
  }

  /// The sizes of the newest batches, against an array of them.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func theTailIsAnArrayOfBatches(_ seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var tail = Tail(after: 10)
    var batches: [(first: LogIndex, last: LogIndex, bytes: Int)] = []
    var last: LogIndex = 10
    for _ in 0..<400 {
      switch random.next() % 8 {
      case 0:
        let cut = last - min(random.next() % 6, last - 10)
        tail.truncate(after: cut)
        while let batch = batches.last, batch.first > cut { batches.removeLast() }
        if let batch = batches.last, batch.last > cut { batches[batches.count - 1].last = cut }
        last = min(last, cut)
      case 1:
        tail.trim(to: 300)
        while batches.count > 1, batches.reduce(0, { $0 + $1.bytes }) > 300 {
          batches.removeFirst()
        }
      case 2:
        let through = last - min(random.next() % 10, last - 10)
        tail.compact(through: through)
        while let batch = batches.first, batch.last <= through { batches.removeFirst() }
      default:
        let count = 1 + random.next() % 4
        let bytes = Int(random.next() % 100)
        tail.append(through: last + count, bytes: bytes)
        batches.append((last + 1, last + count, bytes))
        last += count
      }
      #expect(tail.lastIndex == last)
      #expect(tail.bytes == batches.reduce(0) { $0 + $1.bytes })
      for index in (batches.first?.first ?? last + 1)..<last + 1 {
        let i = batches.firstIndex { $0.last >= index }!
        var end = i
        var bytes = batches[i].bytes
        while end + 1 < batches.count, bytes + batches[end + 1].bytes <= 150 {
          end += 1
          bytes += batches[end].bytes
        }
        let found = tail.batches(from: index, bytesMax: 150)
        #expect(found?.last == batches[end].last && found?.bytes == bytes)
      }
      #expect(tail.batches(from: last + 1, bytesMax: 150) == nil)
      if let first = batches.first, first.first > 11 {
        #expect(tail.batches(from: first.first - 1, bytesMax: 150) == nil)
      }
    }
  }

  /// A late notice confirms nothing that is gone (ra#516).
  @Test func aWriteConfirmsWhatIsLeftOfIt() {
    var writes = PendingWrites()
    let first = writes.begin(last: 10, at: .zero)
    let vote = writes.begin(last: nil, at: .zero)
    #expect(writes.hardState == vote && writes.write(covering: 9) == first)
    writes.truncate(after: 7)
    let second = writes.begin(last: 9, at: .milliseconds(5))
    #expect(writes.write(covering: 8) == second && writes.write(covering: 7) == first)
    #expect(writes.finish(first, at: .milliseconds(7)) == (true, 7))
    #expect(writes.hardState == vote && writes.oldestSince == .zero)
    #expect(writes.finish(second, at: .milliseconds(9)) == (true, 9))
    #expect(writes.isEmpty && writes.hardState == nil)
    #expect(writes.finish(second, at: .milliseconds(9)).isKnown == false)
    #expect(writes.finish(WriteID(rawValue: 99), at: .zero).isKnown == false)
    #expect(writes.recentTime == .microseconds(7875))
  }

  /// What is on its way, against an array of messages.
  @Test func theWindowIsTheSumOfItsMessages() {
    var random = SplitMix64(seed: 4)
    var options = RaftOptions()
    options.inflightMessagesMax = 20
    options.inflightBytesMax = 500
    var window = Inflights()
    var messages: [(last: LogIndex, bytes: Int)] = []
    var last: LogIndex = 0
    for _ in 0..<20_000 {
      if let room = window.room(options) {
        #expect(messages.count < 20 && room == 500 - messages.reduce(0) { $0 + $1.bytes })
        last += 1 + random.next() % 3
        let bytes = Int(random.next() % 100)
        window.add(last: last, bytes: bytes)
        messages.append((last, bytes))
      }
      if random.next() % 4 == 0 {
        let through = last - min(last, random.next() % 30)
        window.free(through: through)
        messages.removeAll { $0.last <= through }
      }
      if random.next() % 500 == 0 {
        window.removeAll()
        messages = []
      }
      #expect(window.count == messages.count && window.isEmpty == messages.isEmpty)
      #expect(window.bytes == messages.reduce(0) { $0 + $1.bytes })
    }
  }
}
