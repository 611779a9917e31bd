// ImportTests: the core is made of decisions alone. Nothing that does I/O, reads a clock or waits can be
// reached from it, because it imports nothing but the types of the log's format.

import SystemPackage
import TestSupport
import Testing

@Suite struct ImportTests {
  @Test func theCoreImportsNothingButTheFormat() throws {
    var package = FilePath(#filePath)
    for _ in 0..<3 { package.removeLastComponent() }
    let folder = package.appending("Sources/Raft").string
    let names = try TextFile.names(below: folder, ending: ".swift")
    #expect(names.count >= 3)
    var imported = 0
    for name in names {
      let text = try TextFile.text(of: name, in: folder)
      let imports = text.split(separator: "\n").filter { $0.contains(#/^(\S+ )*import /#) }
      imported += imports.count
      for line in imports {
        #expect(line.split(separator: " ").last == "LogFormat", "\(name): \(line)")
      }
      #expect(!text.contains(/\b(async|await|Task)\b/), "\(name) waits")
    }
    #expect(imported >= 20)
  }
}
