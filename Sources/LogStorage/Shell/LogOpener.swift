// LogOpener: from a directory to a log that may be appended to: gather, decide, act.

import ByteBuffers
public import LogFormat
public import Recovery
public import StorageIO

/// Opens directories. Whoever calls `open` holds the directory's lock.
public enum LogOpener {
  /// Takes the lock of `directory`, for `open` with the same arguments.
  ///
  /// Taking it makes a file. Where there is none yet, what `open` would refuse is refused here, so
  /// that nothing is left behind in a directory that is somebody else's. What is decided here counts
  /// for nothing under the lock: `open` looks again.
  public static func lock(
    _ directory: any StorageDirectory, options: EngineOptions, group: UID? = nil, seed: UInt64
  ) throws(LogError) -> any DirectoryLock {
    try options.validate()
    do {
      if try !hasLock(directory) {
        _ = try plan(directory, options: options, group: group, seed: seed)
      }
    } catch {
      // Who made the file in the meantime may have been changing what we looked at.
      guard try hasLock(directory) else { throw error }
    }
    do {
      return try directory.lock()
    } catch {
      throw LogError(error)
    }
  }

  private static func hasLock(_ directory: any StorageDirectory) throws(LogError) -> Bool {
    do {
      if try directory.isLocked() { return true }
      return try directory.list().contains { $0.name == DirectoryEvidence.Names.lock }
    } catch {
      throw LogError(error)
    }
  }

  /// Recovers the log in `directory`, or starts one there.
  ///
  /// - Parameters:
  ///   - group: the group that the log must belong to; nil takes any.
  ///   - isMember: true for a member of a group of several: what it may have forgotten is noted, and a
  ///     directory that has lost its vote is refused.
  /// - Returns: the plan that was carried out; `opened` is what the engine begins with.
  public static func open(
    _ directory: any StorageDirectory, options: EngineOptions, group: UID? = nil,
    isMember: Bool = false, seed: UInt64
  ) throws(LogError) -> OpeningPlan {
    try options.validate()
    do {
      return try attempt(
        directory, options: options, group: group, isMember: isMember, seed: seed)
    } catch {
      // After a sync that failed, what reads as written may not be: nothing is tried again.
      guard let reason = error.storageError, reason.isOutOfSpace, !reason.isOfSync,
        releaseReserve(directory)
      else { throw error }
      // Nothing that is made now may have the name or the salt of what the first attempt left.
      return try attempt(
        directory, options: options, group: group, isMember: isMember, seed: seed &+ 1)
    }
  }

  private static func attempt(
    _ directory: any StorageDirectory, options: EngineOptions, group: UID?, isMember: Bool,
    seed: UInt64
  ) throws(LogError) -> OpeningPlan {
    let plan = try plan(
      directory, options: options, group: group, isMember: isMember, seed: seed)
    var executor = DiskExecutor(directory: directory)
    do {
      try executor.run(plan.steps)
    } catch {
      throw LogError(error)
    }
    return plan
  }

  /// What has to be done to open the directory as it is now. Only reads.
  private static func plan(
    _ directory: any StorageDirectory, options: EngineOptions, group: UID?, isMember: Bool = false,
    seed: UInt64
  ) throws(LogError) -> OpeningPlan {
    var opening = OpeningOptions()
    opening.isMember = isMember
    opening.group = group
    opening.segmentBytes = min(options.segmentBytes, options.segmentBytesFirst)
    opening.copyWholeBytesMax = min(256 << 10, opening.segmentBytes / 2)
    opening.manifestRoom = options.manifestRoom
    do {
      var random = SplitMix64(seed: seed)
      let evidence = try DirectoryEvidence.gather(directory)
      return try OpeningPlan.make(
        for: Diagnosis(evidence), in: directory, options: opening, using: &random)
    } catch let error as RecoveryError {
      throw LogError(error)
    } catch let error as StorageError {
      throw LogError(error)
    } catch {
      preconditionFailure("an error of another kind: \(error)")
    }
  }

  /// Gives up the space that was kept for this; false when there is none.
  private static func releaseReserve(_ directory: any StorageDirectory) -> Bool {
    do {
      try directory.remove(DirectoryEvidence.Names.reserve)
      // A journaled file system hands the blocks out again only after that.
      try directory.sync(nil)
      return true
    } catch {
      return false
    }
  }
}
