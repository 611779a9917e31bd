// TermTableTests: the table of runs answers as a plain list of terms would.

import LogFormat
import TestSupport
import Testing

/// The terms of a log, one an entry.
private struct TermList {
  var firstIndex: LogIndex = 1
  var previousTerm: Term = 0
  var terms: [Term] = []

  var lastIndex: LogIndex { firstIndex + LogIndex(terms.count) - 1 }
  var lastTerm: Term { terms.last ?? previousTerm }

  func term(at index: LogIndex) -> Term? {
    if index == firstIndex - 1 { return previousTerm }
    guard index >= firstIndex, index <= lastIndex else { return nil }
    return terms[Int(index - firstIndex)]
  }

  mutating func truncate(after index: LogIndex) {
    while lastIndex > index { terms.removeLast() }
  }

  mutating func compact(through index: LogIndex) {
    while firstIndex <= index, !terms.isEmpty {
      previousTerm = terms.removeFirst()
      firstIndex += 1
    }
  }

  /// The runs from `first` to the end.
  func runs(from first: LogIndex) -> [TermRun] {
    var runs: [TermRun] = []
    for (i, term) in terms.enumerated() {
      let index = firstIndex + LogIndex(i)
      guard index >= first, runs.last?.term != term else { continue }
      runs.append(TermRun(firstIndex: index, term: term))
    }
    return runs
  }
}

struct TermTableTests {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func aTableAgreesWithAList(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var list = TermList()
    if seed % 2 == 1 {
      list.firstIndex = 1 + generator.next() % 100
      list.previousTerm = generator.next() % 5
    }
    var table = TermTable(firstIndex: list.firstIndex, previousTerm: list.previousTerm)
    var compactions = 0
    var truncations = 0
    for _ in 0..<300 {
      switch generator.below(8) {
      case 0:
        let index = list.firstIndex - 1 + generator.next() % (LogIndex(list.terms.count) + 2)
        truncations += index < list.lastIndex ? 1 : 0
        table.truncate(after: index)
        list.truncate(after: index)
      case 1:
        guard !list.terms.isEmpty else { continue }
        let index = list.firstIndex - 1 + generator.next() % LogIndex(list.terms.count + 1)
        compactions += index >= list.firstIndex ? 1 : 0
        table.compact(through: index)
        list.compact(through: index)
      case 2:
        appendRuns(to: &table, and: &list, &generator)
      default:
        let term = list.lastTerm + Term(generator.below(3) == 0 ? generator.below(4) : 0)
        let count = 1 + generator.below(5)
        table.append(through: list.lastIndex + LogIndex(count), term: term)
        list.terms += [Term](repeating: term, count: count)
      }
      expectSame(table, list)
    }
    #expect(compactions > 5 && truncations > 5)
  }

  /// What a segment says of itself, part of which the table may know already.
  private func appendRuns(
    to table: inout TermTable, and list: inout TermList, _ generator: inout SeededGenerator
  ) {
    var longer = list
    for _ in 0..<generator.below(20) {
      longer.terms.append(longer.lastTerm + Term(generator.below(2)))
    }
    let known = LogIndex(generator.below(list.terms.count + 1))
    let runs = longer.runs(from: list.lastIndex + 1 - known)
    table.append(runs, through: longer.lastIndex)
    list = longer
  }

  private func expectSame(_ table: TermTable, _ list: TermList) {
    #expect(table.firstIndex == list.firstIndex)
    #expect(table.lastIndex == list.lastIndex)
    #expect(table.lastTerm == list.lastTerm)
    #expect(table.previousTerm == list.previousTerm)
    #expect(table.runs == list.runs(from: list.firstIndex))
    let low = list.firstIndex > 2 ? list.firstIndex - 2 : 0
    let wrong = (low...list.lastIndex + 2).filter { table.term(at: $0) != list.term(at: $0) }
    #expect(wrong == [])
  }

  @Test func theIndexBeforeTheFirstIsKnown() {
    var table = TermTable(firstIndex: 10, previousTerm: 4)
    #expect(table.term(at: 9) == 4)
    #expect(table.term(at: 8) == nil && table.term(at: 10) == nil)
    #expect(table.lastTerm == 4 && table.lastIndex == 9)
    table.append(through: 12, term: 4)
    #expect(table.term(at: 12) == 4 && table.term(at: 13) == nil)
    table.truncate(after: 9)
    #expect(table.runs == [] && table.lastTerm == 4)
  }

  @Test func compactingEverythingKeepsTheLastTerm() {
    var table = TermTable(firstIndex: 1, previousTerm: 0)
    table.append(through: 5, term: 3)
    table.compact(through: 5)
    #expect(table.firstIndex == 6 && table.lastIndex == 5)
    #expect(table.term(at: 5) == 3 && table.term(at: 4) == nil)
    table.append(through: 6, term: 3)
    #expect(table.runs == [TermRun(firstIndex: 6, term: 3)])
  }

  @Test func whatTheLogDoesNotHoldIsNotCompacted() {
    var table = TermTable(firstIndex: 5, previousTerm: 1)
    table.append(through: 9, term: 2)
    let before = table
    table.compact(through: 4)
    #expect(table == before)
  }
}
