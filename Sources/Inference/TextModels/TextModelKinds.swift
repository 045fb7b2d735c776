// The kinds of text models, as the list of all kinds has them.

extension ModelKind {
    /// Encoders with a head that gives labels; asked for, also the vectors without it.
    package static let textClassifiers = ModelKind(
        name: "text classifiers (BERT, RoBERTa, DistilBERT, MPNet) with config.json",
        tasks: [.textClassification, .embedding],
        recognises: { folder in
            guard folder.has("config.json"), TextModelFiles.isDescribed(folder) else {
                return false
            }
            let settings: JSONValue
            do throws(InferenceError) {
                settings = try DescriptionFile.json(folder.path(of: "config.json"))
            } catch { return false }
            let architectures = settings["architectures"]?.array ?? []
            return architectures.contains {
                $0.string?.hasSuffix("ForSequenceClassification") ?? false
            }
        },
        open: { (folder, task) throws(InferenceError) in
            switch task {
            case nil, .textClassification: try TextClassifier(folder)
            case .embedding: try SentenceEncoder(folder)
            case .tabularClassification?, .tabularRegression?:
                throw .wrongTask(
                    asked: task ?? .embedding, possible: [.textClassification, .embedding])
            }
        })

    /// Encoders that give a vector for a text.
    package static let sentenceEncoders = ModelKind(
        name: "sentence encoders (BERT, RoBERTa, DistilBERT, MPNet) with config.json",
        tasks: [.embedding],
        recognises: TextModelFiles.isDescribed,
        open: { (folder, task) throws(InferenceError) in
            if let task, task != .embedding {
                throw .wrongTask(asked: task, possible: [.embedding])
            }
            return try SentenceEncoder(folder)
        })
}
