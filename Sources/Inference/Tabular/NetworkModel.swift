// A tabular network of PyTorch: a checkpoint, and predictor.json for its architecture.

internal import Platform
internal import Weights

/// A network whose architecture predictor.json tells.
final class NetworkModel: Model {
    let facts: ModelFacts
    private let graph: NetworkGraph
    private let columns: TabularInputs
    private let outputs: TabularOutputs

    var inputs: [InputField] { columns.fields }

    private init(
        _ graph: NetworkGraph, _ columns: TabularInputs, _ outputs: TabularOutputs,
        _ facts: ModelFacts
    ) {
        self.graph = graph
        self.columns = columns
        self.outputs = outputs
        self.facts = facts
    }

    func predict(_ rows: [[InputValue]]) throws(InferenceError) -> [Prediction] {
        let numbers = graph.evaluate(try columns.matrix(rows), rowCount: rows.count)
        return try outputs.predictions([numbers], rowCount: rows.count)
    }

    // MARK: Opening

    static let kind = ModelKind(
        name: "tabular network in PyTorch (a checkpoint, and predictor.json with its layers)",
        tasks: [.tabularRegression, .tabularClassification],
        recognises: { folder in
            // What cannot be read is said when it is opened.
            guard folder.has(PredictorDescription.fileName) else { return false }
            let path = folder.path(of: PredictorDescription.fileName)
            guard let json = try? DescriptionFile.json(path) else { return true }
            return json["network"] != nil
        },
        files: { folder in
            [PredictorDescription.fileName] + folder.files.filter(isCheckpoint)
        },
        open: { (folder, task) throws(InferenceError) in try open(folder, task) })

    private static let endings = [".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz"]

    private static func isCheckpoint(_ name: String) -> Bool {
        endings.contains { name.hasSuffix($0) }
    }

    static func open(
        _ folder: ModelFolder, _ task: ModelTask?
    ) throws(InferenceError) -> NetworkModel {
        guard let description = try PredictorDescription.read(in: folder) else {
            throw .file(path: folder.path(of: PredictorDescription.fileName), .noEntry)
        }
        let path = description.path
        guard let network = description.network, let fields = description.inputs else {
            throw .malformed(path: path, reason: "network and inputs are needed for a checkpoint")
        }
        let file = try checkpoint(network, folder, path)
        let weights = try weights(network, folder.path(of: file))
        let graph = try NetworkBuilder.graph(
            network, inputNames: fields.map(\.name), weights: weights)
        let width = graph.outputs.reduce(0) { $0 + graph.shape(of: $1).reduce(1, *) }
        let scaler = try description.scaler.map { source throws(InferenceError) in
            try RowScaler(
                source, folder: folder, subfolders: [""], file: path, names: fields.map(\.name),
                standard: TabularInputs.scaledColumns(fields))
        }
        let outputs = try TabularOutputs(
            TabularOutputs.Known(
                width: width, names: TabularOutputs.names(width), areProbabilities: false),
            description, asked: task, scaler: description.outputScaler, folder: folder,
            subfolders: [""])
        let parameterCount = weights.tensors.values.reduce(Int64(0)) {
            $0 + Int64($1.elementCount)
        }
        let facts = ModelFacts(
            task: outputs.task, architecture: words(network, fields.count),
            parameterCount: parameterCount,
            mappedByteCount: weights.files.reduce(0) { $0 + Int64($1.byteCount) },
            metrics: ModelFacts.metrics(description, in: folder),
            files: [file] + ModelFacts.descriptions(in: folder))
        return NetworkModel(
            graph, TabularInputs(fields, scaler: scaler, takesMissing: false), outputs, facts)
    }

    private static func checkpoint(
        _ network: NetworkDescription, _ folder: ModelFolder, _ path: String
    ) throws(InferenceError) -> String {
        if let name = network.weights {
            if folder.has(name) { return name }
            throw .malformed(
                path: path, reason: "network.weights: there is no file '\(name)' in the folder")
        }
        let found = folder.files.filter(isCheckpoint)
        if found.count == 1 { return found[0] }
        throw .malformed(
            path: path,
            reason: found.isEmpty
                ? "there is no checkpoint in the folder (\(endings.joined(separator: ", ")))"
                : "network.weights: one of \(found.joined(separator: ", ")) belongs here")
    }

    private static func weights(
        _ network: NetworkDescription, _ path: String
    ) throws(InferenceError) -> WeightSet {
        do throws(WeightFileError) {
            guard let state = network.state else { return try WeightSet.open(path) }
            let checkpoint = try Checkpoint.open(path)
            do throws(WeightError) { return try checkpoint.weights(at: state) } catch {
                throw .invalid(path: path, error)
            }
        } catch { throw InferenceError(error) }
    }

    /// Such as `PyTorch network of 8 inputs: feature_tokenizer, transformer_encoder, linear`.
    private static func words(_ network: NetworkDescription, _ inputCount: Int) -> String {
        var kinds: [String] = []
        for layer in network.layers {
            var layer = layer
            if let kind = layer.take("kind")?.string, kind != kinds.last { kinds.append(kind) }
        }
        return "PyTorch network of \(inputCount) inputs: " + kinds.joined(separator: ", ")
    }
}
