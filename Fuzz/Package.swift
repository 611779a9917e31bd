// swift-tools-version: 6.2
import PackageDescription

/// As in the package that is fuzzed: the same rules, and a warning is an error.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

func raftlog(_ name: String) -> Target.Dependency { .product(name: name, package: "raftlog") }

let log = ["ByteBuffers", "LogFormat", "StorageIO", "Recovery", "LogStorage", "Raft", "Simulation"]
  .map(raftlog)

/// A program that libFuzzer drives. It brings `main`, so the target is compiled as a library.
func fuzzer(_ name: String, also more: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name, dependencies: ["FuzzSupport"] + log + more,
    swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])])
}

let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "raftlog", path: "..")],
  targets: [
    .systemLibrary(name: "CLibFuzzer"),
    .target(
      name: "FuzzSupport", dependencies: ["CLibFuzzer"] + log, swiftSettings: settings),
    fuzzer("FuzzBatch"),
    fuzzer("FuzzSegment"),
    fuzzer("FuzzManifest"),
    fuzzer("FuzzVote"),
    fuzzer("FuzzDirectory"),
    fuzzer("FuzzInspect", also: [raftlog("LogInspection")]),
    fuzzer("FuzzLog"),
    fuzzer("FuzzStep"),
    fuzzer("FuzzMessage", also: [raftlog("RaftLog")]),
  ]
)
