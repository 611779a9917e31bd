// CrashImages: everything that a crash may leave of a DiskState, or a fair sample of it.
//
// The model (Durability.md states it): a sector is written whole or not at all; of what was not
// synced any subset may have arrived, and a sector that was being written may read as zeros or, on a
// worse disk, as garbage; sizes may be old or new; directory changes arrive in order, or on a weak
// file system any subset of them.

import LogFormat

/// What a crash made of something that was not synced: each has to be met by an exploration.
public enum CrashFate: String, Sendable, CaseIterable {
  /// A sector arrived.
  case kept
  /// A sector did not: it is what it was.
  case dropped
  /// A sector was being written and reads as zeros.
  case zero
  /// A sector was being written and reads as what nobody wrote.
  case garbage
  /// Of one file some sectors arrived, and others did not.
  case torn
  /// A file has the size that it had at its last sync.
  case oldSize
  /// Changes of the directory did not arrive, not all of them.
  case oldEntries
}

/// How a crash treats directory changes that were not synced.
enum DirectoryModel: Sendable {
  case ordered, weak
}

struct CrashImages {
  let state: DiskState
  let directory: DirectoryModel
  /// Also leaves garbage in sectors that were being written.
  let garbage: Bool
  /// Up to this many pending things every subset is tried.
  var exhaustiveMax = 8

  /// One sector of one file that may be old or new.
  private struct Item {
    var inode: Int
    var sector: Int
  }

  /// What becomes of an item.
  private enum Fate {
    case old, new, zero, garbage

    var mark: CrashFate {
      switch self {
      case .old: .dropped
      case .new: .kept
      case .zero: .zero
      case .garbage: .garbage
      }
    }
  }

  /// Calls `body` with each image, until it returns false.
  func forEach(using random: inout SplitMix64, _ body: (DiskImage) -> Bool) {
    let items = pendingItems
    let sizes = pendingSizes
    for entries in entryChoices(using: &random) {
      for fates in fateChoices(items, using: &random) {
        // Sizes: all new, or (where they differ) all old.
        guard body(image(entries, items, fates, oldSizes: [])) else { return }
        guard sizes.isEmpty || body(image(entries, items, fates, oldSizes: sizes)) else { return }
      }
    }
  }

  /// One of the images, drawn.
  func draw(using random: inout SplitMix64) -> DiskImage {
    let items = pendingItems
    let entries = entryChoices(using: &random)
    let fates = fateChoices(items, using: &random)
    let sizes = random.next() & 1 == 0 ? pendingSizes : []
    return image(
      entries[Int(random.next() % UInt64(entries.count))], items,
      fates[Int(random.next() % UInt64(fates.count))], oldSizes: sizes)
  }

  private var pendingItems: [Item] {
    state.inodes.enumerated().flatMap { inode, content in
      content.pending.map { Item(inode: inode, sector: $0) }
    }
  }

  /// Files whose size a crash may take back.
  private var pendingSizes: Set<Int> {
    Set(
      state.inodes.indices.filter {
        state.inodes[$0].content.count != state.inodes[$0].durable.count
      })
  }

  private func entryChoices(using random: inout SplitMix64) -> [[String: Int]] {
    let pending = state.pendingEntries
    var choices: [[String: Int]] = []
    switch directory {
    case .ordered:
      var entries = state.durableEntries
      choices.append(entries)
      for change in pending {
        change.apply(to: &entries)
        choices.append(entries)
      }
    case .weak:
      let all = 1 << min(pending.count, 5)
      for mask in 0..<all {
        var entries = state.durableEntries
        for (i, change) in pending.enumerated() {
          let arrives = i < 5 ? mask & (1 << i) != 0 : random.next() & 1 == 0
          if arrives { change.apply(to: &entries) }
        }
        choices.append(entries)
      }
    }
    return choices
  }

  private func fateChoices(_ items: [Item], using random: inout SplitMix64) -> [[Fate]] {
    let count = items.count
    var choices: [[Fate]] = []
    if count <= exhaustiveMax {
      for mask in 0..<(1 << count) {
        choices.append((0..<count).map { mask & (1 << $0) != 0 ? .new : .old })
      }
    } else {
      choices.append(Array(repeating: .old, count: count))
      choices.append(Array(repeating: .new, count: count))
      for i in 0..<count {
        choices.append((0..<count).map { $0 < i ? .new : .old })
        choices.append((0..<count).map { $0 == i ? .old : .new })
        choices.append((0..<count).map { $0 == i ? .new : .old })
      }
      for _ in 0..<8 {
        choices.append((0..<count).map { _ in random.next() & 1 == 0 ? .new : .old })
      }
    }
    for i in 0..<count {
      choices.append((0..<count).map { $0 < i ? .new : $0 == i ? .zero : .old })
      choices.append((0..<count).map { $0 == i ? .zero : .new })
      if garbage {
        choices.append((0..<count).map { $0 < i ? .new : $0 == i ? .garbage : .old })
        choices.append((0..<count).map { $0 == i ? .garbage : .new })
      }
    }
    return choices + spoiledTogether(items)
  }

  /// What was being written to two files at once may be spoiled in both: what is kept twice must not
  /// depend on one of the two.
  private func spoiledTogether(_ items: [Item]) -> [[Fate]] {
    let files = Set(items.map(\.inode)).sorted()
    var choices: [[Fate]] = []
    for (i, first) in files.enumerated() {
      for second in files[(i + 1)...] {
        for fate in garbage ? [Fate.zero, .garbage] : [.zero] {
          choices.append(items.map { $0.inode == first || $0.inode == second ? fate : .new })
        }
      }
    }
    return choices
  }

  private func image(
    _ entries: [String: Int], _ items: [Item], _ fates: [Fate], oldSizes: Set<Int>
  ) -> DiskImage {
    var contents: [Int: [UInt8]] = [:]
    for inode in Set(entries.values) {
      let file = state.inodes[inode]
      var content = file.durable
      let size = oldSizes.contains(inode) ? file.durable.count : file.content.count
      if content.count > size { content.removeLast(content.count - size) }
      if content.count < size {
        content.append(contentsOf: repeatElement(0, count: size - content.count))
      }
      contents[inode] = content
    }
    var met: Set<CrashFate> = oldSizes.isDisjoint(with: contents.keys) ? [] : [.oldSize]
    if entries != state.entries { met.insert(.oldEntries) }
    var byFile: [Int: Set<CrashFate>] = [:]
    for (item, fate) in zip(items, fates) where contents[item.inode] != nil {
      let size = contents[item.inode]!.count
      let range = DiskState.range(item.sector, size)
      guard !range.isEmpty else { continue }
      let source = state.inodes[item.inode].content
      byFile[item.inode, default: []].insert(fate.mark)
      switch fate {
      case .old: break
      case .new: contents[item.inode]!.replaceSubrange(range, with: source[range])
      case .zero:
        contents[item.inode]!.replaceSubrange(range, with: repeatElement(0, count: range.count))
      case .garbage:
        contents[item.inode]!.replaceSubrange(range, with: repeatElement(0x5C, count: range.count))
      }
    }
    for fates in byFile.values {
      met.formUnion(fates)
      if fates.isSuperset(of: [.kept, .dropped]) { met.insert(.torn) }
    }
    let files = entries.sorted { $0.key < $1.key }.map { ($0.key, contents[$0.value]!) }
    return DiskImage(files: files, hasGarbage: met.contains(.garbage), fates: met)
  }
}
