// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is held to the same rules; a warning is an error, in a build of this package.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// And so is every C target.
let cSettings: [CSetting] = [
  .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
]

let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
  name: "raftlog",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "LogStorage", targets: ["LogStorage"]),
    .library(name: "Recovery", targets: ["Recovery"]),
    .library(name: "StorageIO", targets: ["StorageIO"]),
    .library(name: "LogFormat", targets: ["LogFormat"]),
    .library(name: "ByteBuffers", targets: ["ByteBuffers"]),
    .library(name: "Raft", targets: ["Raft"]),
    .library(name: "RaftLog", targets: ["RaftLog"]),
    .library(name: "Simulation", targets: ["Simulation"]),
    .library(name: "LogInspection", targets: ["LogInspection"]),
    .executable(name: "raftlog", targets: ["raftlog"]),
    .executable(name: "walinspect", targets: ["walinspect"]),
    .executable(name: "logbench", targets: ["logbench"]),
    .executable(name: "raftlog-sim", targets: ["raftlog-sim"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    // The C below: a codec, a checksum, and the system calls that Swift's Glibc overlay hides.
    .systemLibrary(
      name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"]), .brew(["lz4"])]),
    .target(name: "CCRC32C", cSettings: cSettings),
    .target(name: "CPOSIX", cSettings: cSettings),
    .target(name: "CProbe", cSettings: cSettings),

    // The log, bottom to top: an arrow never points up.
    .target(name: "ByteBuffers", dependencies: ["CCRC32C"], swiftSettings: settings),
    .target(
      name: "LogFormat", dependencies: ["ByteBuffers", "CLZ4"], swiftSettings: settings),
    .target(
      name: "StorageIO", dependencies: ["ByteBuffers", "CPOSIX", systemPackage],
      swiftSettings: settings),
    .target(
      name: "Recovery", dependencies: ["ByteBuffers", "LogFormat", "StorageIO"],
      swiftSettings: settings),
    .target(
      name: "LogStorage",
      dependencies: ["ByteBuffers", "CPOSIX", "LogFormat", "StorageIO", "Recovery", logging],
      swiftSettings: settings),
    .target(name: "Raft", dependencies: ["LogFormat"], swiftSettings: settings),
    .target(
      name: "RaftLog",
      dependencies: ["ByteBuffers", "LogFormat", "StorageIO", "Recovery", "LogStorage", "Raft"],
      swiftSettings: settings),
    .target(
      name: "Simulation",
      dependencies: [
        "ByteBuffers", "LogFormat", "StorageIO", "Recovery", "LogStorage", "Raft", "RaftLog",
        systemPackage,
      ],
      swiftSettings: settings),

    // The programs, and what they have in common.
    .target(
      name: "ProgramSupport",
      dependencies: [
        "ByteBuffers", "LogFormat", "StorageIO", "Recovery", systemPackage, argumentParser,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "raftlog",
      dependencies: [
        "ByteBuffers", "LogFormat", "StorageIO", "Recovery", "LogStorage", "ProgramSupport",
        argumentParser,
      ],
      swiftSettings: settings),
    .target(
      name: "LogInspection",
      dependencies: [
        "ByteBuffers", "LogFormat", "StorageIO", "Recovery", "ProgramSupport", systemPackage,
        argumentParser,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "walinspect", dependencies: ["LogInspection"], swiftSettings: settings),
    .executableTarget(
      name: "logbench",
      dependencies: [
        "ByteBuffers", "LogFormat", "StorageIO", "Recovery", "LogStorage", "Raft",
        "ProgramSupport", "CPOSIX", "CProbe", systemPackage, argumentParser,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "raftlog-sim",
      dependencies: [
        "Simulation", "ProgramSupport", "StorageIO", "ByteBuffers", "CPOSIX", systemPackage,
        argumentParser,
      ],
      swiftSettings: settings),

    // The tests, a target a module, and what they share.
    .target(
      name: "TestSupport", dependencies: ["ByteBuffers", "StorageIO"], path: "Tests/TestSupport",
      swiftSettings: settings),
    .testTarget(
      name: "ByteBuffersTests", dependencies: ["ByteBuffers", "CCRC32C", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "LogFormatTests", dependencies: ["LogFormat", "ByteBuffers", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "StorageIOTests",
      dependencies: ["StorageIO", "ByteBuffers", "TestSupport", systemPackage],
      swiftSettings: settings),
    .testTarget(
      name: "RaftTests",
      dependencies: ["Raft", "LogFormat", "Simulation", "TestSupport", systemPackage],
      exclude: ["Scenarios"],
      swiftSettings: settings),
    .testTarget(
      name: "RaftLogTests",
      dependencies: [
        "RaftLog", "Raft", "LogFormat", "LogStorage", "StorageIO", "ByteBuffers", "Simulation",
        "TestSupport",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "RecoveryTests",
      dependencies: [
        "Recovery", "StorageIO", "LogFormat", "ByteBuffers", "LogStorage", "Simulation",
        "TestSupport", systemPackage,
      ],
      swiftSettings: settings),
    .testTarget(
      name: "LogStorageTests",
      dependencies: [
        "LogStorage", "Recovery", "StorageIO", "LogFormat", "ByteBuffers", "Simulation",
        "TestSupport", systemPackage,
      ],
      exclude: ["Golden"],
      swiftSettings: settings),
    .testTarget(
      name: "ProgramSupportTests", dependencies: ["ProgramSupport", "ByteBuffers", "LogFormat"],
      swiftSettings: settings),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "Simulation", "LogStorage", "Recovery", "StorageIO", "LogFormat", "ByteBuffers",
        "TestSupport", systemPackage,
      ],
      swiftSettings: settings),
  ]
)
