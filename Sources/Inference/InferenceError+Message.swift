// The sentences of inference errors, for the log, for answers and for who starts a predictor.
//
// Each says what is wrong; what can be done about it is said where it is known, by the program. So
// is the number of a row: an answer of one row has none, and in a table it stands in a column.

internal import Platform

extension InferenceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let path, let error): "\(path) cannot be read: \(error)"
        case .weights(let path, let error): "\(path): \(error)"
        case .malformed(let path, let reason): "\(path): \(reason)"
        case .unknownModel(let folder, let found):
            found.isEmpty
                ? "\(folder) is empty: there is no model in it"
                : "\(folder) holds no model of a kind that is known; it holds "
                    + found.joined(separator: ", ")
        case .unsupported(let path, let found, let supported):
            "\(path): \(found) is not supported; supported are \(supported.joined(separator: ", "))"
        case .wrongTask(let asked, let possible):
            "this model does not do \(asked.rawValue); it does "
                + possible.map(\.rawValue).joined(separator: ", ")
        case .missingTensor(let name): "the tensor '\(name)' is not in the weights"
        case .wrongTensor(let name, let found, let expected):
            "the tensor '\(name)' is \(found), and the configuration asks for \(expected)"
        case .row(_, let field, let reason): "\(field): \(reason)"
        case .notANumber: "the model gave no finite number for this row"
        }
    }
}
