// The state dicts in a checkpoint, which people keep under many names.

extension Checkpoint {
    /// Where training scripts keep the weights of a model, the likeliest first.
    private static let usualNames = [
        "model_state_dict", "state_dict", "model", "model_state", "weights", "net", "network",
        "module", "params",
    ]
    private static let shownNameCountMax = 12

    /// The state dict of the model: what stands in the checkpoint under a usual name, or else all
    /// of it, or else the only one in it.
    package func weights() throws(WeightError) -> WeightSet {
        guard let dictionary = value.dictionary else {
            throw .malformed(reason: "a checkpoint without a state dict")
        }
        for name in Checkpoint.usualNames {
            if let part = dictionary[name], let found = Checkpoint.stateDict(part) { return found }
        }
        if let found = Checkpoint.stateDict(value) { return found }
        let all = dictionary.entries.compactMap { Checkpoint.stateDict($0.value) }
        if all.count == 1 { return all[0] }
        let names = dictionary.names.prefix(Checkpoint.shownNameCountMax)
        throw .malformed(
            reason: "a checkpoint without a state dict under a usual name; it has "
                + names.joined(separator: ", "))
    }

    /// The state dict at the end of a path of names; the empty path leads to what was saved.
    package func weights(at path: [String]) throws(WeightError) -> WeightSet {
        guard let found = try Checkpoint.stateDict(value(at: path)) else {
            throw .malformed(reason: "no state dict at \(path.joined(separator: "."))")
        }
        return found
    }

    /// What stands at the end of a path of names.
    package func value(at path: [String]) throws(WeightError) -> PickledValue {
        var value = self.value
        for name in path {
            guard let next = value.dictionary?[name] else { throw .missing(name) }
            value = next
        }
        return value
    }

    /// A dictionary with a tensor in it is a state dict; what else stands in it is left out.
    private static func stateDict(_ value: PickledValue) -> WeightSet? {
        guard case .dictionary(let dictionary) = value else { return nil }
        var tensors: [String: TensorView] = [:]
        for entry in dictionary.entries {
            if let name = entry.key.text, let tensor = entry.value.tensor {
                tensors[name] = tensor
            }
        }
        return tensors.isEmpty ? nil : WeightSet(tensors)
    }
}
