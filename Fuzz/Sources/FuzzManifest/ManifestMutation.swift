// ManifestMutation: changes manifest copies edit by edit and field by field, then mends their
// checksums.

import ByteBuffers
import FuzzSupport
import LogFormat

extension Mutation {
  mutating func mutateManifests() {
    if oneIn(12) { return mutateAll() }
    guard var input = ManifestInput(bytes) else { return mutateAll() }
    let i = below(2)
    switch below(10) {
    case 0: input.sampleByte = byte()
    case 1: input.flags = byte()
    case 2: input.copies[i] = input.copies[1 - i]
    case 3: input.copies[i].removeLast(below(input.copies[i].count))
    case 4, 5: mutateBytes(&input.copies[i])
    default: mutateEdits(&input.copies[i])
    }
    let repairs = Repairs.drawn(using: &random)
    for i in 0..<2 { ManifestPatch(input.copies[i]).repair(&input.copies[i], repairs) }
    bytes = input.encoded
  }

  private mutating func mutateBytes(_ copy: inout [UInt8]) {
    guard let part = pick(ManifestPatch(copy).parts(copy)) else { return }
    swap(&bytes, &copy)
    mutate(part)
    swap(&bytes, &copy)
  }

  // MARK: Edits

  private mutating func mutateEdits(_ copy: inout [UInt8]) {
    guard copy.count >= Layout.manifestHeader else { return }
    let header = Array(copy[..<Layout.manifestHeader])
    var edits = Self.edits(of: copy)
    guard !edits.isEmpty else { return }
    let at = below(edits.count)
    switch below(8) {
    case 0: edits.remove(at: at)
    case 1: edits.insert(edits[at], at: below(edits.count))
    case 2: edits.swapAt(at, below(edits.count))
    case 3: edits[at].number = twisted(edits[at].number)
    default: mutateChanges(&edits[at].changes, from: edits.flatMap(\.changes))
    }
    copy = header
    var chain = copy.u32(at: 8)
    for edit in edits {
      let written = edit.encoded(previousChecksum: chain)
      chain = written.checksum
      copy += written.bytes.array
    }
    let room = Layout.pages(copy.count + Layout.sector) - copy.count
    copy += Array(repeating: 0, count: room)
  }

  private static func edits(of copy: [UInt8]) -> [ManifestEdit] {
    let bytes = Bytes(copy)
    var edits: [ManifestEdit] = []
    var offset = Layout.manifestHeader
    while offset < bytes.count,
      let next = try? ManifestEdit.decode(bytes[offset..<bytes.count].span)
    {
      edits.append(next.edit)
      offset = min(offset + next.extent, bytes.count)
    }
    return edits
  }

  private mutating func mutateChanges(
    _ changes: inout [ManifestChange], from all: [ManifestChange]
  ) {
    guard let other = pick(all) else { return }
    guard !changes.isEmpty else { return changes.append(other) }
    let at = below(changes.count)
    switch below(6) {
    case 0: changes.remove(at: at)
    case 1: changes.insert(other, at: at)
    case 2: changes.swapAt(at, below(changes.count))
    case 3: changes.append(related(to: other))
    default: changes[at] = twisted(changes[at])
    }
  }

  /// Another change about what this one is about.
  private mutating func related(to change: ManifestChange) -> ManifestChange {
    guard case .added(let record) = change else { return twisted(change) }
    switch below(5) {
    case 0: return .dropped(record.uid)
    case 1: return .closed(record.uid, ordinal: UInt32(below(8)))
    case 2:
      return .sealed(record.uid, SegmentSeal(size: below(1 << 16), digest: record.headerChecksum))
    case 3:
      let end = SegmentEnd(
        ordinal: UInt32(below(8)), offset: below(8) * Layout.page,
        index: record.previousIndex &+ UInt64(below(4)), term: record.previousTerm,
        checksum: record.headerChecksum, termRuns: [])
      return .ended(record.uid, end, isCut: oneIn(2))
    default:
      return .first(record.firstIndex, previousTerm: record.previousTerm)
    }
  }

  // MARK: Fields

  private mutating func twisted(_ value: UInt64) -> UInt64 {
    switch below(8) {
    case 0: 0
    case 1: 1
    case 2: .max
    case 3: 1 << UInt64(below(64))
    case 4: value &+ 1
    case 5: value &- 1
    case 6: value ^ 1 << UInt64(below(64))
    default: UInt64(below(64))
    }
  }

  private mutating func twisted(_ value: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: twisted(UInt64(value)))
  }

  /// A size that can be encoded, if not decoded.
  private mutating func twisted(_ value: Int) -> Int {
    Int(truncatingIfNeeded: twisted(UInt64(value)) & UInt64(Int.max))
  }

  private mutating func twisted(_ uid: UID) -> UID {
    UID(high: uid.high, low: twisted(uid.low))
  }

  private mutating func twisted(_ name: SegmentName) -> SegmentName {
    oneIn(2)
      ? SegmentName(sequence: twisted(name.sequence), firstIndex: name.firstIndex)
      : SegmentName(sequence: name.sequence, firstIndex: twisted(name.firstIndex))
  }

  private mutating func twisted(_ change: ManifestChange) -> ManifestChange {
    switch change {
    case .identity(let group, let incarnation):
      oneIn(2)
        ? .identity(group: twisted(group), incarnation: incarnation)
        : .identity(group: group, incarnation: twisted(incarnation))
    case .opened(let boot):
      .opened(Boot(counter: twisted(boot.counter), random: boot.random))
    case .closed(let uid, let ordinal): .closed(uid, ordinal: twisted(ordinal))
    case .added(let record): .added(twisted(record))
    case .ended(let uid, let end, let isCut):
      .ended(uid, twisted(end), isCut: oneIn(8) ? !isCut : isCut)
    case .sealed(let uid, let seal): .sealed(uid, twisted(seal))
    case .first(let index, let term):
      oneIn(3)
        ? .first(index, previousTerm: twisted(term)) : .first(twisted(index), previousTerm: term)
    case .dropped(let uid): .dropped(twisted(uid))
    case .droppedName(let name): .droppedName(twisted(name))
    case .forgotten(let name): .forgotten(twisted(name))
    }
  }

  private mutating func twisted(_ seal: SegmentSeal) -> SegmentSeal {
    var seal = seal
    if oneIn(2) { seal.size = twisted(seal.size) } else { seal.digest = twisted(seal.digest) }
    return seal
  }

  private mutating func twisted(_ end: SegmentEnd) -> SegmentEnd {
    var end = end
    switch below(7) {
    case 0: end.ordinal = twisted(end.ordinal)
    case 1: end.offset = twisted(end.offset)
    case 2: end.index = twisted(end.index)
    case 3: end.term = twisted(end.term)
    case 4: end.checksum = twisted(end.checksum)
    case 5 where !end.termRuns.isEmpty: end.termRuns.remove(at: below(end.termRuns.count))
    default:
      let run = pick(end.termRuns) ?? TermRun(firstIndex: end.index, term: end.term)
      end.termRuns.insert(
        TermRun(firstIndex: twisted(run.firstIndex), term: twisted(run.term)),
        at: below(end.termRuns.count + 1))
    }
    return end
  }

  private mutating func twisted(_ record: SegmentRecord) -> SegmentRecord {
    var record = record
    switch below(12) {
    case 0: record.uid = twisted(record.uid)
    case 1: record.sequence = twisted(record.sequence)
    case 2: record.salt = twisted(record.salt)
    case 3: record.firstIndex = twisted(record.firstIndex)
    case 4: record.previousTerm = twisted(record.previousTerm)
    case 5: record.headerChecksum = twisted(record.headerChecksum)
    case 6: record.purpose = pick(SegmentPurpose.allCases) ?? .roll
    case 7: record.capacity = twisted(record.capacity)
    case 8: record.durableThrough = twisted(record.durableThrough)
    case 9: record.end = record.end.map { twisted($0) }
    case 10: record.seal = record.seal.map { twisted($0) }
    default: record.isCut.toggle()
    }
    return record
  }
}
