// Arguments: the words that a program was started with, as the system handed them over.
//
// What must always hold: a word that is not valid UTF-8 is refused. `CommandLine.arguments` repairs
// it, and a path with repaired characters names another file.

import ByteBuffers

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

package enum Arguments {
  /// Ends the program with status 64 if an argument is not valid UTF-8. To be called before anything
  /// is made of the arguments.
  ///
  /// - Parameter program: what the message begins with.
  package static func requireText(for program: String) {
    guard let complaint = complaint(about: raw) else { return }
    StandardError.line("\(program): \(complaint)")
    exit(ExitStatus.usage.rawValue)
  }

  /// What is wrong with the first argument that is not valid UTF-8, or nil.
  ///
  /// - Parameter arguments: the first is the program's own name, which nobody reads.
  package static func complaint(about arguments: [[UInt8]]) -> String? {
    for (i, argument) in arguments.enumerated().dropFirst()
    where String(validating: argument, as: UTF8.self) == nil {
      return "argument \(i), \(Wording.escaped(Bytes(argument))), is not valid UTF-8; nothing was "
        + "done: rename the file, or name it through a symbolic link"
    }
    return nil
  }

  /// The arguments, byte for byte.
  private static var raw: [[UInt8]] {
    var arguments: [[UInt8]] = []
    for i in 0..<Int(CommandLine.argc) {
      guard let argument = unsafe CommandLine.unsafeArgv[i] else { break }
      let count = unsafe strlen(argument)
      let bytes = unsafe UnsafeRawBufferPointer(start: argument, count: count)
      arguments.append(unsafe [UInt8](bytes))
    }
    return arguments
  }
}
