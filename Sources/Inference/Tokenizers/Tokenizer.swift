// From a text to the ids that a model takes: added tokens, the model's own tokenizer, the tokens
// around it, and the limit.

/// A tokenizer of one of the two families.
enum TokenizerModel: Sendable {
    case wordPiece(WordPiece)
    case bytePairs(BytePairs)

    /// Appends the ids of a part of a text, until the sink is full.
    func encode(_ text: [UInt8], in range: Range<Int>, to sink: inout TokenSink) {
        switch self {
        case .wordPiece(let model): model.encode(text, in: range, to: &sink)
        case .bytePairs(let model): model.encode(text, in: range, to: &sink)
        }
    }
}

/// The tokens before and behind a text.
struct TokenFrame: Equatable, Sendable {
    var before: [Int32] = []
    var after: [Int32] = []
}

/// Turns texts into ids.
package struct Tokenizer: Sendable {
    let model: TokenizerModel
    let added: AddedTokens
    let frame: TokenFrame
    /// The file that it was made from.
    let path: String

    /// How many tokens stand around a text.
    var frameCount: Int { frame.before.count + frame.after.count }

    /// The ids of a text with the tokens around it, `countMax` of them at most.
    ///
    /// What a text has beyond that is not even looked at.
    package func encode(_ text: String, countMax: Int) -> [Int32] {
        let room = max(0, countMax - frameCount)
        var sink = TokenSink(countMax: room)
        let bytes = Array(text.utf8)
        added.forEachPart(of: bytes) { part in
            switch part {
            case .token(let id): sink.append(id)
            case .text(let range): model.encode(bytes, in: range, to: &sink)
            }
            return !sink.isFull
        }
        return frame.before + sink.ids + frame.after
    }
}
