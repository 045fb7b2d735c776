// WordPiece, as BERT has it: text becomes clean words, and words the longest pieces that the
// vocabulary has.
//
// Words are made character by character in one buffer, so a text costs no memory beyond its longest
// word, and reading stops when enough ids have come.

internal import CShims

/// How a text becomes words.
struct BERTNormalization: Equatable, Sendable {
    var cleans = true
    var separatesIdeographs = true
    var dropsAccents = true
    var lowersCase = true

    static let none = BERTNormalization(
        cleans: false, separatesIdeographs: false, dropsAccents: false, lowersCase: false)
}

/// A vocabulary of whole words and of pieces that continue one.
struct WordPieceVocabulary: Sendable {
    /// What opens a word, and whatever else has an id.
    var words: Vocabulary
    /// What continues a word, without the prefix that says so.
    var continuations = Vocabulary()
    var unknown: Int32
    /// The prefix of continuations, `##`.
    var prefix: [UInt8]
    var characterCountMax: Int
}

/// The tokenizer of BERT.
struct WordPiece: Sendable {
    /// What a file may say at most of the characters of a word.
    static let characterCountMax = 10_000

    let vocabulary: WordPieceVocabulary
    let normalization: BERTNormalization

    /// Appends the ids of a text, until the sink is full.
    func encode(_ text: [UInt8], in range: Range<Int>, to sink: inout TokenSink) {
        var word = Word(limit: vocabulary.characterCountMax)
        var position = range.lowerBound
        while position < range.upperBound && !sink.isFull {
            let byte = text[position]
            if byte < 0x80 {
                position += 1
                take(ascii: byte, &word, &sink)
                continue
            }
            let decoded = DecodedScalar(text, at: position)
            position = decoded.end
            take(decoded.scalar, &word, &sink)
        }
        flush(&word, &sink)
    }

    // MARK: Words

    /// The word that is being read; of one that is too long only its length is kept.
    private struct Word {
        let limit: Int
        var bytes: [UInt8] = []
        var characterCount = 0

        init(limit: Int) {
            self.limit = limit
        }

        @inline(__always)
        mutating func append(ascii byte: UInt8) {
            characterCount += 1
            if characterCount <= limit { bytes.append(byte) }
        }

        mutating func append(_ scalar: Unicode.Scalar) {
            characterCount += 1
            if characterCount <= limit, let encoded = UTF8.encode(scalar) {
                bytes.append(contentsOf: encoded)
            }
        }

        mutating func clear() {
            bytes.removeAll(keepingCapacity: true)
            characterCount = 0
        }
    }

    @inline(__always)
    private func take(ascii byte: UInt8, _ word: inout Word, _ sink: inout TokenSink) {
        switch byte {
        case 0x61...0x7a, 0x30...0x39: word.append(ascii: byte)
        case 0x41...0x5a: word.append(ascii: normalization.lowersCase ? byte | 0x20 : byte)
        case 0x20, 0x09...0x0d:
            // Cleaning drops these two, which are space otherwise.
            if normalization.cleans && (byte == 0x0b || byte == 0x0c) { return }
            flush(&word, &sink)
        case 0..<0x20, 0x7f:
            if !normalization.cleans { word.append(ascii: byte) }
        default:
            flush(&word, &sink)
            word.append(ascii: byte)
            flush(&word, &sink)
        }
    }

    private func take(_ scalar: Unicode.Scalar, _ word: inout Word, _ sink: inout TokenSink) {
        if normalization.cleans && CharacterClasses.isDropped(scalar) { return }
        if CharacterClasses.isSpace(scalar) { return flush(&word, &sink) }
        let isIdeograph =
            normalization.separatesIdeographs && CharacterClasses.isIdeograph(scalar)
        if isIdeograph { flush(&word, &sink) }
        if normalization.dropsAccents {
            AccentStripper.forEachPart(of: scalar) { lower($0, &word, &sink) }
        } else {
            lower(scalar, &word, &sink)
        }
        if isIdeograph { flush(&word, &sink) }
    }

    private func lower(_ scalar: Unicode.Scalar, _ word: inout Word, _ sink: inout TokenSink) {
        if normalization.lowersCase && scalar.properties.changesWhenLowercased {
            for part in scalar.properties.lowercaseMapping.unicodeScalars {
                add(part, &word, &sink)
            }
        } else {
            add(scalar, &word, &sink)
        }
    }

    private func add(_ scalar: Unicode.Scalar, _ word: inout Word, _ sink: inout TokenSink) {
        if CharacterClasses.isPunctuation(scalar) {
            flush(&word, &sink)
            word.append(scalar)
            flush(&word, &sink)
        } else {
            word.append(scalar)
        }
    }

    // MARK: Pieces

    private func flush(_ word: inout Word, _ sink: inout TokenSink) {
        if word.characterCount == 0 { return }
        if word.characterCount > word.limit {
            sink.append(vocabulary.unknown)
        } else {
            appendPieces(of: word.bytes, to: &sink)
        }
        word.clear()
    }

    /// From the left, the longest piece that is there; a word without one is unknown as a whole.
    private func appendPieces(of word: [UInt8], to sink: inout TokenSink) {
        var pieces: [Int32] = []
        var start = 0
        while start < word.count {
            guard let piece = longestPiece(of: word, from: start) else {
                sink.append(vocabulary.unknown)
                return
            }
            // Most words are one piece, and need no array.
            if start == 0 && piece.end == word.count {
                sink.append(piece.id)
                return
            }
            pieces.append(piece.id)
            start = piece.end
        }
        sink.append(contentsOf: pieces)
    }

    private func longestPiece(of word: [UInt8], from start: Int) -> (id: Int32, end: Int)? {
        unsafe withUnsafeTemporaryAllocation(of: WordHash.self, capacity: word.count - start) {
            hashes in
            var hash = WordHash()
            for index in start..<word.count {
                hash.add(word[index])
                unsafe hashes[index - start] = hash
            }
            var end = word.count
            while end > start {
                // Pieces end where characters do.
                if end == word.count || word[end] & 0xc0 != 0x80 {
                    let known = unsafe hashes[end - 1 - start]
                    let id =
                        start == 0
                        ? vocabulary.words.id(of: word, in: start..<end, hash: known)
                        : vocabulary.continuations.id(of: word, in: start..<end, hash: known)
                    if let id { return (id, end) }
                }
                end -= 1
            }
            return nil
        }
    }
}

/// Characters without their accents.
enum AccentStripper {
    private static let syllables: Range<UInt32> = 0xac00..<0xd7a4

    /// Calls for each part of a character's decomposition that is no accent.
    static func forEachPart(of scalar: Unicode.Scalar, _ body: (Unicode.Scalar) -> Void) {
        if syllables.contains(scalar.value) { return forEachLetter(ofSyllable: scalar, body) }
        var rest: (UInt32, UInt32, UInt32) = (0, 0, 0)
        let count = unsafe withUnsafeMutableBytes(of: &rest) { bytes in
            unsafe modelfs_strip_accents(
                scalar.value, bytes.baseAddress?.assumingMemoryBound(to: UInt32.self))
        }
        if count == 0 {
            if !CharacterClasses.isAccent(scalar) { body(scalar) }
            return
        }
        for value in [rest.0, rest.1, rest.2].prefix(Int(count)) {
            if let part = Unicode.Scalar(value) { body(part) }
        }
    }

    /// A Hangul syllable is made of two or three letters, whose numbers follow from its own.
    private static func forEachLetter(
        ofSyllable scalar: Unicode.Scalar, _ body: (Unicode.Scalar) -> Void
    ) {
        let index = scalar.value - syllables.lowerBound
        let (first, second, third) = (index / 588, index % 588 / 28, index % 28)
        for value in [0x1100 + first, 0x1161 + second] + (third > 0 ? [0x11a7 + third] : []) {
            if let letter = Unicode.Scalar(value) { body(letter) }
        }
    }
}
