// Rules on Swift code itself: what may not be written, and how long a function may be.

enum SyntaxRules {
    static let all = [
        forceUnwrap, mutex, typeNames, functionLength, visibility, concurrency, typedErrors,
        earned,
    ]

    /// Longer does not fit on a screen.
    static let functionLengthMax = 70

    static let forceUnwrap = Rule.code("no force unwrap, try!, as! or implicit unwrapping") {
        _, line in
        guard line.utf8.contains(UInt8(ascii: "!")) else { return nil }
        let bytes = Array(line.utf8)
        for index in bytes.indices.dropFirst() where bytes[index] == UInt8(ascii: "!") {
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            if next == UInt8(ascii: "=") { continue }
            let previous = bytes[index - 1]
            if SwiftCode.isWord(previous) || Array(")]}\">?`".utf8).contains(previous) {
                return "'!' that can trap: use guard, ?? or #require"
            }
        }
        return nil
    }

    static let mutex = Rule.code("the lock is Platform.Lock") { _, line in
        guard line.contains("Mutex"), SwiftCode.words(line).contains("Mutex") else { return nil }
        return "Synchronization.Mutex collapses under contention: use Platform.Lock"
    }

    static let typeNames = Rule.code("type names say what they are") { _, line in
        let words = SwiftCode.words(line)
        for (keyword, name) in zip(words, words.dropFirst())
        where ["struct", "class", "enum", "protocol", "actor", "typealias"].contains(keyword) {
            if let word = BannedNames.word(in: name) { return "'\(word)' in \(name)" }
        }
        return nil
    }

    static let functionLength = Rule(name: "functions are at most 70 lines long") { file in
        FunctionBody.all(in: file).filter { $0.lineCount > functionLengthMax }.map {
            Violation(file, line: $0.firstLine, "\($0.name) has \($0.lineCount) lines")
        }
    }

    static let visibility = Rule.code("nothing is public") { file, line in
        guard file.isSource, line.contains("public") || line.contains("open ") else { return nil }
        let words = SwiftCode.words(line)
        if words.first == "public" { return "across modules it is 'package'" }
        let declarations: Set<String> = ["class", "func", "var", "subscript"]
        if words.first == "open" && words.count > 1 && declarations.contains(words[1]) {
            return "across modules it is 'package'"
        }
        return nil
    }

    static let concurrency = Rule.code("threads are our own: no async, no await") { file, line in
        guard file.isSource, line.contains("a") else { return nil }
        let words = SwiftCode.words(line)
        return words.contains("await") || words.contains("async")
            ? "no task may run on the data plane" : nil
    }

    /// The programs may catch anything; below them every error has a type.
    static let typedErrors = Rule.code("errors are typed") { file, line in
        guard file.isSource, let target = file.target, !target.hasPrefix("modelfs") else {
            return nil
        }
        if line.contains("any Error") { return "any Error: name the error's type" }
        guard let range = line.firstRange(of: "throws") else { return nil }
        // What the standard library requires has the type that it requires.
        if line.contains("init(from decoder") || line.contains("func encode(to") { return nil }
        if SwiftCode.words(line).contains("throws") && !line[range.upperBound...].hasPrefix("(") {
            return "untyped throws: name the error's type"
        }
        return nil
    }

    private static let marks = ["@unchecked Sendable", "nonisolated(unsafe)"]

    /// What the compiler is asked to believe is explained where it is asked.
    static let earned = Rule(name: "an unchecked claim has its reason beside it") { file in
        guard file.isSwift, file.isSource else { return [] }
        return file.codeLines.enumerated().compactMap { index, line in
            guard let mark = marks.first(where: line.contains) else { return nil }
            if isEarned(file, at: index) { return nil }
            return Violation(file, line: index + 1, "\(mark) without the sentence that earns it")
        }
    }
}

extension SyntaxRules {
    /// Whether a comment near the claim speaks of it: any that is not documentation, or
    /// documentation that says what it is `Sendable` for.
    private static func isEarned(_ file: SourceFile, at index: Int) -> Bool {
        let around = file.lines[max(0, index - 6)...min(index + 3, file.lines.count - 1)]
        return around.contains { line in
            guard let range = line.firstRange(of: "//") else { return false }
            return !line[range.upperBound...].hasPrefix("/") || line.contains("Sendable")
        }
    }
}

/// The extent of a function, an initialiser or a computed property.
struct FunctionBody {
    let name: String
    /// The line of the keyword, counted from 1.
    let firstLine: Int
    let lineCount: Int

    private static let keywords: Set<String> = ["func", "init", "deinit", "subscript"]
    /// A declaration that begins where a body was looked for: the one before it has none.
    private static let enders: Set<String> = [
        "func", "init", "deinit", "subscript", "var", "let", "case", "static", "associatedtype",
        "struct", "enum", "class", "protocol", "extension", "mutating", "typealias",
    ]

    static func all(in file: SourceFile) -> [FunctionBody] {
        guard file.isSwift else { return [] }
        let tokens = Token.all(in: file.codeLines)
        var found: [FunctionBody] = []
        for (index, token) in tokens.enumerated() {
            let computed = token.text == "var" && opensOnSameLine(tokens, from: index)
            guard keywords.contains(token.text) || computed,
                index == 0 || tokens[index - 1].text != "."
            else { continue }
            guard let last = lastLine(tokens, from: index) else { continue }
            let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
            found.append(
                FunctionBody(
                    name: token.text == "func" || computed ? next : token.text,
                    firstLine: token.line, lineCount: last - token.line + 1))
        }
        return found
    }

    private static func opensOnSameLine(_ tokens: [Token], from index: Int) -> Bool {
        tokens[index...].prefix { $0.line == tokens[index].line }.last?.text == "{"
            && !tokens[index...].prefix { $0.line == tokens[index].line }
                .contains { $0.text == "=" }
    }

    /// The line of the body's closing brace; nil where there is no body.
    private static func lastLine(_ tokens: [Token], from index: Int) -> Int? {
        var round = 0
        var braces = 0
        for token in tokens[(index + 1)...] {
            switch token.text {
            case "(", "[": round += 1
            case ")", "]": round -= 1
            case "{" where round == 0 || braces > 0: braces += 1
            case "}" where braces > 0:
                braces -= 1
                if braces == 0 { return token.line }
            case "}" where round == 0: return nil
            default:
                if braces == 0 && round == 0 && enders.contains(token.text) { return nil }
            }
        }
        return nil
    }
}

/// A word or a single other character, with the line it stands on, counted from 1.
struct Token {
    let text: String
    let line: Int

    static func all(in lines: [String]) -> [Token] {
        var tokens: [Token] = []
        for (index, line) in lines.enumerated() {
            var word: [UInt8] = []
            func finishWord() {
                if word.isEmpty { return }
                tokens.append(Token(text: String(decoding: word, as: UTF8.self), line: index + 1))
                word.removeAll(keepingCapacity: true)
            }
            for byte in line.utf8 {
                if SwiftCode.isWord(byte) {
                    word.append(byte)
                    continue
                }
                finishWord()
                if byte == UInt8(ascii: " ") { continue }
                tokens.append(Token(text: String(UnicodeScalar(byte)), line: index + 1))
            }
            finishWord()
        }
        return tokens
    }
}
