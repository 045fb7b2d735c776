// What Package.swift says of the targets: their names, their order, what each may import.
//
// Reads the text, not the compiled manifest: a call of one of the functions below, then its quoted
// names up to its closing parenthesis.

/// The targets in the order in which they are listed.
struct PackageManifest {
    /// `support` is what only tests and benchmarks use: a module or a program of theirs.
    enum Kind { case system, module, program, support, tests }

    struct Target {
        let name: String
        let kind: Kind
        let dependencies: [String]
        /// The folder below `Sources`, `Tests` or `Benchmarks`; the name where none is given.
        let folder: String
    }

    let targets: [Target]

    private static let calls: [(opening: String, kind: Kind)] = [
        ("system(", .system), ("module(", .module), ("program(", .program), ("tests(", .tests),
        (".target(", .module), (".executableTarget(", .program), (".testTarget(", .tests),
    ]

    init(_ file: SourceFile) {
        let lines = file.lines.filter { !$0.drop { $0 == " " }.hasPrefix("//") }
        var rest = lines.joined(separator: "\n")[...]
        // What stands before is the functions that make the targets, and the products.
        if let start = rest.ranges(of: "targets: [\n").first { rest = rest[start.upperBound...] }
        var targets: [Target] = []
        while let (start, kind) = PackageManifest.nextCall(in: rest) {
            rest = rest[start...].drop { $0 != "(" }
            let call = PackageManifest.untilClosed(rest)
            rest = rest[call.endIndex...]
            let names = PackageManifest.quoted(call)
            guard let name = names.first else { continue }
            let folder = names.first { $0.hasPrefix("Tests/") || $0.hasPrefix("Benchmarks/") }
                .map { String($0.drop { $0 != "/" }.dropFirst()) }
            let dependencies = names.dropFirst().filter { !$0.contains("/") }
            targets.append(
                Target(
                    name: name, kind: folder == nil ? kind : .support,
                    dependencies: kind == .system ? [] : dependencies, folder: folder ?? name))
        }
        self.targets = targets
    }

    func target(_ name: String) -> Target? { targets.first { $0.name == name } }

    func target(folder: String) -> Target? { targets.first { $0.folder == folder } }

    private static func nextCall(in text: Substring) -> (String.Index, Kind)? {
        var best: (String.Index, Kind)?
        for call in calls {
            // Not the end of a longer word.
            for range in text.ranges(of: call.opening) {
                let before = text[..<range.lowerBound].utf8.last ?? UInt8(ascii: " ")
                if SwiftCode.isWord(before) { continue }
                if best.map({ range.lowerBound < $0.0 }) ?? true {
                    best = (range.lowerBound, call.kind)
                }
                break
            }
        }
        return best
    }

    private static func untilClosed(_ text: Substring) -> Substring {
        var depth = 0
        for index in text.indices {
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" { depth -= 1 }
            if depth == 0 { return text[...index] }
        }
        return text
    }

    private static func quoted(_ text: Substring) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }
}
