// The checkout as the tidy rules see it: its text files, each with its path and its lines.
//
// Found from the path of this very file, so the rules hold wherever the tests are run from. Reads
// only what belongs to the project: hidden folders and build products are never entered.

import FoundationEssentials

/// A text file of the project.
struct SourceFile {
    /// Relative to the top of the checkout, such as `Sources/Platform/Lock.swift`.
    let path: String
    let text: String
    /// The lines as they are, without their ends.
    let lines: [Substring]
    /// For Swift, the lines with comments and the contents of string literals blanked out; else
    /// the same as `lines`.
    let codeLines: [String]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if path.hasSuffix(".swift") {
            codeLines = SwiftCode.blanked(text)
                .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        } else {
            codeLines = lines.map(String.init)
        }
    }

    var name: String { String(path.split(separator: "/").last ?? "") }
    var isSwift: Bool { path.hasSuffix(".swift") }
    var isC: Bool { path.hasSuffix(".c") || path.hasSuffix(".h") }

    /// The folder below `Sources`, `Tests` or `Benchmarks`, which is the name of the target; nil
    /// elsewhere.
    var target: String? {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count > 2, ["Sources", "Tests", "Benchmarks"].contains(parts[0])
        else { return nil }
        return parts[1] == "System" && parts.count > 3 ? parts[2] : parts[1]
    }

    var isTest: Bool { path.hasPrefix("Tests/") }
    var isSource: Bool { path.hasPrefix("Sources/") }
}

/// A place where a rule is broken.
struct Violation: CustomStringConvertible, Equatable {
    let path: String
    /// Counted from 1; 0 for the file as a whole.
    let line: Int
    let message: String

    init(_ file: SourceFile, line: Int = 0, _ message: String) {
        self.path = file.path
        self.line = line
        self.message = message
    }

    var description: String { line > 0 ? "\(path):\(line): \(message)" : "\(path): \(message)" }
}

/// All text files of the checkout.
struct SourceTree {
    let files: [SourceFile]

    /// Where project files live, and how their names end.
    private static let folders = [
        "Sources", "Tests", "scripts", "Benchmarks", "docs", "systemd", "packaging", "examples",
    ]
    private static let endings = [
        ".swift", ".c", ".h", ".modulemap", ".sh", ".py", ".md", ".txt", ".service",
    ]

    /// Reads the checkout that this file was compiled from.
    static let checkout = SourceTree(top: String(#filePath.dropLast(fileTail.count)))
    private static let fileTail = "Tests/TidyTests/SourceTree.swift"

    init(top: String) {
        var files: [SourceFile] = []
        for folder in SourceTree.folders {
            let walk = (try? FileManager.default.subpathsOfDirectory(atPath: top + folder)) ?? []
            for below in walk.sorted() {
                let path = "\(folder)/\(below)"
                let hidden = path.split(separator: "/").contains { $0.hasPrefix(".") }
                if hidden || path.contains("__pycache__") { continue }
                if !SourceTree.endings.contains(where: path.hasSuffix) { continue }
                if let file = SourceTree.read(path, top: top) { files.append(file) }
            }
        }
        for path in ["Package.swift", "Makefile", "README.md", ".ci/run"] {
            if let file = SourceTree.read(path, top: top) { files.append(file) }
        }
        self.files = files
    }

    private static func read(_ path: String, top: String) -> SourceFile? {
        guard let data = FileManager.default.contents(atPath: top + path),
            let text = String(validating: data, as: UTF8.self)
        else { return nil }
        return SourceFile(path: path, text: text)
    }

    func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }
}
