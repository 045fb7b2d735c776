// What is wrong with a model, or with a row, in words for whoever serves it.

extension InferenceError: CustomStringConvertible {
    /// A sentence that says what is wrong and, where that is known, what to do.
    package var description: String {
        switch self {
        case .file(let path, let error): "'\(path)' cannot be read: \(error)"
        case .weights(let path, let error): "the weights in '\(path)' cannot be used: \(error)"
        case .malformed(let path, let reason): "'\(path)' is not as it should be: \(reason)"
        case .unknownModel(let folder, let found):
            "'\(folder)' holds no model of a kind that is known; in it there are "
                + InferenceError.list(found)
        case .unsupported(let path, let found, let supported):
            "'\(path)' asks for \(found); supported are \(InferenceError.list(supported))"
        case .wrongTask(let asked, let possible):
            "the model cannot do \(asked.rawValue); leave --task out, or give one of "
                + InferenceError.list(possible.map(\.rawValue))
        case .missingTensor(let name):
            "the weights have no tensor '\(name)', which the architecture needs"
        case .wrongTensor(let name, let found, let expected):
            "the tensor '\(name)' has \(found), where the configuration wants \(expected)"
        case .row(let index, let field, let reason): "row \(index + 1): '\(field)' \(reason)"
        case .notANumber(let rowIndex):
            "row \(rowIndex + 1): the model gives no number for it (NaN or infinite); its weights "
                + "may be damaged"
        }
    }

    /// The first of a list, and how many there are beyond.
    private static func list(_ items: [String]) -> String {
        if items.isEmpty { return "none" }
        let shown = items.prefix(listCountMax).joined(separator: ", ")
        let rest = items.count - listCountMax
        return rest > 0 ? shown + " and \(rest) more" : shown
    }

    private static let listCountMax = 12
}
