// TextFile: a file that a person wrote, for tests that hold code against text.

import ByteBuffers
import StorageIO

package enum TextFile {
  /// The whole text of a file.
  package static func text(of name: String, in directory: String) throws -> String {
    let file = try POSIXDirectory(path: directory).open(name, .read)
    return try file.read(try file.size(), at: 0).text
  }

  /// Writes a file anew.
  package static func write(_ text: String, to name: String, in directory: String) throws {
    let folder = try POSIXDirectory(path: directory)
    if try folder.list().contains(where: { $0.name == name }) { try folder.remove(name) }
    let file = try folder.open(name, .create)
    var writer = ByteWriter(capacity: text.utf8.count)
    for byte in text.utf8 { writer.u8(byte) }
    try file.write(writer.finish(), at: 0)
  }

  /// The names of the files below a directory, folders included in them, in order.
  package static func names(below directory: String, ending suffix: String) throws -> [String] {
    var names: [String] = []
    for file in try POSIXDirectory(path: directory).list() {
      switch file.kind {
      case .directory:
        let inner = try Self.names(below: "\(directory)/\(file.name)", ending: suffix)
        names += inner.map { "\(file.name)/\($0)" }
      case .regular: if file.name.hasSuffix(suffix) { names.append(file.name) }
      case .symbolicLink, .other: break
      }
    }
    return names.sorted()
  }
}
