// LogOptions: how a log is opened.

public import LogFormat
public import Logging

/// What an embedder may choose; the defaults are for a log that must lose nothing.
public struct LogOptions: Sendable {
  /// Sizes, sync mode, compression.
  public var engine = EngineOptions()
  /// Starts a log where there is none, making the directory if need be.
  public var createsIfMissing = true
  /// The group that the log must belong to; nil takes any, and a random one for a new log.
  public var group: UID?
  /// Gets what opening found, and why the log stopped if it did.
  public var logger: Logger?

  public init() {}
}
