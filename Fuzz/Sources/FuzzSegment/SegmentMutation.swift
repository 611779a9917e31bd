// SegmentMutation: changes a segment file part by part and page by page, then mends its checksums.

import FuzzSupport
import LogFormat

extension Mutation {
  mutating func mutateSegment() {
    guard let role = bytes.popLast() else { return mutateAll() }
    switch below(10) {
    case 0: mutateAll()
    case 1, 2: movePages()
    case 3, 4, 5: mutatePart(SegmentPatch(bytes).batches(bytes))
    case 6: break
    default: mutatePart(SegmentPatch(bytes).outsideBatches(bytes))
    }
    SegmentPatch(bytes).repair(&bytes, Repairs.drawn(using: &random))
    if bytes.count >= bytesMax { bytes.removeLast(bytes.count - bytesMax + 1) }
    bytes.append(oneIn(6) ? byte() : role)
  }

  private mutating func mutatePart(_ parts: [Range<Int>]) {
    if let part = pick(parts) { mutate(part) } else { mutateAll() }
  }

  /// What disks and bugs do to whole pages and sectors.
  private mutating func movePages() {
    let pages = bytes.count / Layout.page
    guard pages > 0 else { return mutateAll() }
    let page = below(pages) * Layout.page
    let other = below(pages) * Layout.page
    let content = Array(bytes[page..<page + Layout.page])
    switch below(7) {
    case 0: bytes.replaceSubrange(other..<other + Layout.page, with: content)
    case 1 where bytes.count + Layout.page < bytesMax: bytes.insert(contentsOf: content, at: other)
    case 2: bytes.removeSubrange(page..<page + Layout.page)
    case 3:
      bytes.replaceSubrange(page..<page + Layout.page, with: bytes[other..<other + Layout.page])
      bytes.replaceSubrange(other..<other + Layout.page, with: content)
    case 4:
      let sector = page + below(Layout.page / Layout.sector) * Layout.sector
      let zeros = repeatElement(UInt8(0), count: Layout.sector)
      bytes.replaceSubrange(sector..<sector + Layout.sector, with: zeros)
    case 5 where bytes.count + Layout.page < bytesMax:
      bytes.append(contentsOf: repeatElement(0, count: Layout.page))
    default: bytes.removeLast(below(bytes.count))
    }
  }
}
