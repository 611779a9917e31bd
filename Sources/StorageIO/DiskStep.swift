// DiskStep: one operation on the disk, as a value. DiskJob: steps in an order that must hold.
//
// The engine decides, and emits jobs; somebody else carries them out. A crash may come between any
// two steps, and the simulator tries them all: that is why steps are values and not calls.

public import ByteBuffers

/// One operation on a file or on the directory.
public enum DiskStep: Sendable, Hashable {
  /// A new file of `zeros` zero bytes; an old file of that name is removed first.
  case create(String, zeros: Int)
  case write(String, Bytes, at: Int)
  case sync(String)
  case truncate(String, to: Int)
  case rename(String, to: String)
  /// Removes a file; one that is not there is fine.
  case remove(String)
  case makeDirectory(String)
  case syncDirectory(String?)
  /// Copies a file from `offset` to its end into a new file; used to save bytes before a cut.
  case copy(String, from: Int, to: String)
  /// Lets go of the open file, whatever it is called.
  case close(String)
}

/// Names a job, so that its completion can be told to whoever emitted it.
public struct JobID: Hashable, Sendable, Comparable {
  public let rawValue: UInt64
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }
  public static func < (a: JobID, b: JobID) -> Bool { a.rawValue < b.rawValue }
}

/// Steps to be carried out in order; the first that fails ends the job.
public struct DiskJob: Sendable {
  public let id: JobID
  public var steps: [DiskStep]

  public init(id: JobID, steps: [DiskStep]) {
    self.id = id
    self.steps = steps
  }
}
