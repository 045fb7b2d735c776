// `tokenizer.json`: everything that the fast tokenizers know of one model, in one file.
//
// The vocabulary is read straight into its table; the rest is small and is read as values. What is
// not known here is an error that names it: a tokenizer that is nearly right gives wrong vectors.

internal import JSON

/// What stands in a `tokenizer.json`.
struct TokenizerFile {
    private let path: String
    private var settings: [String: JSONValue] = [:]
    private var modelSettings: [String: JSONValue] = [:]
    private var words: Vocabulary?
    private var merges: [(left: Range<Int>, right: Range<Int>)] = []
    private var mergeBytes: [UInt8] = []

    /// Reads the file.
    static func tokenizer(_ path: String) throws(InferenceError) -> Tokenizer {
        let file = try DescriptionFile.read(path) { (reader) throws(JSONFault) in
            var file = TokenizerFile(unread: path)
            try reader.object { (reader, name) throws(JSONFault) in
                if name == "model" {
                    try file.readModel(&reader)
                } else {
                    file.settings[name] = try reader.value()
                }
            }
            return file
        }
        return try file.tokenizer()
    }

    private init(unread path: String) {
        self.path = path
    }

    // MARK: Reading

    private mutating func readModel(_ reader: inout ModelJSONReader) throws(JSONFault) {
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "vocab" where reader.peek() == UInt8(ascii: "{"):
                words = try Vocabulary(&reader)
            case "merges": try readMerges(&reader)
            case "vocab": try reader.skip()  // A list, as Unigram has it: refused by its type.
            default: modelSettings[name] = try reader.value()
            }
        }
    }

    /// Merges are texts with a blank between the two, or lists of two texts.
    private mutating func readMerges(_ reader: inout ModelJSONReader) throws(JSONFault) {
        try reader.array { (reader) throws(JSONFault) in
            let start = mergeBytes.count
            if reader.peek() == UInt8(ascii: "[") {
                var ends: [Int] = []
                try reader.array { (reader) throws(JSONFault) in
                    try reader.appendString(to: &mergeBytes)
                    ends.append(mergeBytes.count)
                }
                guard ends.count == 2 else { throw reader.fault("a merge that is none of two") }
                merges.append((start..<ends[0], ends[0]..<ends[1]))
            } else {
                try reader.appendString(to: &mergeBytes)
                guard let pair = MergeText.split(mergeBytes, in: start..<mergeBytes.count) else {
                    throw reader.fault("a merge that is none of two")
                }
                merges.append(pair)
            }
        }
    }

    // MARK: Making

    private func tokenizer() throws(InferenceError) -> Tokenizer {
        guard let words, words.count > 0 else { throw unsupportedModel() }
        let model: TokenizerModel =
            switch modelSettings["type"]?.string ?? (merges.isEmpty ? "WordPiece" : "BPE") {
            case "WordPiece": .wordPiece(try wordPiece(words))
            case "BPE": .bytePairs(try bytePairs(words))
            default: throw unsupportedModel()
            }
        return Tokenizer(
            model: model, added: AddedTokens(try addedTokens()), frame: try frame(), path: path)
    }

    private func wordPiece(_ words: Vocabulary) throws(InferenceError) -> WordPiece {
        guard isPlain("pre_tokenizer", ["BertPreTokenizer"]) else {
            throw unsupported("pre_tokenizer", ["BertPreTokenizer"])
        }
        let unknown = modelSettings["unk_token"]?.string ?? "[UNK]"
        let prefix = modelSettings["continuing_subword_prefix"]?.string ?? "##"
        let limit = modelSettings["max_input_chars_per_word"]?.integer ?? 100
        guard (1...WordPiece.characterCountMax).contains(limit) else {
            throw malformed("max_input_chars_per_word of \(limit)")
        }
        guard let unknown = words.id(of: unknown) else {
            throw malformed("no '\(unknown)' in its vocabulary")
        }
        return WordPiece(
            vocabulary: words.pieces(
                prefix: prefix, unknown: unknown, characterCountMax: limit),
            normalization: try normalization())
    }

    private func normalization() throws(InferenceError) -> BERTNormalization {
        guard let settings = settings["normalizer"], !settings.isNull else { return .none }
        guard settings["type"]?.string == "BertNormalizer" else {
            throw unsupported("normalizer", ["BertNormalizer"])
        }
        let lowersCase = settings["lowercase"]?.boolean ?? true
        return BERTNormalization(
            cleans: settings["clean_text"]?.boolean ?? true,
            separatesIdeographs: settings["handle_chinese_chars"]?.boolean ?? true,
            dropsAccents: settings["strip_accents"]?.boolean ?? lowersCase,
            lowersCase: lowersCase)
    }

    private func bytePairs(_ words: Vocabulary) throws(InferenceError) -> BytePairs {
        if let normalizer = settings["normalizer"], !normalizer.isNull {
            throw unsupported("normalizer", ["none"])
        }
        guard let cutter = settings["pre_tokenizer"], cutter["type"]?.string == "ByteLevel" else {
            throw unsupported("pre_tokenizer", ["ByteLevel"])
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = modelSettings[name]?.string, !affix.isEmpty {
                throw malformed("\(name) '\(affix)' where there can be none")
            }
        }
        return try BytePairs(
            words: words, merges: merges, of: mergeBytes, path: path,
            unknown: modelSettings["unk_token"]?.string,
            addsPrefixSpace: cutter["add_prefix_space"]?.boolean ?? true,
            cutsWords: cutter["use_regex"]?.boolean ?? true,
            ignoresMerges: modelSettings["ignore_merges"]?.boolean ?? false)
    }

    private func addedTokens() throws(InferenceError) -> [AddedToken] {
        var tokens: [AddedToken] = []
        let lowersCase =
            settings["normalizer"]?["type"]?.string == "BertNormalizer"
            && settings["normalizer"]?["lowercase"]?.boolean ?? true
        for entry in settings["added_tokens"]?.array ?? [] {
            guard let content = entry["content"]?.string, !content.isEmpty,
                let id = entry["id"]?.integer.flatMap({ Int32(exactly: $0) }), id >= 0
            else { throw malformed("an added token without content or id") }
            tokens.append(
                AddedToken(
                    content: Array(content.utf8), id: id,
                    isSingleWord: entry["single_word"]?.boolean ?? false,
                    takesSpaceBefore: entry["lstrip"]?.boolean ?? false,
                    takesSpaceAfter: entry["rstrip"]?.boolean ?? false,
                    ignoresCase: lowersCase && entry["normalized"]?.boolean ?? false))
        }
        return tokens
    }

    // MARK: What stands around a text

    private func frame() throws(InferenceError) -> TokenFrame {
        guard let settings = settings["post_processor"], !settings.isNull else {
            return TokenFrame()
        }
        return try frame(settings)
    }

    private func frame(_ settings: JSONValue) throws(InferenceError) -> TokenFrame {
        switch settings["type"]?.string {
        case "BertProcessing", "RobertaProcessing":
            guard let first = settings["cls"]?.array?.last?.integer.flatMap({ Int32(exactly: $0) }),
                let last = settings["sep"]?.array?.last?.integer.flatMap({ Int32(exactly: $0) })
            else { throw malformed("a post_processor without its tokens") }
            return TokenFrame(before: [first], after: [last])
        case "TemplateProcessing": return try template(settings)
        case "ByteLevel": return TokenFrame()
        case "Sequence":
            var frame = TokenFrame()
            for part in settings["processors"]?.array ?? [] {
                let inner = try self.frame(part)
                frame.before = inner.before + frame.before
                frame.after += inner.after
            }
            return frame
        default:
            throw unsupported(
                "post_processor",
                ["BertProcessing", "RobertaProcessing", "TemplateProcessing", "ByteLevel"])
        }
    }

    private func template(_ settings: JSONValue) throws(InferenceError) -> TokenFrame {
        var frame = TokenFrame()
        var isBehind = false
        for piece in settings["single"]?.array ?? [] {
            if piece["Sequence"] != nil {
                isBehind = true
                continue
            }
            guard let name = piece["SpecialToken"]?["id"]?.string,
                let ids = settings["special_tokens"]?[name]?["ids"]?.array
            else { throw malformed("a template whose tokens are not told") }
            let known = ids.compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
            if isBehind { frame.after += known } else { frame.before += known }
        }
        if !isBehind { throw malformed("a template without the text") }
        return frame
    }

    // MARK: Errors

    private func isPlain(_ name: String, _ types: [String]) -> Bool {
        settings[name]?["type"]?.string.map(types.contains) ?? false
    }

    private func malformed(_ reason: String) -> InferenceError {
        .malformed(path: path, reason: reason)
    }

    private func unsupported(_ name: String, _ supported: [String]) -> InferenceError {
        let value = settings[name]
        let found = value?["type"]?.string ?? (value == nil || value?.isNull == true ? "none" : "?")
        return .unsupported(
            path: path, found: "\(name) \(found)", supported: supported.map { "\(name) \($0)" })
    }

    private func unsupportedModel() -> InferenceError {
        .unsupported(
            path: path, found: "a tokenizer of type \(modelSettings["type"]?.string ?? "unknown")",
            supported: ["WordPiece", "byte-level BPE"])
    }
}

extension Vocabulary {
    /// Reads an object of words and ids.
    init(_ reader: inout ModelJSONReader) throws(JSONFault) {
        self.init(expectedCount: 1 << 15)
        var name: [UInt8] = []
        try reader.objectOfBytes(name: &name) { (reader, word) throws(JSONFault) in
            insert(word, id: try reader.identifier())
            if count > Vocabulary.wordCountMax { throw reader.fault("too many words") }
        }
    }

    /// The same with what continues a word in a table of its own.
    func pieces(prefix: String, unknown: Int32, characterCountMax: Int) -> WordPieceVocabulary {
        let prefix = Array(prefix.utf8)
        var pieces = WordPieceVocabulary(
            words: self, continuations: Vocabulary(expectedCount: count / 4), unknown: unknown,
            prefix: prefix, characterCountMax: characterCountMax)
        forEachWord { bytes, range, id in
            if range.count > prefix.count,
                bytes[range.lowerBound..<range.lowerBound + prefix.count].elementsEqual(prefix)
            {
                let rest = range.lowerBound + prefix.count..<range.upperBound
                pieces.continuations.insert(bytes, in: rest, id: id)
            }
        }
        return pieces
    }
}
