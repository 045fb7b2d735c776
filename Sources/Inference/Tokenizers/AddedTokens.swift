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
}

/// The added tokens of a model, and where they stand in texts.
struct AddedTokens: Sendable {
    /// By the first byte; of each byte the longest first.
    private let byFirstByte: [[AddedToken]]

    init(_ tokens: [AddedToken] = []) {
        var table = [[AddedToken]](repeating: [], count: 256)
        for token in tokens {
            if let first = token.content.first { table[Int(first)].append(token) }
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
        let found = candidates.first { token in
            let end = position + token.content.count
            return end <= text.count && text[position..<end].elementsEqual(token.content)
        }
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
