// Ids are those of the Python package `tokenizers`, one for one.

import Testing

@testable import Inference

@Suite struct TokenizerTests {
    @Test(arguments: ["wordpiece", "wordpiece-cased", "byte-level", "byte-level-prefix"])
    func idsAreTheLibrarys(_ name: String) throws {
        let texts = try #require(try TextFixtures.json("tokenizers/texts.json").array)
            .compactMap(\.string)
        let expected = TextFixtures.ids(try TextFixtures.json("tokenizers/\(name).ids.json"))
        let tokenizer = try TokenizerFile.tokenizer(
            "\(TextFixtures.root)/tokenizers/\(name).json")
        #expect(texts.count == expected.count && texts.count > 400)
        for (text, ids) in zip(texts, expected) {
            #expect(tokenizer.encode(text, countMax: 100_000) == ids, "\(text.debugDescription)")
        }
    }

    @Test(arguments: [
        "bert", "bert-classifier", "roberta", "roberta-classifier", "distilbert",
        "distilbert-classifier", "mpnet", "mpnet-classifier",
    ])
    func aFoldersTokenizerIsTheLibrarys(_ name: String) throws {
        let expected = try TextFixtures.Expected(name)
        let files = try TextModelFiles(TextFixtures.folder(name), place: "")
        for (text, ids) in zip(expected.texts, expected.ids) {
            #expect(files.tokenizer.encode(text, countMax: files.tokenCountMax) == ids)
        }
    }

    @Test func aTextIsReadNoFurtherThanTheLimit() throws {
        let tokenizer = try TokenizerFile.tokenizer(
            "\(TextFixtures.root)/tokenizers/wordpiece.json")
        let long = String(repeating: "The quick brown fox. ", count: 50_000)
        let ids = tokenizer.encode(long, countMax: 16)
        #expect(ids.count == 16)
        #expect(ids.last == tokenizer.frame.after.last)
        let whole = tokenizer.encode("The quick brown fox. The quick brown fox.", countMax: 1_000)
        #expect(Array(ids.prefix(10)) == Array(whole.prefix(10)))
    }

    @Test func wordsOfAMegabyteAreBoundedWork() throws {
        let pairs = try TokenizerFile.tokenizer(
            "\(TextFixtures.root)/tokenizers/byte-level.json")
        let long = String(repeating: "ab", count: 100_000)
        #expect(pairs.encode(long, countMax: 1_000_000).count > 1_000)
        let pieces = try TokenizerFile.tokenizer(
            "\(TextFixtures.root)/tokenizers/wordpiece.json")
        #expect(pieces.encode(long, countMax: 1_000_000).count == 3)
    }

    @Test func whatIsNotKnownIsRefusedByName() throws {
        let directory = TextTexts()
        let unigram = #"{"model":{"type":"Unigram","vocab":[["a",0.5]]}}"#
        #expect(throws: InferenceError.self) { try directory.tokenizer(unigram) }
        let normalizer =
            #"{"normalizer":{"type":"Nmt"},"pre_tokenizer":{"type":"BertPreTokenizer"},"#
            + #""model":{"type":"WordPiece","vocab":{"[UNK]":0}}}"#
        do {
            _ = try directory.tokenizer(normalizer)
            Issue.record("it was taken")
        } catch InferenceError.unsupported(_, let found, _) {
            #expect(found == "normalizer Nmt")
        }
        let merge =
            #"{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0},"#
            + #""merges":["a b"]}}"#
        #expect(throws: InferenceError.self) { try directory.tokenizer(merge) }
        #expect(throws: InferenceError.self) { try directory.tokenizer("{") }
        #expect(throws: InferenceError.self) { try directory.tokenizer(#"{"model":{}}"#) }
    }
}

@Suite struct CharacterTests {
    private func numbers(_ name: String) throws -> Set<UInt32> {
        var all: Set<UInt32> = []
        for pair in try #require(try TextFixtures.json("characters.json")[name]?.array) {
            let ends = (pair.array ?? []).compactMap { $0.integer.map(UInt32.init) }
            all.formUnion(ends[0]...ends[1])
        }
        return all
    }

    private func compare(_ name: String, _ isOne: (Unicode.Scalar) -> Bool) throws {
        let expected = try numbers(name)
        var differing: [String] = []
        for value in UInt32(0)..<0x110000 {
            guard let scalar = Unicode.Scalar(value) else { continue }
            // What came after the library's tables stands in no text that it was asked about.
            let isYoung = (scalar.properties.age?.major ?? 99) > 14
            if isYoung { continue }
            if isOne(scalar) != expected.contains(value) {
                differing.append(String(value, radix: 16))
            }
        }
        #expect(differing.isEmpty, "\(name): \(differing.count): \(differing.prefix(40))")
    }

    @Test func classesAreTheLibrarys() throws {
        try compare("dropped") { CharacterClasses.isDropped($0) }
        try compare("ideograph") { CharacterClasses.isIdeograph($0) }
        try compare("punctuation") { CharacterClasses.isPunctuation($0) }
        try compare("accent") { CharacterClasses.isAccent($0) }
        try compare("letter") { CharacterClasses.wordClass($0) == .letter }
        try compare("number") { CharacterClasses.wordClass($0) == .number }
        try compare("wordSpace") { CharacterClasses.wordClass($0) == .space }
        try compare("space") { CharacterClasses.isSpace($0) && !CharacterClasses.isDropped($0) }
    }

    @Test func accentsAndCaseAreTheLibrarys() throws {
        let json = try TextFixtures.json("characters.json")
        for (name, form) in [
            ("stripped", stripped), ("lowered", { Array($0.properties.lowercaseMapping.unicodeScalars) }),
        ] as [(String, (Unicode.Scalar) -> [Unicode.Scalar])] {
            let rows = try #require(json[name]?.array)
            #expect(rows.count > 1_000)
            for row in rows {
                let values = (row.array ?? []).compactMap { $0.integer.map(UInt32.init) }
                let scalars = values.compactMap(Unicode.Scalar.init)
                #expect(form(scalars[0]) == Array(scalars.dropFirst()), "\(values)")
            }
        }
        #expect(stripped("한") == ["\u{1112}", "\u{1161}", "\u{11ab}"])
        #expect(stripped("하") == ["\u{1112}", "\u{1161}"])
    }

    private func stripped(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        var parts: [Unicode.Scalar] = []
        AccentStripper.forEachPart(of: scalar) { parts.append($0) }
        return parts
    }
}
