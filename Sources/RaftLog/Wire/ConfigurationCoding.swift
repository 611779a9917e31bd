// The bytes of a configuration: the payload of an entry of kind `configuration`, and part of a
// snapshot's name.
//
//   offset size
//        0    1  version: 1
//        1    1  0 not joint, 1 left by itself, 2 left when somebody asks
//        2    2  count of members
//        4       each member:
//             8  id
//            16  incarnation
//             1  suffrage: 0 learner, 1 voter, 2 incoming, 3 outgoing, 4 demoted
//             2  bytes of the address
//             n  the address, UTF-8
//
// What must always hold: what decodes is a configuration that changes lead to, or the empty one of a
// node that knows nobody; encoding it again gives the same bytes.

public import ByteBuffers
public import LogFormat
public import Raft

extension Configuration {
  static let version: UInt8 = 1
  /// Members of a group at most.
  public static let membersMax = 1024
  /// Bytes of an address at most.
  public static let addressBytesMax = 1024

  public var encoded: Bytes {
    var writer = ByteWriter(capacity: 4 + 64 * members.count)
    encode(to: &writer)
    return writer.finish()
  }

  func encode(to writer: inout ByteWriter) {
    precondition(members.count <= Self.membersMax, "more members than a group can have")
    writer.u8(Self.version)
    writer.u8(joint?.rawValue ?? 0)
    writer.u16(UInt16(members.count))
    for member in members {
      writer.u64(member.id)
      writer.uid(member.incarnation)
      writer.u8(member.suffrage.rawValue)
      let address = member.address.utf8
      precondition(address.count <= Self.addressBytesMax, "an address that is too long")
      writer.u16(UInt16(address.count))
      for byte in address { writer.u8(byte) }
    }
  }

  /// Decodes all of `bytes`.
  public init(decoding bytes: RawSpan) throws(FormatError) {
    var reader = ByteReader(bytes)
    self = try Configuration(from: &reader)
    guard reader.remaining == 0 else {
      throw FormatError(.inconsistent, "bytes behind a configuration", at: reader.offset)
    }
  }

  init(from reader: inout ByteReader) throws(FormatError) {
    let version = try reader.u8()
    guard version == Self.version else {
      throw FormatError(.unsupported, "a configuration of version \(version)", at: reader.offset)
    }
    let leaving = try reader.u8()
    let joint = Leaving(rawValue: leaving)
    let count = Int(try reader.u16())
    guard joint != nil || leaving == 0, count <= Self.membersMax else {
      throw FormatError(.outOfRange, "a configuration of \(count) members", at: reader.offset)
    }
    var members: [Member] = []
    for _ in 0..<count { members.append(try Member(from: &reader)) }
    guard !members.isEmpty || joint != nil else {
      self.init()
      return
    }
    do {
      try self.init(members, joint: joint)
    } catch {
      throw FormatError(.inconsistent, "no configuration: \(error)", at: reader.offset)
    }
  }
}

extension Member {
  fileprivate init(from reader: inout ByteReader) throws(FormatError) {
    let id = try reader.u64()
    let incarnation = try reader.uid()
    let raw = try reader.u8()
    guard let suffrage = Suffrage(rawValue: raw) else {
      throw FormatError(.unsupported, "a member of suffrage \(raw)", at: reader.offset)
    }
    let length = Int(try reader.u16())
    guard length <= Configuration.addressBytesMax else {
      throw FormatError(.outOfRange, "an address of \(length) bytes", at: reader.offset)
    }
    let bytes = try reader.span(length)
    guard let address = String(validating: Bytes(copying: bytes).array, as: UTF8.self) else {
      throw FormatError(.inconsistent, "an address that is not UTF-8", at: reader.offset)
    }
    self.init(id: id, incarnation: incarnation, address: address, suffrage: suffrage)
  }
}
