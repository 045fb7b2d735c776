// Where words begin and end to GPT-2 and RoBERTa: a scanner for their rule, which is written as
//
//     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// The first alternative that fits is taken. In words: an English ending; else letters, numbers or
// other signs, each with at most one blank before them; else white space, of which the last
// character is left to what follows.

/// Cuts a text into the words of GPT-2.
struct ByteLevelWords {
    /// The text, which is right UTF-8.
    private let text: [UInt8]
    private let end: Int
    private var position: Int

    init(_ text: [UInt8], in range: Range<Int>) {
        self.text = text
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next word; nil at the end.
    mutating func next() -> Range<Int>? {
        if position >= end { return nil }
        let start = position
        position = wordEnd(from: start)
        return start..<position
    }

    private func wordEnd(from start: Int) -> Int {
        if text[start] == UInt8(ascii: "'"), let ending = englishEnding(from: start) {
            return ending
        }
        let hasBlank = text[start] == 0x20
        let first = start + (hasBlank ? 1 : 0)
        if first < end {
            let kind = CharacterClasses.wordClass(DecodedScalar(text, at: first).scalar)
            if kind != .space { return runEnd(of: kind, from: first) }
        }
        return spaceEnd(from: start)
    }

    private func englishEnding(from start: Int) -> Int? {
        guard start + 1 < end else { return nil }
        switch text[start + 1] {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return start + 2 < end && text[start + 2] == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"):
            return start + 2 < end && text[start + 2] == UInt8(ascii: "l") ? start + 3 : nil
        default: return nil
        }
    }

    private func runEnd(of kind: CharacterClasses.WordClass, from start: Int) -> Int {
        var place = start
        while place < end {
            let decoded = DecodedScalar(text, at: place)
            if CharacterClasses.wordClass(decoded.scalar) != kind { break }
            place = decoded.end
        }
        return place
    }

    /// All white space, if it ends the text; else all but its last character, if there are others.
    private func spaceEnd(from start: Int) -> Int {
        var (place, last) = (start, start)
        while place < end {
            let decoded = DecodedScalar(text, at: place)
            if CharacterClasses.wordClass(decoded.scalar) != .space { break }
            last = place
            place = decoded.end
        }
        return place == end || last == start ? place : last
    }
}

/// The alphabet in which vocabularies of this family write bytes: one visible character for each.
enum ByteAlphabet {
    /// The character of each byte.
    static let characters: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                return Unicode.Scalar(next) ?? "\u{fffd}"
            }
        }
    }()

    /// The bytes of each character below this number.
    private static let byCharacter: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() {
            table[Int(character.value)] = Int16(byte)
        }
        return table
    }()

    /// Writes the bytes that a word of the vocabulary stands for into `bytes`.
    ///
    /// - Returns: false when it has other characters, as words of other origin may.
    static func decode(_ word: [UInt8], in range: Range<Int>, into bytes: inout [UInt8]) -> Bool {
        bytes.removeAll(keepingCapacity: true)
        let table = byCharacter
        var position = range.lowerBound
        while position < range.upperBound {
            let decoded = DecodedScalar(word, at: position)
            guard decoded.scalar.value < 0x144, case let byte = table[Int(decoded.scalar.value)],
                byte >= 0
            else { return false }
            bytes.append(UInt8(byte))
            position = decoded.end
        }
        return true
    }
}
