// FuzzBatch: the bytes of an input as the body of a batch.
//
// What must always hold: decoding any bytes ends, without a crash, in a batch or in an error; what
// it calls valid has every entry that its header promises, is the same read in pieces, survives
// being framed and taken out again, and says the same when its entries are batched anew.

import ByteBuffers
import FuzzSupport
import LogFormat

@c(LLVMFuzzerInitialize)
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  SeedCorpus.begin(BatchSeeds.all)
}

@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> CInt {
  unsafe fuzz(data, size) { BatchCheck.run(Bytes($0)) }
}

@c(LLVMFuzzerCustomMutator)
public func mutate(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ sizeMax: Int, _ seed: UInt32
) -> Int {
  unsafe Mutation.run(data, size, sizeMax, seed) { mutation in
    let whole = 0..<mutation.bytes.count
    if !mutation.oneIn(4), let part = mutation.pick(BatchPatch.parts(mutation.bytes, in: whole)) {
      mutation.mutate(part)
    } else {
      mutation.mutateAll()
    }
    let repairs = Repairs.drawn(using: &mutation.random)
    BatchPatch.repair(&mutation.bytes, in: 0..<mutation.bytes.count, repairs)
  }
}

private enum BatchCheck {
  private static let seed = FrameSeed(salt: 0x5EED)

  static func run(_ bytes: Bytes) {
    _ = try? BatchHeader(decoding: bytes.span)
    guard let batch = try? Batch(bytes) else { return }
    let header = batch.header
    expect(batch.bytes.count == header.bodyBytes, "a body of another size than its header says")
    expect(header.lastIndex >= header.firstIndex, "a batch that ends before it begins")
    _ = try? batch.rows()
    _ = try? batch.entries()
    // The last entry alone: what lies before it is passed over, not believed.
    _ = try? batch.entries(in: header.lastIndex...header.lastIndex)
    do throws(FormatError) {
      try batch.verify()
    } catch {
      expect(!error.message.isEmpty, "an error without a reason")
      return
    }
    checkValid(batch)
  }

  private static func checkValid(_ batch: Batch) {
    do throws(FormatError) {
      let entries = try batch.entries()
      checkEntries(entries, batch)
      let middle = batch.header.firstIndex + LogIndex(entries.count / 2)
      let tail = try batch.entries(in: middle...LogIndex.max)
      expect(tail == Array(entries[(entries.count / 2)...]), "a part differs from the whole")
      try checkFraming(batch)
      for compression in Compression.allCases { try checkAnew(entries, batch, compression) }
    } catch {
      found("a batch that was valid is not: \(error)")
    }
  }

  private static func checkEntries(_ entries: [Entry], _ batch: Batch) {
    let header = batch.header
    expect(entries.map(\.index) == Array(header.indices), "indices are not the header's")
    expect(entries[0].term == header.firstTerm, "the first term is not the header's")
    expect(
      entries.reduce(0) { $0 + $1.payload.count } == header.rawBytes, "payloads do not add up")
    for (a, b) in zip(entries, entries.dropFirst()) {
      expect(a.term <= b.term, "the term falls at entry \(b.index)")
    }
    for entry in entries {
      expect(
        CRC32C.checksum(entry.payload.span) == entry.checksum,
        "entry \(entry.index) does not match its checksum")
    }
  }

  /// Framing adds a page's padding, and changes nothing.
  private static func checkFraming(_ batch: Batch) throws(FormatError) {
    let frame = Frame(
      kind: .batch, ordinal: 7, durableOrdinal: 3, manifestEdit: 11, previousChecksum: 13)
    let written = try FramedBatch(adopting: batch).framed(frame, seed: seed)
    let read = try Frame(decoding: written.bytes.span, seed: seed)
    expect(read == written.frame, "a frame is not what was written")
    expect(written.bytes.count == read.extent, "a frame's extent is not its size")
    let body = written.bytes[Layout.frame..<Layout.frame + read.bodyBytes]
    expect(body == batch.bytes, "a body changed by being framed")
  }

  /// The same entries, batched anew, say the same.
  private static func checkAnew(
    _ entries: [Entry], _ batch: Batch, _ compression: Compression
  ) throws(FormatError) {
    let bytes = encodedBody(entries, group: batch.header.group, compression)
    let again = try Batch(bytes)
    try again.verify()
    let read = try again.entries()
    expect(read == entries, "entries changed by being batched anew")
  }
}

/// The body of a batch with these entries.
private func encodedBody(_ entries: [Entry], group: UID, _ compression: Compression) -> Bytes {
  var builder = BatchBuilder(group: group, firstIndex: entries[0].index)
  for entry in entries { builder.append(entry.payload.span, kind: entry.kind, term: entry.term) }
  let frame = Frame(
    kind: .batch, ordinal: 1, durableOrdinal: 0, manifestEdit: 0, previousChecksum: 0)
  let written = builder.finish(compression).framed(frame, seed: FrameSeed(salt: 0))
  return written.bytes[Layout.frame..<Layout.frame + written.frame.bodyBytes]
}

private enum BatchSeeds {
  static func all() -> [SeedCorpus.Seed] {
    let text = "an entry that is long enough to be compressed, and says the same again and again; "
    let long = String(repeating: text, count: 60)
    let payloads: [(name: String, payloads: [String])] = [
      ("empty", [""]), ("one", ["one"]), ("some", ["first", "", "third", long]),
      ("many", (1...40).map { "entry \($0)" }), ("long", [long, long]),
    ]
    return payloads.flatMap { name, payloads in
      Compression.allCases.map { compression in
        let entries = payloads.enumerated().map { i, payload in
          Entry(
            index: 100 + LogIndex(i), term: 5 + Term(i / 2),
            kind: EntryKind(rawValue: UInt8(1 + i % 3)), payload: Bytes(payload))
        }
        let body = encodedBody(entries, group: UID(high: 1, low: 2), compression)
        return ("\(name)-\(compression)", body.array)
      }
    }
  }
}
