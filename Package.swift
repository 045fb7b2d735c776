// swift-tools-version: 6.3
import PackageDescription

/// What every target of ours is compiled with: memory safety is opt-out per expression, imports
/// are internal unless said otherwise, and a warning is an error.
let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]

/// The loops over bytes that are C are optimised in debug builds too: tests would wait for them.
let loopSettings: [CSetting] = [.unsafeFlags(["-O2"])]

/// Tests run without strict memory safety, because `unsafe` cannot be written inside `#expect`.
let testSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// For a program that is small in memory, and depends on no file that is replaced under it.
///
/// No test can depend on it: what it is linked with would be linked into the test program. Under a
/// sanitizer, whose runtime needs the dynamic linker, it is as any other: scripts/sanitize.sh.
let whollyStatic: [LinkerSetting] =
    Context.environment["MODELFS_SANITIZED"] != nil
    ? []
    : [.unsafeFlags(["-static-executable", "-Xlinker", "--gc-sections", "-Xlinker", "-s"])]

func system(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(
        name: name, path: "Sources/System/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: testSettings)
}

let package = Package(
    name: "ModelFS",
    products: [
        .executable(name: "modelfs", targets: ["modelfs"]),
        .executable(name: "modelfs-keeper", targets: ["modelfs-keeper"]),
        .executable(name: "modelfs-hub", targets: ["modelfs-hub"]),
        .executable(name: "modelfs-predictor", targets: ["modelfs-predictor"]),
    ],
    targets: [
        // System libraries: a modulemap and one header each, imported by exactly one module.
        system("CFuse3", pkgConfig: "fuse3", apt: "libfuse3-dev"),
        system("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
        system("CSQLite3", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        system("CCrypto", pkgConfig: "libcrypto", apt: "libssl-dev"),
        system("CXXHash", pkgConfig: "libxxhash", apt: "libxxhash-dev"),
        system("CLZ4", pkgConfig: "liblz4", apt: "liblz4-dev"),
        system("CMicroHTTPD", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
        system("COpenBLAS", pkgConfig: "openblas", apt: "libopenblas-dev"),
        .target(name: "CShims", dependencies: ["CXXHash"], cSettings: loopSettings),

        // The ladder: each module uses only those above it in this list.
        module("Platform", ["CShims"]),
        module("JSON", []),
        module("Telemetry", ["Platform"]),
        module("Settings", ["Platform", "CShims"]),
        module("Keeping", ["Platform", "Telemetry", "Settings", "CShims"]),
        module("Hashing", ["Platform", "CShims", "CCrypto", "CXXHash"]),
        module("Compression", ["Platform", "CShims", "Hashing", "CLZ4"]),
        module("Xet", ["Platform", "JSON", "Telemetry", "Hashing", "Compression"]),
        module("LinearAlgebra", ["Platform", "CShims", "COpenBLAS"]),
        module("Weights", ["Platform", "JSON", "CShims"]),
        module("HDF5Files", ["Platform", "Weights"]),
        module("Database", ["Platform", "CSQLite3"]),
        module("Transport", ["Platform", "Telemetry", "CCurl"]),
        module("HTTPService", ["Platform", "Telemetry", "CMicroHTTPD"]),
        module(
            "HubAPI",
            [
                "Platform", "Telemetry", "Settings", "Hashing", "Compression", "Xet", "Transport",
            ]),
        module("Catalog", ["Platform", "Telemetry", "Hashing", "Database", "HubAPI"]),
        module(
            "ChunkStore",
            [
                "Platform", "Telemetry", "CShims", "Hashing", "Compression", "Xet", "Weights",
                "Database",
            ]),
        module(
            "Fetching",
            [
                "Platform", "Telemetry", "Hashing", "Xet", "Weights", "Transport", "HubAPI",
                "Catalog", "ChunkStore",
            ]),
        module(
            "FileSystem",
            ["Platform", "Telemetry", "Hashing", "HubAPI", "Catalog", "ChunkStore", "Fetching"]),
        module(
            "FuseSession",
            ["Platform", "Telemetry", "CShims", "Catalog", "FileSystem", "CFuse3"]),
        module(
            "LocalHub",
            [
                "Platform", "JSON", "Telemetry", "Settings", "Hashing", "Compression", "Xet",
                "HubAPI", "HTTPService",
            ]),
        module(
            "Inference",
            [
                "Platform", "JSON", "Telemetry", "CShims", "HDF5Files", "LinearAlgebra", "Weights",
            ]),
        module(
            "Predicting",
            [
                "Platform", "JSON", "Telemetry", "Settings", "CShims", "Database", "HTTPService",
                "Weights", "LinearAlgebra", "Inference",
            ]),
        module(
            "Daemon",
            [
                "Platform", "Telemetry", "CShims", "Settings", "Keeping", "Hashing", "HubAPI",
                "Transport", "HTTPService", "Database", "Catalog", "ChunkStore", "Fetching",
                "FileSystem",
                "FuseSession",
            ]),

        // The programs: arguments and wiring only.
        program("modelfs", ["Platform", "Telemetry", "Settings", "HubAPI", "Daemon"]),
        .executableTarget(
            name: "modelfs-keeper", dependencies: ["Platform", "Settings", "Keeping"],
            swiftSettings: settings, linkerSettings: whollyStatic),
        program(
            "modelfs-hub",
            [
                "Platform", "Telemetry", "Settings", "Hashing", "HubAPI", "HTTPService", "LocalHub",
            ]),
        program("modelfs-predictor", ["Platform", "Settings", "Predicting"]),

        tests("PlatformTests", ["Platform", "TestSupport"]),
        tests("JSONTests", ["JSON"]),
        tests("KeepingTests", ["Platform", "Keeping"]),
        tests("HashingTests", ["Platform", "Hashing", "CXXHash"]),
        tests("CompressionTests", ["Platform", "Hashing", "Compression"]),
        tests("XetTests", ["Platform", "Hashing", "Compression", "Xet"]),
        tests("WeightsTests", ["Platform", "Weights", "TestSupport"]),
        tests("HDF5FilesTests", ["Platform", "Weights", "HDF5Files", "TestSupport"]),
        tests("TidyTests", []),
        tests("FuzzTests", ["Platform", "Weights", "HDF5Files", "FuzzCases", "TestSupport"]),
        tests("SettingsTests", ["Settings"]),
        tests("HTTPServiceTests", ["Platform", "HTTPService", "TestSupport"]),
        tests(
            "LocalHubTests",
            [
                "Platform", "Settings", "Hashing", "Compression", "Xet", "HubAPI", "HTTPService",
                "LocalHub", "TestSupport",
            ]),
        .target(
            name: "TestSupport", dependencies: ["Platform"], path: "Tests/TestSupport",
            swiftSettings: testSettings),
        tests(
            "PredictingTests",
            [
                "Platform", "JSON", "Telemetry", "Settings", "Database", "HTTPService", "Inference",
                "Predicting", "TestSupport",
            ]),
        tests("DatabaseTests", ["Platform", "Database", "TestSupport"]),
        tests(
            "ChunkStoreTests",
            [
                "Platform", "Telemetry", "Hashing", "Compression", "Xet", "Database", "ChunkStore",
                "TestSupport",
            ]),
        tests(
            "CatalogTests",
            ["Platform", "Telemetry", "Hashing", "Database", "HubAPI", "Catalog", "TestSupport"]),
        tests(
            "FetchingTests",
            [
                "Platform", "Hashing", "Xet", "Transport", "HubAPI", "Catalog", "Fetching",
                "TestSupport",
            ]),
        tests(
            "FuseSessionTests",
            [
                "Platform", "Telemetry", "Hashing", "Transport", "HubAPI", "Catalog", "ChunkStore",
                "Fetching", "FileSystem", "FuseSession", "TestSupport",
            ]),
        tests(
            "FileSystemTests",
            [
                "Platform", "Telemetry", "Hashing", "Transport", "HubAPI", "Catalog", "ChunkStore",
                "Fetching", "FileSystem", "TestSupport", "ScriptedServer",
            ]),
        .target(
            name: "Simulation",
            dependencies: [
                "Platform", "Telemetry", "Hashing", "Transport", "HubAPI", "Catalog",
                "ChunkStore", "Fetching", "FileSystem", "TestSupport", "CSQLite3",
            ],
            path: "Tests/Simulation", swiftSettings: testSettings),
        .executableTarget(
            name: "simulator", dependencies: ["Simulation"], path: "Tests/Simulator",
            swiftSettings: testSettings),
        tests("SimulationTests", ["Simulation", "FileSystem", "TestSupport"]),
        .target(
            name: "FuzzCases",
            dependencies: [
                "Platform", "JSON", "Settings", "Keeping", "Hashing", "Compression", "Xet",
                "Weights", "Transport", "HubAPI", "Catalog", "ChunkStore", "FuseSession", "Daemon",
                "TestSupport",
            ],
            path: "Tests/FuzzCases", swiftSettings: testSettings),
        .executableTarget(
            name: "store-bench",
            dependencies: [
                "Platform", "Telemetry", "Hashing", "Compression", "Xet", "ChunkStore",
                "TestSupport",
            ],
            path: "Benchmarks/StoreBench", swiftSettings: testSettings),
        .executableTarget(
            name: "tree-bench", dependencies: ["Platform", "Inference", "TestSupport"],
            path: "Benchmarks/TreeBench", swiftSettings: testSettings),
        .executableTarget(
            name: "text-bench", dependencies: ["Platform", "Inference"],
            path: "Benchmarks/TextBench", swiftSettings: testSettings),
        tests("LinearAlgebraTests", ["Platform", "LinearAlgebra", "TestSupport"]),
        tests(
            "InferenceTests",
            ["Platform", "JSON", "LinearAlgebra", "Weights", "Inference", "TestSupport"]),
        .executableTarget(
            name: "daemon-fixture", dependencies: ["Platform", "Telemetry", "Settings", "Daemon"],
            path: "Tests/DaemonFixture", swiftSettings: testSettings),
        tests(
            "DaemonTests",
            [
                "Platform", "Telemetry", "Settings", "Keeping", "Hashing", "HubAPI", "Catalog",
                "ChunkStore", "FileSystem", "Daemon", "daemon-fixture",
            ]),
        .target(
            name: "ScriptedServer", dependencies: ["Platform"], path: "Tests/ScriptedServer",
            swiftSettings: testSettings),
        tests("TransportTests", ["Platform", "Telemetry", "Transport", "ScriptedServer"]),
        tests(
            "HubAPITests",
            [
                "Platform", "Telemetry", "Hashing", "Compression", "Xet", "Transport", "HubAPI",
                "ScriptedServer",
            ]),
    ]
)

// libFuzzer brings `main`, so this links only with `--sanitize=fuzzer`: see scripts/fuzz.sh.
if Context.environment["MODELFS_LIBFUZZER"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz-target", dependencies: ["FuzzCases"], path: "Tests/FuzzTarget",
            swiftSettings: testSettings))
}
