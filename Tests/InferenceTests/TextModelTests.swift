// Vectors and probabilities are those of `transformers`, and what is wrong is told.

import LinearAlgebra
import Platform
import TestSupport
import Testing

@testable import Inference

/// A place for single files.
final class TextTexts {
    private let directory = TemporaryDirectory()

    func tokenizer(_ text: String) throws -> Tokenizer {
        let path = "\(directory.path)/tokenizer.json"
        try writeFile(path, Array(text.utf8))
        return try TokenizerFile.tokenizer(path)
    }
}

private func open(_ folder: ModelFolder, _ task: ModelTask? = nil) throws -> any Model {
    let kinds = [ModelKind.textClassifiers, .sentenceEncoders]
    let kind = try #require(kinds.first { $0.recognises(folder) })
    return try kind.open(folder, task)
}

private func rows(_ texts: [String]) -> [[InputValue]] { texts.map { [.text($0)] } }

/// The numbers of a prediction, in the order of the library's.
private func numbers(_ prediction: Prediction) -> [Double] {
    switch prediction {
    case .embedding(let vector): vector.map(Double.init)
    case .labels(let labels):
        ["bad", "fair", "good"].map { name in
            labels.first { $0.label == name }?.probability ?? .nan
        }
    case .values(let values): values.map(\.value)
    }
}

/// The largest difference, by the largest of the expected numbers.
private func difference(_ found: [Double], _ expected: [Double]) -> Double {
    if found.count != expected.count { return .infinity }
    let size = expected.map { abs($0) }.max() ?? 0
    return (zip(found, expected).map { abs($0 - $1) }.max() ?? 0) / max(size, 1e-9)
}

@Suite struct TextModelTests {
    @Test(arguments: [
        "bert", "bert-fp16", "bert-bf16", "roberta", "distilbert", "mpnet", "bert-classifier",
        "roberta-classifier", "distilbert-classifier", "mpnet-classifier",
    ])
    func answersAreTheLibrarys(_ name: String) throws {
        let expected = try TextFixtures.Expected(name)
        let model = try open(TextFixtures.folder(name))
        let together = try model.predict(rows(expected.texts))
        #expect(together.count == expected.answers.count)
        for (index, answer) in expected.answers.enumerated() {
            let alone = try model.predict(rows([expected.texts[index]]))
            #expect(difference(numbers(together[index]), answer) < 1e-4)
            #expect(difference(numbers(alone[0]), answer) < 1e-4)
        }
    }

    @Test func batchesAreCutIntoPieces() throws {
        let expected = try TextFixtures.Expected("bert")
        let model = try open(TextFixtures.folder("bert"))
        let texts = (0..<2_000).map { expected.texts[$0 % expected.texts.count] }
        let predictions = try model.predict(rows(texts))
        for (index, prediction) in predictions.enumerated() {
            let answer = expected.answers[index % expected.answers.count]
            #expect(difference(numbers(prediction), answer) < 1e-4)
        }
    }

    @Test func manyThreadsMayAsk() throws {
        let expected = try TextFixtures.Expected("roberta")
        let model = try open(TextFixtures.folder("roberta"))
        let wrongCount = Lock(0)
        var threads: [ThreadBox] = []
        for _ in 0..<6 {
            threads.append(
                try ThreadBox(named: "asks") {
                    for _ in 0..<5 {
                        let found = try? model.predict(rows(expected.texts))
                        let isRight = found.map { found in
                            zip(found, expected.answers).allSatisfy {
                                difference(numbers($0), $1) < 1e-4
                            }
                        }
                        if isRight != true { wrongCount.withLock { $0 += 1 } }
                    }
                })
        }
        for thread in threads { thread.join() }
        #expect(wrongCount.withLock { $0 } == 0)
    }

    @Test func factsAreTold() throws {
        let model = try open(TextFixtures.folder("bert-classifier"))
        #expect(model.facts.task == .textClassification)
        #expect(model.facts.architecture == "BERT encoder, 2 layers, 24 wide, 3 labels")
        #expect(model.facts.files.first == "model.safetensors")
        #expect(model.facts.parameterCount * 4 == model.facts.mappedByteCount)
        #expect(model.inputs.map(\.name) == ["text"])
        let vectors = try open(TextFixtures.folder("bert-classifier"), .embedding)
        guard case .embedding(let vector) = try vectors.predict(rows(["a"]))[0] else {
            Issue.record("no vector")
            return
        }
        #expect(vector.count == 24)
    }

    @Test func mpnetsDistancesHaveTheirBuckets() {
        let near = (-8...8).map { DistanceBuckets.bucket(of: $0, count: 32) }
        #expect(near == [8, 7, 6, 5, 4, 3, 2, 1, 0, 17, 18, 19, 20, 21, 22, 23, 24])
        #expect(DistanceBuckets.bucket(of: 1_000, count: 32) == 31)
        #expect(DistanceBuckets.bucket(of: -16, count: 32) == 10)
    }

    @Test func theNearestAreFound() {
        let index = EmbeddingIndex([[1, 0], [0, 2], [3, 3], [-1, 0]])
        let found = index.nearest(to: [5, 0.1], countMax: 2)
        #expect(found.map(\.index) == [0, 2])
        #expect(found[0].similarity > 0.999)
        #expect(abs(Similarity.cosine([1, 1], [2, 0]) - 0.70710678) < 1e-6)
        #expect(Similarity.cosine([0, 0], [1, 0]) == 0)
        #expect(EmbeddingIndex([]).nearest(to: [], countMax: 3).isEmpty)
    }

    @Test func piecesHoldAllTextsInOrder() {
        for threadCount in 1...4 {
            for lengths in [[], [5], [600], [64, 64], Array(repeating: 17, count: 100)] {
                let pieces = PieceCut(lengths, tokenCountMax: 600, threadCount: threadCount).pieces
                #expect(pieces.flatMap { Array($0) } == Array(lengths.indices))
                #expect(pieces.allSatisfy { $0.reduce(0) { $0 + lengths[$1] } <= 600 })
            }
        }
        let even = PieceCut(Array(repeating: 16, count: 32), tokenCountMax: 600, threadCount: 2)
        #expect(even.pieces == [0..<16, 16..<32])
    }
}

@Suite struct BadTextModelTests {
    private func failure(
        _ name: String, replacing: [String: String] = [:], bytes: [String: [UInt8]] = [:],
        texts: [String] = ["a"]
    ) throws -> InferenceError? {
        let directory = TemporaryDirectory()
        var files = bytes
        for (file, text) in replacing { files[file] = Array(text.utf8) }
        let folder = try TextFixtures.copy(name, to: directory, replacing: files)
        do throws(InferenceError) {
            let kinds = [ModelKind.textClassifiers, .sentenceEncoders]
            guard let kind = kinds.first(where: { $0.recognises(folder) }) else { return nil }
            _ = try kind.open(folder, nil).predict(rows(texts))
            return nil
        } catch { return error }
    }

    private func config(_ name: String, _ from: String, _ to: String) throws -> String {
        let path = "\(TextFixtures.root)/\(name)/config.json"
        let text = String(decoding: try DescriptionFile.bytes(path), as: UTF8.self)
        #expect(text.contains(from))
        let parts = text.split(separator: from, omittingEmptySubsequences: false)
        return parts.joined(separator: to)
    }

    @Test func `a known answer may stand beside a text model`() throws {
        let directory = TemporaryDirectory()
        let known = try TextFixtures.copy("bert", to: directory, replacing: [:])
        let described = ModelFolder(path: known.path, files: known.files + ["predictor.json"])
        #expect(ModelKind.sentenceEncoders.recognises(described))
        try writeFile(known.path(of: "config.json"), Array(#"{"model_type":"table"}"#.utf8))
        #expect(!ModelKind.sentenceEncoders.recognises(described))
        #expect(ModelKind.sentenceEncoders.recognises(known))
    }

    @Test func anUnknownArchitectureIsNamed() throws {
        let text = try config("bert", #""model_type":"bert""#, #""model_type":"llama""#)
        guard
            case .unsupported(_, let found, let supported)? = try failure(
                "bert", replacing: ["config.json": text])
        else {
            Issue.record("another error")
            return
        }
        #expect(found == "model_type llama")
        #expect(supported == ["bert", "roberta", "distilbert", "mpnet"])
    }

    @Test func sizesThatDoNotFitAreTold() throws {
        let wide = try config("bert", #""intermediate_size":40"#, #""intermediate_size":41"#)
        guard
            case .wrongTensor(let name, _, _)? = try failure(
                "bert", replacing: ["config.json": wide])
        else {
            Issue.record("another error")
            return
        }
        #expect(name == "encoder.layer.0.intermediate.dense.weight")
        let deep = try config("bert", #""num_hidden_layers":2"#, #""num_hidden_layers":3"#)
        #expect(
            try failure("bert", replacing: ["config.json": deep])
                == .missingTensor(name: "encoder.layer.2.attention.self.query.weight"))
        let heads = try config("bert", #""num_attention_heads":3"#, #""num_attention_heads":5"#)
        guard case .malformed? = try failure("bert", replacing: ["config.json": heads]) else {
            Issue.record("another error")
            return
        }
    }

    @Test func wordsBeyondTheWeightsAreTold() throws {
        let text =
            #"{"pre_tokenizer":{"type":"BertPreTokenizer"},"#
            + #""model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":100000}}}"#
        guard case .malformed? = try failure("bert", replacing: ["tokenizer.json": text]) else {
            Issue.record("another error")
            return
        }
    }

    @Test func weightsThatAreNoNumbersAreTold() throws {
        let path = "\(TextFixtures.root)/bert/model.safetensors"
        var bytes = try DescriptionFile.bytes(path)
        let json = bytes[..<8].enumerated().reduce(8) { $0 + Int($1.element) << (8 * $1.offset) }
        // Every value: vectors and matrices are both checked, each in its way.
        for index in json..<bytes.count { bytes[index] = 0xff }
        guard
            case .wrongTensor(_, let found, _)? = try failure(
                "bert", bytes: ["model.safetensors": bytes])
        else {
            Issue.record("another error")
            return
        }
        #expect(found.contains("NaN"))
        // A matrix is not read when a model is opened; its numbers are missed in the answer.
        bytes = try DescriptionFile.bytes(path)
        let header = String(decoding: bytes[8..<json], as: UTF8.self)
        let name = "\"encoder.layer.0.attention.self.query.weight\""
        let entry = try #require(header.split(separator: name).last)
        let offsets = try #require(entry.split(separator: "[").dropFirst(2).first)
        let start = try #require(offsets.split(separator: ",").first.flatMap { Int($0) })
        for index in json + start..<json + start + 4 { bytes[index] = 0xff }
        #expect(
            try failure("bert", bytes: ["model.safetensors": bytes]) == .notANumber(rowIndex: 0))
    }

    @Test func emptyTextsAndOtherValuesAreRefused() throws {
        guard
            case .row(let index, let field, _)? = try failure("bert", texts: ["a", "", "b"])
        else {
            Issue.record("another error")
            return
        }
        #expect(index == 1 && field == "text")
        let model = try open(TextFixtures.folder("bert"))
        #expect(throws: InferenceError.self) { try model.predict([[.number(1)]]) }
        #expect(throws: InferenceError.self) { try model.predict([[]]) }
        #expect(try model.predict([]).isEmpty)
    }

    @Test func aTaskThatIsNoneOfTheModelsIsRefused() throws {
        #expect(throws: InferenceError.self) {
            try ModelKind.sentenceEncoders.open(
                TextFixtures.folder("bert"), .textClassification)
        }
    }

    @Test func errorsAreSentences() {
        let errors: [InferenceError] = [
            .missingTensor(name: "x"), .notANumber(rowIndex: 2),
            .unsupported(path: "p", found: "f", supported: ["a", "b"]),
            .unknownModel(folder: "f", found: []),
        ]
        for error in errors { #expect("\(error)".count > 20) }
        // The field by itself: a table has the row's number in a column of its own.
        let row = InferenceError.row(index: 0, field: "text", reason: "is empty")
        #expect("\(row)" == "text: is empty")
    }
}
