// Bytes: an immutable, shareable run of bytes, sliced without copying.
//
// What must always hold: once a `Bytes` exists nobody writes its storage again; a slice keeps the
// whole storage alive. Storage is page-aligned, so that what was read or encoded into it can go to
// the device as it lies (O_DIRECT asks for that).

/// An immutable run of bytes. Copying or slicing one copies a reference, never the bytes.
@safe
public struct Bytes: Sendable {
  private let storage: ByteStorage?
  private let start: Int
  /// How many bytes there are.
  public let count: Int

  init(storage: ByteStorage?, start: Int, count: Int) {
    self.storage = storage
    self.start = start
    self.count = count
  }

  /// No bytes.
  public init() { self.init(storage: nil, start: 0, count: 0) }

  /// A copy of `bytes`.
  public init(copying bytes: RawSpan) {
    guard !bytes.isEmpty else {
      self.init()
      return
    }
    let storage = ByteStorage(capacity: bytes.byteCount)
    unsafe bytes.withUnsafeBytes {
      unsafe storage.base.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
    }
    self.init(storage: storage, start: 0, count: bytes.byteCount)
  }

  /// A copy of `array`.
  public init(_ array: [UInt8]) { unsafe self.init(copying: array.span.bytes) }

  /// A copy of the UTF-8 of `string`.
  public init(_ string: String) { self.init(Array(string.utf8)) }

  public var isEmpty: Bool { count == 0 }

  /// The bytes, to be read in place.
  public var span: RawSpan {
    @_lifetime(borrow self)
    get {
      guard let storage else { return RawSpan() }
      let span = unsafe RawSpan(
        _unsafeStart: UnsafeRawPointer(storage.base + start), byteCount: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The bytes from `range.lowerBound` up to `range.upperBound`, sharing this storage.
  public subscript(range: Range<Int>) -> Bytes {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "slice outside its bytes")
    return Bytes(storage: storage, start: start + range.lowerBound, count: range.count)
  }

  /// A copy as an array, for code that wants one.
  public var array: [UInt8] { unsafe span.withUnsafeBytes { unsafe Array($0) } }

  /// The bytes as text, malformed UTF-8 replaced.
  public var text: String {
    unsafe span.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
  }
}

extension Bytes: Hashable {
  public static func == (a: Bytes, b: Bytes) -> Bool { a.span.isSame(as: b.span) }

  public func hash(into hasher: inout Hasher) {
    unsafe span.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
  }
}

extension Bytes: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: UInt8...) { self.init(elements) }
}

extension Bytes: CustomStringConvertible {
  public var description: String { "Bytes(\(count))" }
}
