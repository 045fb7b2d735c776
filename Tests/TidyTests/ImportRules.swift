// Rules on who imports whom: the ladder of modules, and one Swift module for each C library.

/// An `import` line of a file.
struct Import {
    let module: String
    let line: Int

    /// All imports of a Swift file, whatever attributes and access they have.
    static func all(in file: SourceFile) -> [Import] {
        guard file.isSwift else { return [] }
        return file.codeLines.enumerated().compactMap { index, line in
            guard line.contains("import") else { return nil }
            let words = SwiftCode.words(line)
            guard let keyword = words.firstIndex(of: "import"), keyword + 1 < words.count,
                words[..<keyword].allSatisfy(modifiers.contains)
            else { return nil }
            // Submodules, and `import struct Module.Name`, name their module first or second.
            let named = words[keyword + 1]
            let module =
                kinds.contains(named) && keyword + 2 < words.count
                ? words[keyword + 2] : named
            return Import(module: module, line: index + 1)
        }
    }

    private static let modifiers: Set<String> = [
        "internal", "package", "public", "private", "fileprivate", "testable", "preconcurrency",
        "_exported", "_implementationOnly",
    ]
    private static let kinds: Set<String> = [
        "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
    ]
}

enum ImportRules {
    /// Each C library and the one module that may import it.
    ///
    /// CShims is ours and no library.
    static let importers = [
        "CFuse3": "FuseSession", "CCurl": "Transport", "CSQLite3": "Database",
        "CCrypto": "Hashing", "CXXHash": "Hashing", "CLZ4": "Compression",
        "CMicroHTTPD": "HTTPService", "COpenBLAS": "LinearAlgebra",
    ]

    /// Modules that may use FoundationEssentials: JSON, dates and folders off the data plane.
    static let essentialsUsers: Set<String> = [
        "HubAPI", "Xet", "LocalHub", "Daemon", "Settings", "Catalog", "Inference", "Weights",
        "Predicting", "modelfs", "modelfs-hub",
    ]

    /// What belongs to the system or the toolchain, and is no module of the package.
    private static let banned = [
        "Foundation": "it brings ICU: use FoundationEssentials",
        "FoundationNetworking": "requests go through Transport",
        "Dispatch": "threads are Platform's",
        "Darwin": "this is Linux",
        "XCTest": "tests use Swift Testing",
    ]

    static let oneImporter = Rule(name: "each C library has one importing module") { file in
        Import.all(in: file).compactMap { item in
            guard let owner = importers[item.module], file.target != owner else { return nil }
            // What a module wraps may be looked at by its own tests, and the simulated disk lies
            // below SQLite.
            if file.target == "\(owner)Tests" { return nil }
            if file.target == "Simulation" && item.module == "CSQLite3" { return nil }
            return Violation(file, line: item.line, "\(item.module) belongs to \(owner)")
        }
    }

    static let foundation = Rule(name: "FoundationEssentials alone, and only off the data plane") {
        file in
        Import.all(in: file).compactMap { item in
            if let reason = banned[item.module] {
                return Violation(file, line: item.line, "import \(item.module): \(reason)")
            }
            guard item.module == "FoundationEssentials", file.isSource,
                let target = file.target, !essentialsUsers.contains(target)
            else { return nil }
            return Violation(file, line: item.line, "\(target) must do without Foundation")
        }
    }

    /// Targets may depend only on those listed before them; tests on all.
    static func ladder(_ manifest: PackageManifest, _ file: SourceFile) -> [Violation] {
        var earlier: Set<String> = []
        var found: [Violation] = []
        for target in manifest.targets {
            if target.kind == .support || target.kind == .tests { continue }
            for dependency in target.dependencies where !earlier.contains(dependency) {
                found.append(
                    Violation(file, "\(target.name) depends on \(dependency), not below it"))
            }
            if target.kind == .program { continue }
            earlier.insert(target.name)
        }
        return found
    }

    /// Imports of the package's own targets must be dependencies of the importing target.
    static func declared(_ manifest: PackageManifest, _ file: SourceFile) -> [Violation] {
        guard let folder = file.target, file.isSwift else { return [] }
        guard let target = manifest.target(folder: folder) else {
            return [Violation(file, "Package.swift has no target in \(folder)")]
        }
        return Import.all(in: file).compactMap { item in
            guard manifest.target(item.module) != nil,
                !target.dependencies.contains(item.module)
            else { return nil }
            return Violation(
                file, line: item.line,
                "\(target.name) does not list \(item.module) in Package.swift")
        }
    }

    /// Modules that the map of the project does not name.
    static func unmapped(_ manifest: PackageManifest, map: SourceFile) -> [Violation] {
        let words = Set(
            map.lines.flatMap { line in
                line.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init)
            })
        let shipped = manifest.targets.filter { $0.kind != .tests && $0.kind != .support }
        return shipped.filter { !words.contains($0.name) }
            .map { Violation(map, "does not name \($0.name)") }
    }
}
