// Failure: why a program could not do what it was asked: what happened, where, and what now.

package import StorageIO
import SystemPackage

package struct Failure: Error {
  package let status: ExitStatus
  package let message: String

  package init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  package init(_ error: StorageError) {
    self.init(error.isNotFound ? .noLog : .inputOutput, "\(error); \(error.advice)")
  }
}

extension StorageError {
  /// Something is in the place of a directory that is none.
  package var isNoDirectory: Bool { errno == .notDirectory }

  /// What whoever runs a program can do about it.
  package var advice: String {
    switch errno {
    case .permissionDenied, .notPermitted: "run this as the user that owns the log"
    case .noSpace, .diskQuotaExceeded: "free some space and run this again"
    case .ioError:
      "the device failed: see the kernel's log, and copy the disk before anything else"
    default: "see that the path is right and the file system healthy, and run this again"
    }
  }
}
