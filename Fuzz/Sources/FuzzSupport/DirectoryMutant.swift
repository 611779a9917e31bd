// DirectoryMutant: a sample's directory, and what disks, people and bugs do to it.
//
//   a record: offset size
//                  0    1  what happens (see `Event`)
//                  1    1  to which file
//                  2    3  `place`: where
//                  5    3  `detail`: how
//
// What must always hold: batches are damaged, moved and repeated, but never forged: a payload that
// is read was written. Everything around them (headers, frames, footers, manifests, votes) is
// forged with the right checksums too.

import ByteBuffers
import LogFormat
import LogStorage
package import Simulation

package struct DirectoryMutant {
  /// Bytes before the records; the first names the sample.
  package static let front = 2
  package static let recordBytes = 8

  private enum Event: UInt8, CaseIterable {
    // What disks do.
    case flip, zeroSector, garbageSector, truncate, misdirect, copyPage, swapPages, badSector
    // What people and other programs do.
    case extend, remove, rename, duplicate, exchange, restore
    // What bugs do.
    case forge, forgeMore
  }

  package private(set) var files: [SampleFile]
  package private(set) var faults: [SimulatedFault] = []
  /// True while nothing happened but what a disk may do to a file or two: then the log must say so.
  package private(set) var isPlainRot = true
  private var flips = 0
  private var wipes = 0
  private var moves = 0
  private var hitManifests: Set<String> = []

  /// What an input makes of the sample that it names; nil for one that is too short.
  package init?(_ input: [UInt8]) {
    guard input.count >= Self.front else { return nil }
    files = SampleDirectory.chosen(by: input[0]).files
    let starts = stride(
      from: Self.front, through: input.count - Self.recordBytes, by: Self.recordBytes)
    for start in starts { apply(Array(input[start..<start + Self.recordBytes])) }
  }

  /// A disk that holds this directory, and fails where it is bad.
  package func disk() -> SimulatedDisk {
    let disk = SampleDirectory.disk(files)
    disk.faults = faults
    return disk
  }

  private mutating func apply(_ record: [UInt8]) {
    guard !files.isEmpty else { return }
    let event = Event.allCases[Int(record[0]) % Event.allCases.count]
    let file = Int(record[1]) % files.count
    let place = Int(record[2]) | Int(record[3]) << 8 | Int(record[4]) << 16
    let detail = Array(record[5...])
    note(event, file)
    defer { isPlainRot = isPlainRot && !isTooMuch }
    switch event {
    case .flip, .zeroSector, .garbageSector, .truncate: rot(event, file, place, detail)
    case .misdirect: misdirect(file, place, from: Int(detail[0]) % files.count)
    case .copyPage, .swapPages:
      let other = detail[2] & 1 == 0 ? file : Int(detail[0]) % files.count
      movePage(file, place & 0xFFF, from: other, place >> 12, swaps: event == .swapPages)
    case .badSector:
      let sectors = max(files[file].bytes.count / Layout.sector, 1)
      faults.append(.unreadable(file: files[file].name, sector: place % sectors))
    case .extend:
      let tail = Array(repeating: detail[0], count: place % (2 * Layout.page))
      edit(file) { $0 += tail }
    case .remove: files.remove(at: file)
    case .rename: move(file, to: name(detail), keepsOld: false)
    case .duplicate: move(file, to: name(detail), keepsOld: true)
    case .exchange:
      let other = Int(detail[0]) % files.count
      let bytes = files[file].bytes
      files[file].bytes = files[other].bytes
      files[other].bytes = bytes
    case .restore:
      // A copy from another moment, or from another log.
      let sample = SampleDirectory.chosen(by: detail[0])
      let source = sample.files[place % sample.files.count]
      put(source, as: detail[1] & 1 == 0 ? source.name : files[file].name)
    case .forge, .forgeMore: forge(file, place, detail)
    }
  }

  /// Keeps count of what happened. A few wipes can take a whole frame or edit away without a trace,
  /// and so can damage to both copies of the manifest: no log can tell.
  private mutating func note(_ event: Event, _ file: Int) {
    switch event {
    case .flip: flips += 1
    case .zeroSector, .garbageSector, .truncate: wipes += 1
    case .copyPage, .swapPages: moves += 1
    default: isPlainRot = false
    }
    noteHit(file)
  }

  private mutating func noteHit(_ file: Int) {
    if files[file].isManifest { hitManifests.insert(files[file].name) }
  }

  private var isTooMuch: Bool { flips > 8 || wipes > 3 || moves > 2 || hitManifests.count > 1 }

  private mutating func edit(_ file: Int, _ body: (inout [UInt8]) -> Void) {
    var bytes = files[file].bytes.array
    body(&bytes)
    files[file].bytes = Bytes(bytes)
  }

  // MARK: Disks

  private mutating func rot(_ event: Event, _ file: Int, _ place: Int, _ detail: [UInt8]) {
    edit(file) { bytes in
      if event == .truncate {
        return bytes.removeLast(bytes.count - place % (bytes.count + 1))
      }
      guard !bytes.isEmpty else { return }
      if event == .flip {
        return bytes[place % bytes.count] ^= 1 << (detail[0] & 7)
      }
      var random = SplitMix64(seed: UInt64(detail[0]))
      for i in Self.sector(place, of: bytes) {
        bytes[i] = event == .zeroSector ? 0 : UInt8(truncatingIfNeeded: random.next())
      }
    }
  }

  private static func sector(_ number: Int, of bytes: [UInt8]) -> Range<Int> {
    let sectors = (bytes.count + Layout.sector - 1) / Layout.sector
    let start = number % max(sectors, 1) * Layout.sector
    return start..<min(start + Layout.sector, bytes.count)
  }

  /// A sector of one file is written to another one.
  private mutating func misdirect(_ file: Int, _ place: Int, from other: Int) {
    let source = files[other].bytes.array
    let sector = Array(source[Self.sector(place >> 8, of: source)])
    edit(file) { bytes in
      for (i, value) in zip(Self.sector(place & 0xFF, of: bytes), sector) { bytes[i] = value }
    }
  }

  /// A page is written to the place of another one, as a device does that misdirects a write, or the
  /// two change places.
  private mutating func movePage(
    _ file: Int, _ target: Int, from other: Int, _ source: Int, swaps: Bool
  ) {
    guard let to = Self.page(target, of: files[file]),
      let from = Self.page(source, of: files[other])
    else { return }
    let moved = files[other].bytes[from]
    let replaced = files[file].bytes[to]
    put(moved, at: to, file)
    guard swaps else { return }
    noteHit(other)
    put(replaced, at: from, other)
  }

  private mutating func put(_ page: Bytes, at range: Range<Int>, _ file: Int) {
    // Zeros in the place of the last batch are what a write leaves that a power cut interrupted:
    // nothing tells the two apart.
    if Self.hasBlankSector(page) { isPlainRot = false }
    edit(file) { $0.replaceSubrange(range, with: page.array) }
  }

  /// Where a page lies in a file that has any.
  private static func page(_ number: Int, of file: SampleFile) -> Range<Int>? {
    let pages = file.bytes.count / Layout.page
    guard pages > 0 else { return nil }
    let start = number % pages * Layout.page
    return start..<start + Layout.page
  }

  private static func hasBlankSector(_ page: Bytes) -> Bool {
    let bytes = page.array
    return stride(from: 0, to: bytes.count, by: Layout.sector).contains { start in
      bytes[start..<start + Layout.sector].allSatisfy { $0 == 0 }
    }
  }

  // MARK: People

  private func name(_ detail: [UInt8]) -> String {
    switch detail[0] % 8 {
    case 0: SegmentName(sequence: UInt64(detail[1]), firstIndex: UInt64(detail[2])).description
    case 1: SegmentName(sequence: .max - UInt64(detail[1] & 1), firstIndex: 1).description
    case 2: SegmentName(sequence: 1, firstIndex: .max - UInt64(detail[1] & 1)).description
    case 3: "spare-\(detail[1])"
    case 4: ManifestHeader.temporaryName
    case 5: "notes.txt"
    case 6: "reserve"
    default: files[Int(detail[1]) % files.count].name
    }
  }

  private mutating func move(_ file: Int, to name: String, keepsOld: Bool) {
    let moved = files[file]
    if !keepsOld { files.remove(at: file) }
    put(moved, as: name)
  }

  private mutating func put(_ file: SampleFile, as name: String) {
    files.removeAll { $0.name == name }
    files.append(SampleFile(name: name, bytes: file.bytes))
  }

  // MARK: Bugs

  /// Changes a field and makes the checksums right again.
  private mutating func forge(_ file: Int, _ place: Int, _ detail: [UInt8]) {
    let kind = files[file]
    edit(file) { bytes in
      let repairs: Repairs =
        detail[2] & 0x80 == 0 ? .outsideBatches : .outsideBatches.subtracting([.chain, .numbers])
      if kind.isSegment {
        let patch = SegmentPatch(bytes)
        Self.change(patch.outsideBatches(bytes), place, detail, &bytes)
        patch.repair(&bytes, repairs.subtracting(.numbers))
      } else if kind.isManifest {
        let patch = ManifestPatch(bytes)
        Self.change(patch.parts(bytes), place, detail, &bytes)
        patch.repair(&bytes, repairs)
      } else if kind.isVote {
        Self.change([0..<min(VotePatch.fieldBytes, bytes.count)], place, detail, &bytes)
        VotePatch.repair(&bytes, repairs)
      }
    }
  }

  /// Changes an integer of 1, 2, 4 or 8 bytes in one of `parts`.
  private static func change(
    _ parts: [Range<Int>], _ place: Int, _ detail: [UInt8], _ bytes: inout [UInt8]
  ) {
    guard !parts.isEmpty else { return }
    let part = parts[place & 0xFF % parts.count]
    guard !part.isEmpty else { return }
    let offset = part.lowerBound + (place >> 8) % part.count
    // Never past the part: what lies there may be a batch.
    let width = min(1 << Int(detail[0] & 3), part.upperBound - offset)
    var value: UInt64 = 0
    for i in 0..<width { value |= UInt64(bytes[offset + i]) << UInt64(i * 8) }
    value = forged(value, detail[0] >> 2, UInt64(detail[1]))
    for i in 0..<width { bytes[offset + i] = UInt8(truncatingIfNeeded: value >> UInt64(i * 8)) }
  }

  private static func forged(_ value: UInt64, _ how: UInt8, _ operand: UInt64) -> UInt64 {
    switch how % 8 {
    case 0: operand
    case 1: 0
    case 2: .max
    case 3: value &+ 1
    case 4: value &- 1
    case 5: value &+ operand
    case 6: value ^ 1 << (operand % 64)
    default: 1 << (operand % 64)
    }
  }

  // MARK: Seeds

  /// Each sample as it is, and with each thing done to one of its files.
  package static func seeds() -> [SeedCorpus.Seed] {
    var seeds: [SeedCorpus.Seed] = []
    for (i, sample) in SampleDirectory.all.enumerated() {
      seeds.append((sample.name, [UInt8(i), 0]))
      for event in Event.allCases {
        let file = (i + Int(event.rawValue)) % sample.files.count
        let place = [UInt8(i * 37 & 0xFF), 17, 0]
        let record = [event.rawValue, UInt8(file)] + place + [UInt8(file), 1, 0]
        seeds.append(("\(sample.name)-\(event)", [UInt8(i), 0] + record))
      }
    }
    return seeds
  }
}
