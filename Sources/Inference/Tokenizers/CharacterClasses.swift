// What kinds of characters there are, as the tokenizers that models were trained with tell them.
//
// BERT's were written when Unicode was at version 8, and their tables never changed: a mark, a
// format character or a punctuation sign that is younger is none to them. Models of the GPT-2
// family go by newer tables, of letters, numbers and white space alone. Which is which was found
// by asking the Python package `tokenizers` about every character; the answers are in
// Tests/Fixtures/text/characters.json.

/// Kinds of characters, as tokenizers tell them.
enum CharacterClasses {
    /// Whether it was there when BERT's tables were made.
    private static func isOld(_ properties: Unicode.Scalar.Properties) -> Bool {
        guard let age = properties.age else { return false }
        return age.major <= 8
    }

    /// Whether cleaning drops it: control and format characters, private ones, and those that
    /// stand for nothing.
    static func isDropped(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0a, 0x0d: return false
        case 0xfffd: return true
        default: break
        }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .control, .privateUse: return true
        case .format: return isOld(properties)
        default: return false
        }
    }

    /// Whether it separates words.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace
    }

    /// Whether it is a mark without a width of its own, such as an accent.
    static func isAccent(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case ..<0x300: return false
        case 0x1734, 0x1171e: return true  // Of another category since.
        case 0x1885, 0x1886, 0xa9bd, 0x111c9: return false  // Marks since then.
        default: break
        }
        let properties = scalar.properties
        return properties.generalCategory == .nonspacingMark && isOld(properties)
    }

    /// Whether it is a word by itself.
    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e: return true
        case 0..<0x80: return false
        // Of another category since.
        case 0x166d, 0x111c9: return true
        default: break
        }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            return isOld(properties)
        default: return false
        }
    }

    /// Whether it is a Chinese character, each of which is a word to BERT.
    static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x4e00...0x9fff, 0x3400...0x4dbf, 0x20000...0x2a6df, 0x2a700...0x2b73f,
            0x2b740...0x2b81f, 0x2b920...0x2ceaf, 0xf900...0xfaff, 0x2f800...0x2fa1f:
            true
        default: false
        }
    }

    /// The classes that GPT-2's rule for words knows.
    enum WordClass {
        case letter
        case number
        case space
        case other
    }

    /// Which of the classes of GPT-2's rule it is in.
    static func wordClass(_ scalar: Unicode.Scalar) -> WordClass {
        if scalar.value < 0x80 { return asciiWordClass(UInt8(scalar.value)) }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: return .space
        default: return scalar.value == 0x85 ? .space : .other
        }
    }

    private static func asciiWordClass(_ byte: UInt8) -> WordClass {
        switch byte {
        case 0x41...0x5a, 0x61...0x7a: .letter
        case 0x30...0x39: .number
        case 0x09...0x0d, 0x20: .space
        default: .other
        }
    }
}

/// A character within UTF-8 that is known to be right, and where it ends.
struct DecodedScalar {
    let scalar: Unicode.Scalar
    let end: Int

    /// The character that begins at `position`.
    @inline(__always)
    init(_ bytes: [UInt8], at position: Int) {
        let first = UInt32(bytes[position])
        let value: UInt32
        if first < 0x80 {
            (value, end) = (first, position + 1)
        } else if first < 0xe0 {
            value = (first & 0x1f) << 6 | UInt32(bytes[position + 1] & 0x3f)
            end = position + 2
        } else if first < 0xf0 {
            value =
                (first & 0x0f) << 12 | UInt32(bytes[position + 1] & 0x3f) << 6
                | UInt32(bytes[position + 2] & 0x3f)
            end = position + 3
        } else {
            let upper = (first & 0x07) << 18 | UInt32(bytes[position + 1] & 0x3f) << 12
            value =
                upper | UInt32(bytes[position + 2] & 0x3f) << 6
                | UInt32(bytes[position + 3] & 0x3f)
            end = position + 4
        }
        scalar = Unicode.Scalar(value) ?? "\u{fffd}"
    }
}
