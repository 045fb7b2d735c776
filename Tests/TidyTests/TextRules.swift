// Rules that hold for every text file, whatever its language: sizes, blanks, leftovers, names.

/// A rule over one file: what it is called, and where the file breaks it.
struct Rule: Sendable {
    let name: String
    let check: @Sendable (SourceFile) -> [Violation]

    /// A rule that looks at each line as it is written.
    static func lines(
        _ name: String, _ problem: @escaping @Sendable (SourceFile, Substring) -> String?
    ) -> Rule {
        Rule(name: name) { file in
            file.lines.enumerated().compactMap { index, line in
                problem(file, line).map { Violation(file, line: index + 1, $0) }
            }
        }
    }

    /// A rule that looks at each line of code, without comments and strings.
    static func code(
        _ name: String, _ problem: @escaping @Sendable (SourceFile, String) -> String?
    ) -> Rule {
        Rule(name: name) { file in
            guard file.isSwift else { return [] }
            return file.codeLines.enumerated().compactMap { index, line in
                problem(file, line).map { Violation(file, line: index + 1, $0) }
            }
        }
    }
}

enum TextRules {
    static let all = [
        lineLength, fileLength, mainLength, blanks, leftovers, conflicts, fileNames,
    ]

    /// Two files side by side on one screen.
    ///
    /// Prose in Markdown may have long lines: tables.
    static let lineLengthMax = 100
    /// More than this is more than one concern.
    static let fileLengthMax = 600
    /// A program is arguments and wiring.
    static let mainLengthMax = 80

    static let lineLength = Rule.lines("lines are at most 100 characters long") { file, line in
        // Lines of ASCII, nearly all, need no look at their characters.
        guard !file.path.hasSuffix(".md"), line.utf8.count > lineLengthMax,
            line.unicodeScalars.count > lineLengthMax
        else { return nil }
        return "\(line.unicodeScalars.count) characters"
    }

    static let fileLength = Rule(name: "files are at most 600 lines long") { file in
        let count = file.lines.count - 1
        if file.path.hasSuffix(".md") || count <= fileLengthMax { return [] }
        return [Violation(file, "\(count) lines")]
    }

    static let mainLength = Rule(name: "main.swift is shorter than 80 lines") { file in
        let count = file.lines.count - 1
        if file.name != "main.swift" || count < mainLengthMax { return [] }
        return [Violation(file, "\(count) lines: move what is not wiring into a module")]
    }

    /// Whether the line may hold tabs: recipes of make must.
    private static func allowsTabs(_ file: SourceFile) -> Bool { file.name == "Makefile" }

    static let blanks = Rule(name: "no tabs, trailing blanks or control characters") { file in
        var found: [Violation] = []
        for (index, line) in file.lines.enumerated() {
            let tab = UInt8(ascii: "\t")
            if line.utf8.contains(tab) && !allowsTabs(file) {
                found.append(Violation(file, line: index + 1, "a tab"))
            }
            if line.utf8.contains(where: { ($0 < 0x20 && $0 != tab) || $0 == 0x7f }) {
                found.append(Violation(file, line: index + 1, "a control character"))
            }
            if line.hasSuffix(" ") || line.hasSuffix("\t") {
                found.append(Violation(file, line: index + 1, "blanks at the end"))
            }
        }
        if !file.text.isEmpty && !file.text.hasSuffix("\n") {
            found.append(Violation(file, "no newline at the end"))
        }
        return found
    }

    /// Spelt in halves, so that this file does not break its own rule.
    private static let leftoverWords = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]

    static let leftovers = Rule.lines("nothing is left for later") { _, line in
        for word in leftoverWords
        where line.contains(word) && SwiftCode.words(line).contains(word) {
            return "'\(word)': do it, or write an issue"
        }
        return nil
    }

    static let conflicts = Rule.lines("no marks of a merge are left") { _, line in
        ["<<<<<<< ", ">>>>>>> "].contains(where: line.hasPrefix) ? "settle the conflict" : nil
    }

    static let fileNames = Rule(name: "file names say what is in them") { file in
        let stem = String(file.name.prefix { $0 != "." })
        guard let word = BannedNames.word(in: stem) else { return [] }
        return [Violation(file, "'\(word)' says nothing: name what it does")]
    }
}

/// Words that stand where a name was not thought of.
enum BannedNames {
    private static let words: Set<String> = [
        "manager", "managers", "helper", "helpers", "util", "utils", "utility", "utilities",
        "misc", "stuff",
    ]

    /// The first banned word in a name in camel case, snake case or with dashes.
    static func word(in name: String) -> String? {
        var part = ""
        var parts: [String] = []
        for character in name {
            let starts = character.isUppercase || !(character.isLetter || character.isNumber)
            if starts {
                parts.append(part)
                part = ""
            }
            if character.isLetter || character.isNumber { part += character.lowercased() }
        }
        parts.append(part)
        return parts.first(where: words.contains)
    }
}
