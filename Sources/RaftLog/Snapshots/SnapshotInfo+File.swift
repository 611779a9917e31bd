// How a snapshot is named in the protocol, and how its file says it.

public import ByteBuffers
public import LogFormat
public import Raft
public import StorageIO

extension SnapshotInfo {
  public var name: SnapshotName { SnapshotName(index: position.index, term: position.term) }

  /// What a header says.
  ///
  /// - Throws: `FormatError` if its configuration is none.
  public init(_ header: SnapshotHeader) throws(FormatError) {
    self.init(
      position: LogPosition(term: header.name.term, index: header.name.index),
      configuration: ConfigurationEntry(
        index: header.configurationIndex,
        configuration: try Configuration(decoding: header.configuration.span)),
      uid: header.uid, bytes: header.fileBytes)
  }
}

/// A snapshot's file, read and checked whole.
public struct SnapshotFile: Sendable {
  public let info: SnapshotInfo
  public let state: Bytes

  /// - Throws: `FormatError` if the file is not what its checksums say, or of another group;
  ///   `StorageError` if it cannot be read.
  public init(_ name: String, group: UID, in directory: any StorageDirectory) throws {
    let file = try directory.open(name, .read)
    let bytes = try file.read(try file.size(), at: 0)
    let header = try SnapshotHeader(decoding: bytes.span)
    guard header.group == group else {
      throw FormatError(.inconsistent, "\(name) is of group \(header.group), and this is \(group)")
    }
    guard bytes.count == header.fileBytes else {
      throw FormatError(.truncated, "\(name) has \(bytes.count) bytes, not \(header.fileBytes)")
    }
    let state = bytes[header.bytes..<bytes.count]
    guard CRC32C.checksum(state.span) == header.stateChecksum else {
      throw FormatError(.badChecksum, "the state in \(name) does not match its checksum")
    }
    info = try SnapshotInfo(header)
    self.state = state
  }

  /// The newest snapshot in a directory that is sound; nil if there is none.
  public static func newest(
    group: UID, in directory: any StorageDirectory
  ) throws(StorageError) -> SnapshotFile? {
    let names = try directory.list().filter(\.isRegular).compactMap { SnapshotName($0.name) }
    for name in names.sorted(by: >) {
      do {
        let file = try SnapshotFile(name.description, group: group, in: directory)
        if file.info.name == name { return file }
      } catch let error as StorageError {
        throw error
      } catch {
        continue
      }
    }
    return nil
  }
}
