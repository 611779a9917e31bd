// Entry: what the log holds. A payload with an index, a term and a kind.

public import ByteBuffers

/// What an entry is for. Values below 128 belong to the format, the rest to the embedder.
public struct EntryKind: RawRepresentable, Hashable, Sendable {
  public var rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// An embedder's data.
  public static let data = EntryKind(rawValue: 1)
  /// The empty entry that a new leader appends (Raft section 8).
  public static let noop = EntryKind(rawValue: 2)
  /// A cluster configuration (dissertation chapter 4).
  public static let configuration = EntryKind(rawValue: 3)
}

extension EntryKind: CustomStringConvertible {
  public var description: String {
    switch self {
    case .data: "data"
    case .noop: "noop"
    case .configuration: "configuration"
    default: "kind-\(rawValue)"
    }
  }
}

/// An entry as it stands in the log.
public struct Entry: Hashable, Sendable {
  /// Its place, from 1.
  public var index: LogIndex
  /// The term of the leader that appended it; never falls from one entry to the next.
  public var term: Term
  public var kind: EntryKind
  /// The embedder's bytes; may be empty.
  public var payload: Bytes
  /// CRC32C of `payload`.
  public var checksum: UInt32

  public init(index: LogIndex, term: Term, kind: EntryKind, payload: Bytes, checksum: UInt32) {
    self.index = index
    self.term = term
    self.kind = kind
    self.payload = payload
    self.checksum = checksum
  }

  public init(index: LogIndex, term: Term, kind: EntryKind = .data, payload: Bytes) {
    self.init(
      index: index, term: term, kind: kind, payload: payload,
      checksum: CRC32C.checksum(payload.span))
  }
}
