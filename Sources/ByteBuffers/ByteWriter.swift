// ByteWriter: builds a run of bytes in page-aligned memory and hands it over as `Bytes`.
//
// What must always hold: it is the only owner of its memory until `finish()` gives it away, and it
// is gone afterwards (the type is noncopyable), so nobody can write what somebody else reads.

/// An append-only, growable buffer; integers are written little-endian.
@safe
public struct ByteWriter: ~Copyable {
  private var storage: ByteStorage
  /// Bytes written so far.
  public private(set) var count: Int

  public init(capacity: Int) {
    storage = ByteStorage(capacity: max(capacity, 64))
    count = 0
  }

  public var capacity: Int { storage.capacity }

  /// Makes room for `more` bytes; doubles, so that appending costs a constant on average.
  public mutating func reserve(_ more: Int) {
    guard count + more > storage.capacity else { return }
    let larger = ByteStorage(capacity: max(count + more, storage.capacity * 2))
    unsafe larger.base.copyMemory(from: storage.base, byteCount: count)
    storage = larger
  }

  public mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    reserve(MemoryLayout<T>.size)
    unsafe storage.base.storeBytes(
      of: value.littleEndian, toByteOffset: count, as: T.self)
    count += MemoryLayout<T>.size
  }

  public mutating func u8(_ value: UInt8) { integer(value) }
  public mutating func u16(_ value: UInt16) { integer(value) }
  public mutating func u32(_ value: UInt32) { integer(value) }
  public mutating func u64(_ value: UInt64) { integer(value) }

  public mutating func bytes(_ bytes: RawSpan) {
    guard !bytes.isEmpty else { return }
    reserve(bytes.byteCount)
    unsafe bytes.withUnsafeBytes {
      unsafe (storage.base + count).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
    }
    count += bytes.byteCount
  }

  /// Appends what another writer holds.
  public mutating func bytes(of other: borrowing ByteWriter) { bytes(other.span) }

  /// The checksum of `range`, or of what `crc` covers followed by it.
  public func crc32c(_ range: Range<Int>, extending crc: UInt32 = 0) -> UInt32 {
    CRC32C.extend(crc, with: span.extracting(range))
  }

  /// Appends `more` bytes of `value`.
  public mutating func fill(_ value: UInt8, count more: Int) {
    guard more > 0 else { return }
    reserve(more)
    unsafe (storage.base + count).initializeMemory(as: UInt8.self, repeating: value, count: more)
    count += more
  }

  /// Fills with `value` up to the next multiple of `alignment`.
  public mutating func pad(to alignment: Int, with value: UInt8) {
    let excess = count % alignment
    if excess != 0 { fill(value, count: alignment - excess) }
  }

  /// Overwrites an integer that was written before.
  public mutating func replace<T: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, with value: T
  ) {
    precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count, "replace past the end")
    unsafe storage.base.storeBytes(
      of: value.littleEndian, toByteOffset: offset, as: T.self)
  }

  /// What was written so far, in place.
  public var span: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(storage.base), byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Lets `body` write up to `limit` bytes behind what is there; it returns how many it wrote.
  public mutating func appendUninitialized<E: Error>(
    limit: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) {
    reserve(limit)
    let room = unsafe UnsafeMutableRawBufferPointer(start: storage.base + count, count: limit)
    let written = try unsafe body(room)
    precondition(written >= 0 && written <= limit, "more was written than there is room for")
    count += written
  }

  /// Forgets everything behind the first `count` bytes.
  public mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= self.count, "truncating to more than there is")
    self.count = count
  }

  /// Gives the bytes away.
  public consuming func finish() -> Bytes { Bytes(storage: storage, start: 0, count: count) }
}
