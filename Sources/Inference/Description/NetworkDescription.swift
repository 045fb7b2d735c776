// The architecture of a PyTorch network, as predictor.json tells it; not yet a network.

/// The object `network` of `predictor.json`.
struct NetworkDescription: Sendable {
    /// The checkpoint; nil for the only one of the folder.
    let weights: String?
    /// Where in the checkpoint the state dict stands; nil for a usual place.
    let state: [String]?
    /// What the names of all its tensors begin with, such as `module.`.
    let prefix: String
    /// Checked when the network is built, which needs the weights.
    let layers: [DescriptionFields]

    init?(_ fields: inout DescriptionFields, _ name: String) throws(InferenceError) {
        guard var object = try fields.optionalObject(name) else { return nil }
        weights = try object.optionalText("weights")
        state = try object.optionalTexts("state")
        prefix = try object.optionalText("prefix") ?? ""
        layers = try object.objects("layers") ?? []
        if layers.isEmpty { throw object.wrong("layers", "one layer or more belong here") }
        try object.end()
    }
}
