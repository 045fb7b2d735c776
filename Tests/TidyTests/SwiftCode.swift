// Just enough of Swift's lexical grammar to tell code from comments and from the inside of strings.
//
// Assumes that the source compiles. Does not know regex literals between bare slashes; the project
// has none. Everything that is blanked keeps its length and its line, so positions stay true.

/// Swift source with everything that is not code replaced by blanks.
struct SwiftCode {
    private let source: [UInt8]
    private var output: [UInt8]
    private var index = 0

    private init(_ text: String) {
        source = Array(text.utf8)
        output = source
    }

    /// The text with comments and the contents of string literals blanked; the quotes, and the
    /// code in interpolations, stay.
    static func blanked(_ text: String) -> String {
        var code = SwiftCode(text)
        code.scanCode(insideInterpolation: false)
        return String(decoding: code.output, as: UTF8.self)
    }

    /// The identifiers and keywords of a line, in their order.
    static func words(_ line: some StringProtocol) -> [String] {
        var words: [String] = []
        var word: [UInt8] = []
        for byte in line.utf8 {
            if isWord(byte) {
                word.append(byte)
            } else if !word.isEmpty {
                words.append(String(decoding: word, as: UTF8.self))
                word.removeAll(keepingCapacity: true)
            }
        }
        if !word.isEmpty { words.append(String(decoding: word, as: UTF8.self)) }
        return words
    }

    /// Whether the byte can be part of an identifier; bytes of other alphabets count as such.
    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    private func byte(_ offset: Int = 0) -> UInt8 {
        index + offset < source.count ? source[index + offset] : 0
    }

    private mutating func blank(_ count: Int) {
        for _ in 0..<count where index < source.count {
            if source[index] != UInt8(ascii: "\n") { output[index] = UInt8(ascii: " ") }
            index += 1
        }
    }

    private mutating func scanCode(insideInterpolation: Bool) {
        var depth = 1
        while index < source.count {
            switch (byte(), byte(1)) {
            case (UInt8(ascii: "/"), UInt8(ascii: "/")): blankLineComment()
            case (UInt8(ascii: "/"), UInt8(ascii: "*")): blankBlockComment()
            case (UInt8(ascii: "\""), _): scanString(hashCount: 0)
            case (UInt8(ascii: "#"), _):
                var hashCount = 0
                while byte(hashCount) == UInt8(ascii: "#") { hashCount += 1 }
                let opens = byte(hashCount) == UInt8(ascii: "\"")
                index += hashCount
                if opens { scanString(hashCount: hashCount) }
            case (UInt8(ascii: "("), _):
                depth += 1
                index += 1
            case (UInt8(ascii: ")"), _):
                depth -= 1
                index += 1
                if insideInterpolation && depth == 0 { return }
            default: index += 1
            }
        }
    }

    private mutating func blankLineComment() {
        while index < source.count && byte() != UInt8(ascii: "\n") { blank(1) }
    }

    private mutating func blankBlockComment() {
        var depth = 0
        repeat {
            if byte() == UInt8(ascii: "/") && byte(1) == UInt8(ascii: "*") {
                depth += 1
                blank(2)
            } else if byte() == UInt8(ascii: "*") && byte(1) == UInt8(ascii: "/") {
                depth -= 1
                blank(2)
            } else {
                blank(1)
            }
        } while depth > 0 && index < source.count
    }

    private mutating func scanString(hashCount: Int) {
        let quote = UInt8(ascii: "\"")
        let quoteCount = byte(1) == quote && byte(2) == quote ? 3 : 1
        index += quoteCount
        while index < source.count {
            if byte() == UInt8(ascii: "\\") && hasHashes(hashCount, at: 1) {
                let opens = byte(1 + hashCount) == UInt8(ascii: "(")
                blank(2 + hashCount)
                if opens { scanCode(insideInterpolation: true) }
            } else if (0..<quoteCount).allSatisfy({ byte($0) == quote })
                && hasHashes(hashCount, at: quoteCount)
            {
                index += quoteCount + hashCount
                return
            } else {
                blank(1)
            }
        }
    }

    private func hasHashes(_ count: Int, at offset: Int) -> Bool {
        (0..<count).allSatisfy { byte(offset + $0) == UInt8(ascii: "#") }
    }
}
