// predictor.json: what a folder says of its model that the weights do not.
//
// Names, units and ranges of inputs; scalers; names of outputs; the architecture of a network in
// PyTorch; an input with its known answer; figures. docs/TABULAR.md is the page for who writes
// one. What is not known here is refused by its name, so that nothing misspelt is passed over.

internal import Weights

/// The contents of `predictor.json`.
struct PredictorDescription: Sendable {
    static let fileName = "predictor.json"
    static let version = 1

    /// Where it was read.
    let path: String
    let task: ModelTask?
    /// Nil when the model's own are good enough.
    let inputs: [InputField]?
    let scaler: ScalerSource?
    let outputs: [DescribedOutput]?
    let outputScaler: ScalerSource?
    /// The names of the classes, in the order of the model's outputs.
    let labels: [String]?
    /// The architecture; nil where the weights tell it.
    let network: NetworkDescription?
    /// Figures, in the order of their names, or that of the list.
    let metrics: [ModelMetric]

    /// Reads the folder's; nil when it has none.
    static func read(in folder: ModelFolder) throws(InferenceError) -> PredictorDescription? {
        if !folder.has(fileName) { return nil }
        let path = folder.path(of: fileName)
        return try PredictorDescription(try DescriptionFile.json(path), path: path)
    }

    init(_ json: JSONValue, path: String) throws(InferenceError) {
        var fields = try DescriptionFields(json, file: path, path: "")
        self.path = path
        let version = try fields.count("version")
        if version != PredictorDescription.version {
            throw fields.wrong(
                "version",
                "version \(version) is not known here, only \(PredictorDescription.version)")
        }
        // Remarks of who wrote it.
        _ = fields.take("description")
        task = try PredictorDescription.task(&fields)
        inputs = try PredictorDescription.inputs(&fields)
        scaler = try ScalerSource(&fields, "scaler")
        outputs = try PredictorDescription.outputs(&fields)
        outputScaler = try ScalerSource(&fields, "output_scaler")
        labels = try fields.optionalTexts("labels")
        if let labels, labels.count < 2 || Set(labels).count != labels.count {
            throw fields.wrong("labels", "two different labels or more belong here")
        }
        network = try NetworkDescription(&fields, "network")
        try PredictorDescription.checkSmoke(&fields, inputs)
        metrics = try ModelMetric.list(&fields, "metrics")
        try fields.end()
    }

    private static func task(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> ModelTask? {
        guard let name = try fields.optionalText("task") else { return nil }
        if let task = ModelTask(rawValue: name) { return task }
        throw fields.wrong(
            "task",
            "'\(name)' is none of " + ModelTask.allCases.map(\.rawValue).joined(separator: ", "))
    }

    /// The row whose answer is known is for the service; its keys are looked at here.
    private static func checkSmoke(
        _ fields: inout DescriptionFields, _ inputs: [InputField]?
    ) throws(InferenceError) {
        guard var smoke = try fields.optionalObject("smoke") else { return }
        let row = smoke.take("inputs")?.object ?? [:]
        _ = smoke.take("expect")
        _ = try smoke.optionalNumber("tolerance")
        try smoke.end()
        guard let inputs else { return }
        for name in row.keys.sorted() where !inputs.contains(where: { $0.name == name }) {
            throw smoke.wrong("inputs", "there is no input '\(name)'")
        }
    }

    // MARK: Inputs

    private static func inputs(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> [InputField]? {
        guard let objects = try fields.objects("inputs") else { return nil }
        var inputs: [InputField] = []
        var names: Set<String> = []
        for object in objects {
            var object = object
            let input = try input(&object)
            if !names.insert(input.name).inserted {
                throw object.wrong("name", "'\(input.name)' a second time")
            }
            inputs.append(input)
        }
        if inputs.isEmpty { throw fields.wrong("inputs", "one input or more belong here") }
        return inputs
    }

    private static func input(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> InputField {
        let name = try fields.text("name")
        let label = try fields.optionalText("label")
        let unit = try fields.optionalText("unit")
        let range = try range(&fields)
        let categories = try fields.optionalTexts("categories")
        let told = try fields.optionalText("kind")
        let isOptional = try fields.flag("optional", orElse: false)
        let kind: InputKind
        switch told ?? (categories == nil ? "number" : "category") {
        case "number": kind = .number(range: range)
        case "integer":
            kind = .integer(
                range: try range.map { range throws(InferenceError) in
                    guard let low = Int(exactly: range.lowerBound.rounded(.up)),
                        let high = Int(exactly: range.upperBound.rounded(.down)), low <= high
                    else { throw fields.wrong("range", "no whole number lies in it") }
                    return low...high
                })
        case "category":
            guard let categories, !categories.isEmpty,
                Set(categories).count == categories.count
            else { throw fields.wrong("categories", "different texts belong here") }
            kind = .category(categories)
        case let other:
            throw fields.wrong("kind", "'\(other)' is none of number, integer, category")
        }
        try fields.end()
        return InputField(name: name, kind: kind, label: label, unit: unit, isOptional: isOptional)
    }

    private static func range(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> ClosedRange<Double>? {
        guard let ends = try fields.optionalNumbers("range") else { return nil }
        guard ends.count == 2, ends[0] <= ends[1] else {
            throw fields.wrong("range", "two numbers belong here, the smaller first")
        }
        return ends[0]...ends[1]
    }

    // MARK: Outputs

    private static func outputs(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> [DescribedOutput]? {
        guard let objects = try fields.objects("outputs") else { return nil }
        var outputs: [DescribedOutput] = []
        for object in objects {
            var object = object
            let name = try object.text("name")
            let unit = try object.optionalText("unit")
            var transform = DescribedOutput.Transform.none
            if let told = try object.optionalText("transform") {
                guard let known = DescribedOutput.Transform(rawValue: told) else {
                    throw object.wrong(
                        "transform",
                        "'\(told)' is none of "
                            + DescribedOutput.Transform.allCases.map(\.rawValue)
                            .joined(separator: ", "))
                }
                transform = known
            }
            try object.end()
            outputs.append(DescribedOutput(name: name, unit: unit, transform: transform))
        }
        if outputs.isEmpty { throw fields.wrong("outputs", "one output or more belong here") }
        return outputs
    }
}

/// One number that a model gives.
struct DescribedOutput: Equatable, Sendable {
    /// What is done to the number at last, where a model was trained on another one.
    enum Transform: String, CaseIterable, Equatable, Sendable {
        case none
        case exp
        /// exp(x) - 1, after training on log(1 + x).
        case expm1
        case square
    }

    var name: String
    var unit: String?
    var transform = Transform.none
}
