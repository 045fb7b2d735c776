// Tokenizers from the files of older models: `vocab.txt`, or `vocab.json` with `merges.txt`, and
// `tokenizer_config.json` and `special_tokens_map.json` for what is not in them.

internal import JSON

/// The families of tokenizers by which older files are read.
enum TokenizerFamily: Equatable, Sendable {
    /// BERT and DistilBERT: `[CLS] … [SEP]`.
    case bert
    /// MPNet: WordPiece between `<s>` and `</s>`.
    case mpnet
    /// RoBERTa: byte pairs between `<s>` and `</s>`.
    case roberta
}

/// What stands in a folder beside a vocabulary.
struct VocabularyFiles {
    private let folder: ModelFolder
    /// The folder's name and `/`, or nothing: where in it the files are.
    private let place: String
    private let settings: JSONValue
    private let specialTokens: JSONValue
    private let family: TokenizerFamily

    /// The tokenizer of a folder, from `tokenizer.json` where there is one.
    static func tokenizer(
        in folder: ModelFolder, place: String, family: TokenizerFamily
    ) throws(InferenceError) -> Tokenizer {
        if folder.has(place + "tokenizer.json") {
            return try TokenizerFile.tokenizer(folder.path(of: place + "tokenizer.json"))
        }
        let files = try VocabularyFiles(folder, place: place, family: family)
        return try family == .roberta ? files.bytePairs() : files.wordPiece()
    }

    /// The files of a folder that `tokenizer` would read.
    static func names(in folder: ModelFolder, place: String) -> [String] {
        if folder.has(place + "tokenizer.json") { return [place + "tokenizer.json"] }
        return ["vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"]
            .map { place + $0 }.filter(folder.has)
    }

    private init(
        _ folder: ModelFolder, place: String, family: TokenizerFamily
    ) throws(InferenceError) {
        self.folder = folder
        self.place = place
        self.family = family
        settings = try VocabularyFiles.json("tokenizer_config.json", folder, place)
        specialTokens = try VocabularyFiles.json("special_tokens_map.json", folder, place)
    }

    private static func json(
        _ name: String, _ folder: ModelFolder, _ place: String
    ) throws(InferenceError) -> JSONValue {
        guard folder.has(place + name) else { return .object([:]) }
        return try DescriptionFile.json(folder.path(of: place + name))
    }

    // MARK: WordPiece

    private func wordPiece() throws(InferenceError) -> Tokenizer {
        let path = try self.path("vocab.txt")
        let bytes = try DescriptionFile.bytes(path)
        var words = Vocabulary(expectedCount: 1 << 15)
        var id: Int32 = 0
        try forEachLine(of: bytes, path) { (line) throws(InferenceError) in
            words.insert(bytes, in: line, id: id)
            id += 1
        }
        let unknown = token("unk_token", "[UNK]")
        guard let unknownID = words.id(of: unknown) else {
            throw .malformed(path: path, reason: "no '\(unknown)' in the vocabulary")
        }
        let lowersCase = settings["do_lower_case"]?.boolean ?? true
        let model = WordPiece(
            vocabulary: words.pieces(prefix: "##", unknown: unknownID, characterCountMax: 100),
            normalization: BERTNormalization(
                cleans: true,
                separatesIdeographs: settings["tokenize_chinese_chars"]?.boolean ?? true,
                dropsAccents: settings["strip_accents"]?.boolean ?? lowersCase,
                lowersCase: lowersCase))
        return try tokenizer(.wordPiece(model), words, path)
    }

    // MARK: Byte pairs

    private func bytePairs() throws(InferenceError) -> Tokenizer {
        let path = try self.path("vocab.json")
        let words = try DescriptionFile.read(path) { (reader) throws(JSONFault) in
            try Vocabulary(&reader)
        }
        let mergesPath = try self.path("merges.txt")
        let bytes = try DescriptionFile.bytes(mergesPath)
        var merges: [(left: Range<Int>, right: Range<Int>)] = []
        try forEachLine(of: bytes, mergesPath) { (line) throws(InferenceError) in
            let isComment = line.lowerBound == 0 && bytes.starts(with: Array("#version".utf8))
            if isComment || line.isEmpty { return }
            guard let pair = MergeText.split(bytes, in: line) else {
                throw .malformed(path: mergesPath, reason: "a line that is no merge of two")
            }
            merges.append(pair)
        }
        let model = try BytePairs(
            words: words, merges: merges, of: bytes, path: mergesPath,
            unknown: token("unk_token", "<unk>"),
            addsPrefixSpace: settings["add_prefix_space"]?.boolean ?? false, cutsWords: true,
            ignoresMerges: false)
        return try tokenizer(.bytePairs(model), words, path)
    }

    // MARK: Parts

    private func path(_ name: String) throws(InferenceError) -> String {
        guard folder.has(place + name) else {
            throw .unknownModel(
                folder: folder.path, found: folder.files)
        }
        return folder.path(of: place + name)
    }

    private func forEachLine(
        of bytes: [UInt8], _ path: String,
        _ body: (Range<Int>) throws(InferenceError) -> Void
    ) throws(InferenceError) {
        var (start, count) = (0, 0)
        while start < bytes.count {
            var end = start
            while end < bytes.count && bytes[end] != 0x0a { end += 1 }
            let hasReturn = end > start && bytes[end - 1] == 0x0d
            try body(start..<(hasReturn ? end - 1 : end))
            start = end + 1
            count += 1
            if count > Vocabulary.wordCountMax {
                throw .malformed(path: path, reason: "too many lines")
            }
        }
    }

    /// A special token, as one of the files names it: a text, or an object with its text.
    private func token(_ name: String, _ standard: String) -> String {
        for value in [specialTokens[name], settings[name]] {
            if let text = value?.string ?? value?["content"]?.string { return text }
        }
        return standard
    }

    private func tokenizer(
        _ model: TokenizerModel, _ words: Vocabulary, _ path: String
    ) throws(InferenceError) -> Tokenizer {
        let isBERT = family == .bert
        let first = token("cls_token", isBERT ? "[CLS]" : "<s>")
        let last = token("sep_token", isBERT ? "[SEP]" : "</s>")
        guard let firstID = words.id(of: first), let lastID = words.id(of: last) else {
            throw .malformed(path: path, reason: "no '\(first)' or '\(last)' in the vocabulary")
        }
        let unknown = token("unk_token", family == .roberta ? "<unk>" : "[UNK]")
        let padding = token("pad_token", isBERT ? "[PAD]" : "<pad>")
        let mask = token("mask_token", isBERT ? "[MASK]" : "<mask>")
        let added = [first, last, unknown, padding, mask].compactMap { text in
            words.id(of: text).map { id in
                AddedToken(
                    content: Array(text.utf8), id: id, takesSpaceBefore: text == mask && !isBERT)
            }
        }
        return Tokenizer(
            model: model, added: AddedTokens(added),
            frame: TokenFrame(before: [firstID], after: [lastID]), path: path)
    }
}
