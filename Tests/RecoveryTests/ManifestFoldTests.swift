// ManifestFoldTests: edits drawn from a seed are taken or refused one by one as the state itself would,
// and add up to the same.

import ByteBuffers
import LogFormat
import Simulation
import StorageIO
import TestSupport
import Testing

import Recovery

@Suite struct ManifestFoldTests {
  private static let group = SegmentFixture.group
  private static let incarnation = UID(high: 9, low: 9)

  private func record(
    _ number: UInt64, _ first: LogIndex, _ term: Term
  ) -> SegmentRecord {
    SegmentRecord(
      header: SegmentFixture.header(
        firstIndex: first, previousTerm: term, salt: number % 5, sequence: number % 20 + 1),
      capacity: 1 << 16)
  }

  private func end(_ record: SegmentRecord, _ index: LogIndex, _ term: Term) -> SegmentEnd {
    SegmentEnd(
      ordinal: 1, offset: 8192, index: index, term: term, checksum: 1,
      termRuns: index < record.firstIndex
        ? [] : [TermRun(firstIndex: record.firstIndex, term: term)])
  }

  /// Mostly what a writer does, and now and then anything else.
  private func change(
    _ state: ManifestState, _ number: UInt64, _ generator: inout SeededGenerator
  ) -> [ManifestChange] {
    let some = state.segments.isEmpty ? nil : state.segments[generator.below(state.segments.count)]
    let name = state.dropped.isEmpty ? nil : state.dropped[generator.below(state.dropped.count)]
    switch generator.below(12) {
    case 0...5:
      guard let last = state.segments.last else { return [.added(record(number, 1, 0))] }
      let index = last.previousIndex + LogIndex(generator.below(4))
      let term = last.previousTerm + (index < last.firstIndex ? 0 : Term(generator.below(2)))
      return [
        .ended(last.uid, end(last, index, term), isCut: generator.below(2) == 0),
        .added(record(number, index + 1, term)),
      ]
    case 6:
      guard let first = state.segments.first else { return [] }
      var changes: [ManifestChange] = []
      if let end = first.end { changes.append(.first(end.index + 1, previousTerm: end.term)) }
      return changes + [.dropped(first.uid)]
    case 7: return some.map { [.dropped($0.uid)] } ?? []
    case 8:
      return name.map { [.forgotten($0)] } ?? [
        .droppedName(SegmentName(sequence: 3, firstIndex: 1))
      ]
    case 9: return some.map { [.sealed($0.uid, SegmentSeal(size: 9000, digest: 1))] } ?? []
    case 10:
      return some.map { [.closed($0.uid, ordinal: 3), .opened(Boot(counter: 1, random: 2))] } ?? []
    default:
      return some.map { [.ended($0.uid, end($0, $0.previousIndex + 1, 2), isCut: true)] } ?? []
    }
  }

  @Test(arguments: 0..<24 as Range<UInt64>)
  func aFoldAgreesWithTheState(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var state = ManifestState(group: Self.group, incarnation: Self.incarnation)
    var edits: [ManifestEdit] = []
    var refused = 0
    for number in 1...300 as ClosedRange<UInt64> {
      var after = state
      var changes = change(after, number, &generator)
      if generator.below(4) == 0 { changes += change(after, number + 7, &generator) }
      let edit = ManifestEdit(number: number, changes: changes)
      var isTaken = true
      do {
        for change in changes { try after.apply(change) }
        try after.validate()
      } catch {
        isTaken = false
        refused += 1
      }
      // Each is tried behind those that were taken before.
      var fold = ManifestFold(group: Self.group, incarnation: Self.incarnation)
      for edit in edits { try fold.apply(edit) }
      do {
        try fold.apply(edit)
        #expect(isTaken, "edit \(number) of seed \(seed)")
        #expect(fold.state == after, "edit \(number) of seed \(seed)")
      } catch {
        #expect(!isTaken, "edit \(number) of seed \(seed): \(error)")
      }
      guard isTaken else { continue }
      // What was taken can be written whole, and says the same: an opening rewrites manifests.
      let image = ManifestImage(state: after, number: number, room: 4096)
      #expect(try ManifestCopy.scan(image.bytes).state == after, "edit \(number) of seed \(seed)")
      state = after
      edits.append(edit)
    }
    #expect(refused > 5 && edits.count > 50)
  }

  /// What comes before an edit that is refused halfway is not changed by it.
  @Test func halfAnEditLeavesNothing() throws {
    var state = ManifestState(group: Self.group, incarnation: Self.incarnation)
    state.segments = [record(1, 1, 0)]
    let image = ManifestImage(state: state, number: 5, room: 4096)
    let wrong = ManifestEdit(
      number: 6,
      changes: [.opened(Boot(counter: 4, random: 4)), .dropped(UID(high: 77, low: 77))]
    ).encoded(previousChecksum: image.checksum)
    var writer = ByteWriter(capacity: image.bytes.count)
    writer.bytes(image.bytes[0..<image.end].span)
    writer.bytes(wrong.bytes.span)
    let scan = try ManifestCopy.scan(writer.finish())
    #expect(scan.state == state && scan.number == 5 && !scan.isClean)
  }
}
