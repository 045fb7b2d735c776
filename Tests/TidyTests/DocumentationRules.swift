// Rules on what is told beside the code: the essay at the head of a file, and the comment on every
// declaration that other modules can use.

enum DocumentationRules {
    static let all = [essay, declarations]

    /// Shorter than this says no more than the file's name does.
    static let essayLengthMin = 40

    static let essay = Rule(name: "a file opens with what it owns, assumes and never does") {
        file in
        guard file.isSource, file.isSwift || file.isC else { return [] }
        let opening = file.lines.prefix { $0.hasPrefix("//") && !$0.hasPrefix("///") }
        let length = opening.reduce(0) { $0 + $1.drop { $0 == "/" || $0 == " " }.count }
        if length >= essayLengthMin { return [] }
        if opening.isEmpty { return [Violation(file, line: 1, "no '//' comment at the head")] }
        return [Violation(file, line: 1, "the comment at the head says too little")]
    }

    static let declarations = Rule(name: "what other modules can use has a '///' comment") { file in
        guard file.isSource, file.isSwift else { return [] }
        var scopes = ScopeStack()
        var found: [Violation] = []
        for (index, code) in file.codeLines.enumerated() {
            let isTold = isDocumented(file, at: index)
            defer { scopes.enter(code, isDocumented: isTold) }
            guard let declared = Declaration(code), declared.isVisible, !isTold else { continue }
            if scopes.isConformance || declared.isExcused { continue }
            if declared.isField && scopes.isDocumentedType { continue }
            if scopes.requires(declared.name) { continue }
            if declared.kind == "init" && isMemberwise(file, at: index) { continue }
            found.append(
                Violation(file, line: index + 1, "no '///' for \(declared.kind) \(declared.name)"))
        }
        return found
    }

    /// Whether a doc comment stands above, with attributes or declarations of the same run of
    /// one-line properties between: a run without blank lines shares the comment of its first.
    private static func isDocumented(_ file: SourceFile, at index: Int) -> Bool {
        var line = index
        let own = Declaration(file.codeLines[index])
        let sharesRun = own?.isOneLineProperty ?? false
        while line > 0 {
            line -= 1
            let above = file.lines[line].drop { $0 == " " }
            if above.hasPrefix("///") { return true }
            if above.hasPrefix("@") || above.hasPrefix("//") { continue }
            let declared = Declaration(file.codeLines[line])
            guard sharesRun, declared?.isOneLineProperty ?? false else { return false }
        }
        return false
    }

    /// Whether the initialiser at the line only stores its arguments, or takes none.
    private static func isMemberwise(_ file: SourceFile, at index: Int) -> Bool {
        let text = file.codeLines[index...].prefix(40).joined(separator: "\n")
        guard let open = text.firstIndex(of: "{"), let close = text.firstIndex(of: "}"),
            open < close
        else { return false }
        if text[..<open].contains("init()") { return true }
        let statements = text[text.index(after: open)..<close].split(separator: "\n")
            .map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        return statements.allSatisfy { statement in
            guard statement.hasPrefix("self.") else { return false }
            let sides = statement.dropFirst(5).split(separator: "=", maxSplits: 1)
            return sides.count == 2 && sides[0] == sides[1]
        }
    }
}

/// Rules on the Markdown pages.
enum PageRules {
    /// Links to files of the checkout that are not there.
    static func deadLinks(_ page: SourceFile, exists: (String) -> Bool) -> [Violation] {
        page.lines.enumerated().flatMap { index, line in
            line.split(separator: "](").dropFirst().compactMap { rest -> Violation? in
                let target = rest.prefix { $0 != ")" && $0 != "#" }
                if target.isEmpty || target.contains("://") { return nil }
                let folder = page.path.split(separator: "/").dropLast()
                let path = (folder + target.split(separator: "/")).joined(separator: "/")
                return exists(path) ? nil : Violation(page, line: index + 1, "no \(path)")
            }
        }
    }
}

/// A line of code that declares something.
struct Declaration {
    let kind: String
    let name: String
    let isVisible: Bool
    /// A property on a line of its own, with or without a value.
    let isOneLineProperty: Bool
    /// A stored property of an instance: its name, its type and its type's comment tell it.
    let isField: Bool

    private static let kinds: Set<String> = [
        "func", "var", "let", "struct", "class", "enum", "protocol", "typealias", "init",
        "subscript", "actor", "associatedtype", "macro",
    ]
    private static let modifiers: Set<String> = [
        "package", "public", "internal", "private", "fileprivate", "static", "final", "mutating",
        "nonmutating", "borrowing", "consuming", "nonisolated", "convenience", "indirect",
        "override", "required", "lazy", "weak", "unowned", "unsafe", "set", "prefix", "postfix",
        "infix", "discardableResult", "safe", "inline", "always", "never", "available", "frozen",
        "_lifetime", "borrow", "copy", "inlinable", "c",
    ]
    /// Requirements of the standard library's protocols, which say themselves what they are.
    private static let excused: Set<String> = [
        "hash", "encode", "description", "debugDescription", "errorDescription", "rawValue",
        "makeIterator", "next", "underestimatedCount", "allCases", "RawValue", "Element", "Failure",
        "startIndex", "endIndex", "isEmpty",
    ]

    /// Nil when the line declares nothing.
    init?(_ code: String) {
        let words = SwiftCode.words(code)
        // `class func` and `static let`: the last keyword before the name is the kind.
        guard let first = words.firstIndex(where: { !Declaration.modifiers.contains($0) }),
            Declaration.kinds.contains(words[first])
        else { return nil }
        kind = words[first]
        name = first + 1 < words.count ? words[first + 1] : ""
        isVisible = words[..<first].contains("package") || words[..<first].contains("public")
        isOneLineProperty =
            (kind == "let" || kind == "var")
            && code.filter { $0 == "{" }.count == code.filter { $0 == "}" }.count
        isField =
            isOneLineProperty && !words[..<first].contains("static") && !code.contains("{")
        isOperator = kind == "func" && Declaration.startsWithOperator(code)
    }

    private let isOperator: Bool

    var isExcused: Bool { isOperator || Declaration.excused.contains(name) }

    private static func startsWithOperator(_ code: String) -> Bool {
        guard let range = code.firstRange(of: "func ") else { return false }
        guard let byte = code[range.upperBound...].utf8.first else { return false }
        return !SwiftCode.isWord(byte) && byte != UInt8(ascii: "`")
    }
}

/// Which braces are open, and what the innermost belongs to.
struct ScopeStack {
    private struct Scope {
        /// An extension that conforms to a protocol, which told what stands in it.
        var isConformance = false
        /// A type with a comment of its own.
        var isDocumentedType = false
        /// What stands after the colon: a superclass, protocols.
        var inherited: [String] = []
    }

    private var scopes: [Scope] = []
    private var header = ""
    private var headerIsDocumented = false

    private static let types: Set<String> = ["struct", "class", "enum", "protocol"]

    var isConformance: Bool { scopes.last?.isConformance ?? false }
    var isDocumentedType: Bool { scopes.last?.isDocumentedType ?? false }

    /// Whether a protocol of ours, which the innermost type conforms to, has a member of that name.
    func requires(_ name: String) -> Bool {
        (scopes.last?.inherited ?? []).contains {
            Conformances.checkout.members[$0]?.contains(name) ?? false
        }
    }

    mutating func enter(_ code: String, isDocumented: Bool) {
        if header.isEmpty { headerIsDocumented = isDocumented }
        for character in code {
            switch character {
            case "{":
                scopes.append(scope())
                header = ""
            case "}":
                _ = scopes.popLast()
                header = ""
            default: header.append(character)
            }
        }
        // The header of a type may span lines; a line that ends a statement ends here.
        let words = SwiftCode.words(header)
        let isOpen = words.contains("extension") || words.contains(where: ScopeStack.types.contains)
        header = isOpen ? header + " " : ""
    }

    private func scope() -> Scope {
        let words = SwiftCode.words(header)
        let keyword = words.firstIndex { $0 == "extension" || ScopeStack.types.contains($0) }
        guard let keyword, keyword + 1 < words.count else { return Scope() }
        let end = header.firstRange(of: " where ")?.lowerBound ?? header.endIndex
        let clause = SwiftCode.words(header[..<end].drop { $0 != ":" })
        let isExtension = words[keyword] == "extension"
        return Scope(
            isConformance: isExtension && !clause.isEmpty,
            isDocumentedType: !isExtension && headerIsDocumented,
            inherited: clause + (Conformances.checkout.types[words[keyword + 1]] ?? []))
    }
}

/// The protocols of the checkout, and who conforms to what.
struct Conformances {
    /// The names of the members of each protocol.
    private(set) var members: [String: Set<String>] = [:]
    /// What stands after the colon where a type is declared.
    private(set) var types: [String: [String]] = [:]

    static let checkout = Conformances(SourceTree.checkout.files)

    init(_ files: [SourceFile]) {
        for file in files where file.isSwift && file.isSource {
            var current: String?
            for line in file.codeLines {
                if line == "}" { current = nil }
                guard let declared = Declaration(line) else { continue }
                if let current { members[current, default: []].insert(declared.name) }
                switch declared.kind {
                case "protocol": current = declared.name
                case "struct", "class", "enum":
                    types[declared.name] = SwiftCode.words(line.drop { $0 != ":" })
                default: continue
                }
            }
        }
    }
}
