// A Keras network, or an ensemble of the folds of a cross-validation.
//
// The folds are alike in their inputs and outputs, and each has its own scalers. What is predicted
// is the mean over the folds, with the deviation between them.

/// One or several Keras networks.
final class KerasModel: Model {
    let facts: ModelFacts
    let inputs: [InputField]
    private let members: [Member]
    private let outputs: TabularOutputs

    /// A network with its scalers.
    private struct Member: Sendable {
        let graph: NetworkGraph
        let columns: TabularInputs
        let outputScaler: RowScaler?
    }

    func predict(_ rows: [[InputValue]]) throws(InferenceError) -> [Prediction] {
        var numbers: [[Float]] = []
        for member in members {
            let values = member.graph.evaluate(
                try member.columns.matrix(rows), rowCount: rows.count)
            numbers.append(unscaled(values, rowCount: rows.count, member.outputScaler))
        }
        return try outputs.predictions(numbers, rowCount: rows.count)
    }

    private func unscaled(_ values: [Float], rowCount: Int, _ scaler: RowScaler?) -> [Float] {
        guard let scaler, rowCount > 0 else { return values }
        let width = values.count / rowCount
        var result: [Float] = []
        result.reserveCapacity(values.count)
        for row in 0..<rowCount {
            var numbers = values[row * width..<(row + 1) * width].map(Double.init)
            scaler.unscale(&numbers)
            result += numbers.map { Float($0) }
        }
        return result
    }

    // MARK: Opening

    static let kind = ModelKind(
        name: "Keras network (.h5 with its model_config), or a folder of folds",
        tasks: [.tabularRegression, .tabularClassification],
        recognises: { !files(in: $0).isEmpty },
        files: { folder in
            let scalers = folder.files.filter { name in
                [".pkl", ".joblib", ".pickle"].contains { name.hasSuffix($0) }
            }
            return ModelFacts.descriptions(in: folder) + files(in: folder) + scalers
        },
        open: { (folder, task) throws(InferenceError) in try KerasModel(folder, task) })

    private static let endings = [".h5", ".hdf5", ".keras"]

    /// More folds than anybody trains.
    private static let foldCountMax = 100

    /// The folder's networks: one at the top, or else one in each folder below.
    static func files(in folder: ModelFolder) -> [String] {
        let all = folder.files.filter { name in
            endings.contains { name.hasSuffix($0) } && name != "tf_model.h5"
                && !name.hasSuffix(".weights.h5")
        }
        let top = all.filter { !$0.contains("/") }
        return (top.isEmpty ? all : top).sorted(by: comesBefore)
    }

    /// Fold 2 comes before fold 10.
    private static func comesBefore(_ left: String, _ right: String) -> Bool {
        func parts(_ name: String) -> [(number: Int, text: Substring)] {
            var found: [(number: Int, text: Substring)] = []
            var rest = name[...]
            while let first = rest.first {
                let part = rest.prefix { $0.isWholeNumber == first.isWholeNumber }
                found.append((Int(part) ?? -1, part))
                rest = rest.dropFirst(part.count)
            }
            return found
        }
        for (one, other) in zip(parts(left), parts(right)) where one != other {
            return one.number != other.number
                ? one.number < other.number : one.text < other.text
        }
        return left < right
    }

    init(_ folder: ModelFolder, _ asked: ModelTask?) throws(InferenceError) {
        let description = try PredictorDescription.read(in: folder)
        let files = KerasModel.files(in: folder)
        if files.isEmpty || files.count > KerasModel.foldCountMax {
            throw .malformed(
                path: folder.path,
                reason: "\(files.count) Keras files, where 1 to \(KerasModel.foldCountMax) belong")
        }
        var opened: [KerasMember] = []
        for file in files {
            let member = try KerasMember(file, in: folder, description)
            if let first = opened.first,
                member.network.inputs.map(\.shape) != first.network.inputs.map(\.shape)
                    || member.outputWidth != first.outputWidth
            {
                throw .malformed(
                    path: folder.path(of: file),
                    reason: "its inputs or outputs are others than those of \(first.file)")
            }
            opened.append(member)
        }
        let first = opened[0]
        let inputs = try KerasModel.fields(first, description, folder)
        outputs = try KerasModel.outputs(first, description, folder, asked: asked)
        let isRegression = outputs.task == .tabularRegression
        var members: [Member] = []
        for member in opened {
            members.append(
                try KerasModel.member(
                    member, inputs, description, folder, hasOutputScaler: isRegression))
        }
        self.inputs = inputs
        self.members = members
        facts = ModelFacts(
            task: outputs.task, architecture: KerasModel.words(opened),
            parameterCount: opened.reduce(0) { $0 + $1.parameterCount },
            mappedByteCount: opened.reduce(0) { $0 + $1.byteCount },
            metrics: ModelFacts.metrics(description, in: folder),
            files: files + ModelFacts.descriptions(in: folder))
    }

    private static func member(
        _ member: KerasMember, _ inputs: [InputField], _ description: PredictorDescription?,
        _ folder: ModelFolder, hasOutputScaler: Bool
    ) throws(InferenceError) -> Member {
        let path = description?.path ?? folder.path(of: member.file)
        // Beside the fold, or else beside all of them.
        let subfolders = member.subfolder.isEmpty ? [""] : [member.subfolder, ""]
        let scaler = try member.scaler.map { source throws(InferenceError) in
            try RowScaler(
                source, folder: folder, subfolders: subfolders, file: path,
                names: inputs.map(\.name), standard: TabularInputs.scaledColumns(inputs))
        }
        let names =
            description?.outputs?.map(\.name)
            ?? (0..<member.outputWidth).map { String($0) }
        let outputScaler = try (hasOutputScaler ? member.outputScaler : nil)
            .map { source throws(InferenceError) in
                try RowScaler(
                    source, folder: folder, subfolders: subfolders, file: path, names: names,
                    standard: Array(0..<member.outputWidth))
            }
        return Member(
            graph: member.network.graph,
            columns: TabularInputs(inputs, scaler: scaler, takesMissing: false),
            outputScaler: outputScaler)
    }

    // MARK: Inputs and outputs

    private static func fields(
        _ member: KerasMember, _ description: PredictorDescription?, _ folder: ModelFolder
    ) throws(InferenceError) -> [InputField] {
        if let fields = description?.inputs {
            if fields.count == member.inputWidth { return fields }
            throw .malformed(
                path: description?.path ?? folder.path,
                reason: "inputs: the network takes \(member.inputWidth) values, and "
                    + "\(fields.count) are described")
        }
        return member.network.inputs.flatMap { input in
            let kind: InputKind =
                input.embeddedCount.map { .integer(range: 0...max($0 - 1, 0)) }
                ?? .number(range: nil)
            return places(input.shape).map { InputField(name: input.name + $0, kind: kind) }
        }
    }

    /// `_0`, `_1` and so on; `_0_0` for the first feature of the first step.
    private static func places(_ shape: [Int]) -> [String] {
        if shape.reduce(1, *) == 1 { return [""] }
        return shape.reduce([""]) { places, length in
            places.flatMap { place in (0..<length).map { "\(place)_\($0)" } }
        }
    }

    private static func outputs(
        _ member: KerasMember, _ description: PredictorDescription?, _ folder: ModelFolder,
        asked: ModelTask?
    ) throws(InferenceError) -> TabularOutputs {
        let graph = member.network.graph
        var names: [String] = []
        for (name, place) in zip(member.network.outputNames, graph.outputs) {
            names += TabularOutputs.names(graph.shape(of: place).reduce(1, *), name)
        }
        // Each fold has its own scaler of outputs, which comes before they are put together.
        return try TabularOutputs(
            TabularOutputs.Known(
                width: member.outputWidth, names: names,
                areProbabilities: member.network.endsWithSoftmax),
            description, asked: asked, scaler: nil, folder: folder, subfolders: [])
    }

    /// Such as `Keras network, 12 layers` or `5 folds of a Keras network, 12 layers each`.
    private static func words(_ members: [KerasMember]) -> String {
        let layers = members[0].network.layerCount
        return members.count == 1
            ? "Keras network, \(layers) layers"
            : "\(members.count) folds of a Keras network, \(layers) layers each"
    }
}
