// DiskStep in words: what a repair is about to do, for the person who has to agree.

import ByteBuffers
import ProgramSupport
import StorageIO

extension DiskStep {
  var words: String {
    switch self {
    case .create(let name, let zeros):
      zeros == 0
        ? "create \(name), empty" : "create \(name), \(Wording.bytes(zeros)) of zeros"
    case .write(let name, let bytes, let offset):
      "write \(Wording.count(bytes.count, "byte", "bytes")) into \(name) at byte \(offset)"
    case .sync(let name): "sync \(name)"
    case .truncate(let name, let size):
      "cut \(name) to \(Wording.count(size, "byte", "bytes"))"
    case .rename(let from, let to): "rename \(from) to \(to)"
    case .remove(let name): "remove \(name)"
    case .makeDirectory(let name): "make the directory \(name), if it is not there"
    case .syncDirectory(let name): name.map { "sync the directory \($0)" } ?? "sync the directory"
    case .copy(let from, let offset, let to):
      offset == 0 ? "copy \(from) to \(to)" : "copy \(from) from byte \(offset) on to \(to)"
    case .close(let name): "close \(name)"
    }
  }

  /// The step as a verb, for scripts.
  var verb: String {
    switch self {
    case .create: "create"
    case .write: "write"
    case .sync: "sync"
    case .truncate: "truncate"
    case .rename: "rename"
    case .remove: "remove"
    case .makeDirectory: "makeDirectory"
    case .syncDirectory: "syncDirectory"
    case .copy: "copy"
    case .close: "close"
    }
  }
}
