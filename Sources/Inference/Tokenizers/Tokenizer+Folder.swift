// A tokenizer by itself, for comparisons with other libraries.

internal import JSON

extension Tokenizer {
    /// Opens the tokenizer of a model's folder.
    package init(_ folder: ModelFolder) throws(InferenceError) {
        let path = folder.path(of: "config.json")
        let family: TokenizerFamily
        if folder.has("config.json") {
            family = try EncoderConfiguration(try DescriptionFile.json(path), path: path).family
                .tokenizerFamily
        } else {
            family = folder.has("vocab.txt") ? .bert : .roberta
        }
        self = try VocabularyFiles.tokenizer(in: folder, place: "", family: family)
    }
}

/// Lines of JSON texts.
package enum TextLines {
    /// The text that a line has as a JSON string.
    package static func text(_ line: String) throws(InferenceError) -> String {
        var reader = ModelJSONReader(model: Array(line.utf8))
        do throws(JSONFault) {
            let text = try reader.string()
            try reader.end()
            return text
        } catch { throw .malformed(path: "-", reason: error.reason) }
    }
}
