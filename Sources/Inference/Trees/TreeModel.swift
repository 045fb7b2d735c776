// Gradient-boosted trees: a model file of XGBoost, and predictor.json where there is one.

internal import Glibc
internal import LinearAlgebra
internal import Platform
internal import Weights

/// An ensemble of trees.
package final class TreeModel: Model {
    package let facts: ModelFacts
    private let ensemble: TreeEnsemble
    private let columns: TabularInputs
    private let outputs: TabularOutputs
    private let team: Team?

    package var inputs: [InputField] { columns.fields }

    private init(
        _ ensemble: TreeEnsemble, _ columns: TabularInputs, _ outputs: TabularOutputs,
        _ facts: ModelFacts, _ team: Team?
    ) {
        self.ensemble = ensemble
        self.columns = columns
        self.outputs = outputs
        self.facts = facts
        self.team = team
    }

    package func predict(_ rows: [[InputValue]]) throws(InferenceError) -> [Prediction] {
        let numbers = predict(values: try columns.matrix(rows), rowCount: rows.count)
        return try outputs.predictions([numbers], rowCount: rows.count)
    }

    /// The numbers that are predicted for rows of numbers.
    ///
    /// - Parameter values: for each row as many as there are inputs, NaN where one is missing, none
    ///   infinite.
    /// - Returns: for each row as many as there are classes, or values.
    package func predict(values: [Float], rowCount: Int) -> [Float] {
        ensemble.predict(values, rowCount: rowCount, team: team)
    }

    /// The sums of the leaves, before the objective makes predictions of them.
    func margins(values: [Float], rowCount: Int) -> [Float] {
        ensemble.margins(values, rowCount: rowCount, team: team)
    }

    // MARK: Opening

    static let kind = ModelKind(
        name: "gradient-boosted trees (a model that XGBoost saved, .json or .ubj)",
        tasks: [.tabularClassification, .tabularRegression],
        recognises: { !files(in: $0).isEmpty },
        files: { ModelFacts.descriptions(in: $0) + files(in: $0) },
        open: { (folder, task) throws(InferenceError) in
            try open(folder, task)
        })

    private static let endings = [".json", ".ubj", ".xgb", ".model", ".bin"]

    /// The files at the top that begin like a model of XGBoost.
    static func files(in folder: ModelFolder) -> [String] {
        folder.files.filter { name in
            !name.contains("/") && name != PredictorDescription.fileName
                && endings.contains { name.hasSuffix($0) }
                && isModel(folder.path(of: name))
        }
    }

    /// How far into a file the first names of a model stand.
    private static let headByteCount = 128

    /// Told by its first names, since other files are JSON, too: `learner` is the first, or the
    /// second after `version`, which tokenizers and descriptions have as well.
    private static func isModel(_ path: String) -> Bool {
        var head: [UInt8] = []
        do throws(Errno) {
            let file = try FileDescriptor.open(path, O_RDONLY)
            head = try file.readBytes(countMax: headByteCount)
        } catch { return false }
        let text = String(decoding: head, as: UTF8.self)
        return XGBoostModel.recognises(head)
            && (text.contains("\"learner\"") || text.contains("learner{"))
    }

    /// Opens a folder's model.
    ///
    /// - Parameter isShared: whether large batches are shared out among the team's threads.
    package static func open(
        _ folder: ModelFolder, _ asked: ModelTask?, isShared: Bool = true
    ) throws(InferenceError) -> TreeModel {
        let files = files(in: folder)
        guard files.count == 1, let file = files.first else {
            throw .malformed(
                path: folder.path,
                reason: files.isEmpty
                    ? "there is no model of XGBoost in the folder"
                    : "one model of XGBoost belongs in the folder, not \(files.count): "
                        + files.joined(separator: ", "))
        }
        let path = folder.path(of: file)
        let description = try PredictorDescription.read(in: folder)
        let model: XGBoostModel
        do throws(WeightFileError) { model = try XGBoostModel.open(path) } catch {
            throw InferenceError(error)
        }
        let ensemble = try TreeEnsemble(model, path: path)
        let fields = try fields(model, description, path)
        let scaler = try description?.scaler.map { source throws(InferenceError) in
            try RowScaler(
                source, folder: folder, subfolders: [""], file: description?.path ?? path,
                names: fields.map(\.name), standard: TabularInputs.scaledColumns(fields))
        }
        // The second class's probability is all that a binary objective gives.
        let width = ensemble.forest.groupCount
        let outputs = try TabularOutputs(
            TabularOutputs.Known(
                width: width, names: TabularOutputs.names(width),
                areProbabilities: ensemble.objective.isClassifier),
            description, asked: asked, scaler: description?.outputScaler, folder: folder,
            subfolders: [""])
        let facts = ModelFacts(
            task: outputs.task,
            architecture: "XGBoost, \(model.trees.count) trees, \(model.objective)",
            parameterCount: Int64(ensemble.forest.nodeCount),
            mappedByteCount: size(of: path), metrics: ModelFacts.metrics(description, in: folder),
            files: [file] + ModelFacts.descriptions(in: folder))
        return TreeModel(
            ensemble, TabularInputs(fields, scaler: scaler, takesMissing: true), outputs, facts,
            isShared ? Team.shared : nil)
    }

    private static func size(of path: String) -> Int64 {
        // It was read a moment ago.
        (try? FileDescriptor.open(path, O_RDONLY).size()) ?? 0
    }

    /// The inputs: those of predictor.json, by the names of the model's where it has names.
    private static func fields(
        _ model: XGBoostModel, _ description: PredictorDescription?, _ path: String
    ) throws(InferenceError) -> [InputField] {
        let names =
            model.featureNames.isEmpty
            ? (0..<model.featureCount).map { "f\($0)" } : model.featureNames
        guard let described = description?.inputs else {
            return zip(names, names.indices).map { name, index in
                InputField(name: name, kind: kind(model, index), isOptional: true)
            }
        }
        if described.count != model.featureCount {
            throw .malformed(
                path: description?.path ?? path,
                reason: "inputs: the model takes \(model.featureCount) features, and "
                    + "\(described.count) are described")
        }
        if model.featureNames.isEmpty { return described }
        for (field, name) in zip(described, model.featureNames) where field.name != name {
            throw .malformed(
                path: description?.path ?? path,
                reason: "inputs: '\(field.name)' stands where the model has '\(name)'")
        }
        return described
    }

    private static func kind(_ model: XGBoostModel, _ index: Int) -> InputKind {
        guard index < model.featureTypes.count else { return .number(range: nil) }
        switch model.featureTypes[index] {
        // Codes of categories, as they were in training.
        case "c":
            let names = index < model.categoryNames.count ? model.categoryNames[index] : []
            let isNamed = !names.isEmpty && Set(names).count == names.count
            return isNamed ? .category(names) : .integer(range: 0...(1 << 24) - 1)
        case "int": return .integer(range: nil)
        case "i": return .integer(range: 0...1)
        default: return .number(range: nil)
        }
    }
}
