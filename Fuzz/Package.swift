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

let raftlog: [Target.Dependency] = ["LogFormat", "Recovery", "LogStorage", "Simulation"].map {
  .product(name: $0, package: "raftlog")
}

/// A program that libFuzzer drives. It brings `main`, so the target is compiled as a library.
func fuzzer(_ name: String) -> Target {
  .executableTarget(
    name: name, dependencies: ["FuzzSupport"] + raftlog,
    swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])])
}

let package = Package(
  name: "Fuzz",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "raftlog", path: "..")],
  targets: [
    .systemLibrary(name: "CLibFuzzer"),
    .target(
      name: "FuzzSupport", dependencies: ["CLibFuzzer"] + raftlog, swiftSettings: settings),
    fuzzer("FuzzBatch"),
    fuzzer("FuzzSegment"),
    fuzzer("FuzzManifest"),
    fuzzer("FuzzVote"),
    fuzzer("FuzzDirectory"),
    fuzzer("FuzzLog"),
  ]
)
