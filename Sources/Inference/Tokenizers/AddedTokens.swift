// Tokens that stand in texts as they are, such as `[MASK]`: found before anything else is done.

/// A token beside the vocabulary's own.
struct AddedToken: Equatable, Sendable {
    var content: [UInt8]
    var id: Int32
    /// Whether it counts only where no letter or digit stands beside it.
    var isSingleWord = false
    /// Whether it takes the white space before it with it.
    var takesSpaceBefore = false
    /// Whether it takes the white space behind it with it.
    var takesSpaceAfter = false
    /// Whether upper and lower case of ASCII are one, as for tokens that are looked for in
    /// normalised texts.
    var ignoresCase = false

    /// Whether it stands at a place of a text.
    func stands(in text: [UInt8], at position: Int) -> Bool {
        let end = position + content.count
        if end > text.count { return false }
        if !ignoresCase { return text[position..<end].elementsEqual(content) }
        return zip(text[position..<end], content).allSatisfy {
            AddedToken.lowered($0) == AddedToken.lowered($1)
        }
    }

    fileprivate static func lowered(_ byte: UInt8) -> UInt8 {
        (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
    }
}

/// The added tokens of a model, and where they stand in texts.
struct AddedTokens: Sendable {
    /// By the first byte; of each byte the longest first.
    private let byFirstByte: [[AddedToken]]

    init(_ tokens: [AddedToken] = []) {
        var table = [[AddedToken]](repeating: [], count: 256)
        for token in tokens {
            guard let first = token.content.first else { continue }
            let isEither = token.ignoresCase
            for byte in UInt8.min...UInt8.max
            where byte == first
                || (isEither && AddedToken.lowered(byte) == AddedToken.lowered(first))
            {
                table[Int(byte)].append(token)
            }
        }
        for index in table.indices {
            table[index].sort { $0.content.count > $1.content.count }
        }
        byFirstByte = table
    }

    /// A part of a text: a token, or what lies between two.
    enum Part: Equatable {
        case text(Range<Int>)
        case token(Int32)
    }

    /// Calls for each part of a text, in order, until that returns false.
    func forEachPart(of text: [UInt8], _ body: (Part) -> Bool) {
        var (start, position) = (0, 0)
        while position < text.count {
            let candidates = byFirstByte[Int(text[position])]
            guard !candidates.isEmpty, let token = match(candidates, text, at: position) else {
                position += 1
                continue
            }
            var (before, after) = (position, position + token.content.count)
            if token.takesSpaceBefore { before = spaceStart(before, from: start, in: text) }
            if token.takesSpaceAfter { after = spaceEnd(after, in: text) }
            if start < before && !body(.text(start..<before)) { return }
            if !body(.token(token.id)) { return }
            (start, position) = (after, after)
        }
        if start < text.count { _ = body(.text(start..<text.count)) }
    }

    private func match(
        _ candidates: [AddedToken], _ text: [UInt8], at position: Int
    ) -> AddedToken? {
        let found = candidates.first { $0.stands(in: text, at: position) }
        guard let found, found.isSingleWord else { return found }
        let end = position + found.content.count
        let isBeside =
            isWordCharacter(before: position, in: text)
            || (end < text.count && isWordCharacter(DecodedScalar(text, at: end).scalar))
        return isBeside ? nil : found
    }

    private func isWordCharacter(before position: Int, in text: [UInt8]) -> Bool {
        guard let start = characterStart(before: position, in: text) else { return false }
        return isWordCharacter(DecodedScalar(text, at: start).scalar)
    }

    private func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
        let properties = scalar.properties
        return properties.isAlphabetic || properties.numericType == .decimal
            || properties.generalCategory == .connectorPunctuation
            || properties.generalCategory == .nonspacingMark
            || properties.generalCategory == .spacingMark
    }

    private func characterStart(before position: Int, in text: [UInt8]) -> Int? {
        guard position > 0 else { return nil }
        var start = position - 1
        while start > 0 && text[start] & 0xc0 == 0x80 { start -= 1 }
        return start
    }

    private func spaceStart(_ position: Int, from limit: Int, in text: [UInt8]) -> Int {
        var position = position
        while position > limit, let start = characterStart(before: position, in: text),
            start >= limit, CharacterClasses.isSpace(DecodedScalar(text, at: start).scalar)
        {
            position = start
        }
        return position
    }

    private func spaceEnd(_ position: Int, in text: [UInt8]) -> Int {
        var position = position
        while position < text.count, case let decoded = DecodedScalar(text, at: position),
            CharacterClasses.isSpace(decoded.scalar)
        {
            position = decoded.end
        }
        return position
    }
}
