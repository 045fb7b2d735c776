// What goes wrong with a model: with its files, with what it is, with a row.

package import Platform
package import Weights

/// Why a model cannot be opened, or cannot answer.
package enum InferenceError: Error, Equatable, Sendable {
    /// A file cannot be read.
    case file(path: String, Errno)
    /// A weight file is not what it should be.
    case weights(path: String, WeightError)
    /// A description (configuration, vocabulary) is not what it should be.
    case malformed(path: String, reason: String)
    /// Nothing in the folder is a model of a kind that is known; what was found there.
    case unknownModel(folder: String, found: [String])
    /// The architecture is told, and is none of those that are supported.
    case unsupported(path: String, found: String, supported: [String])
    /// The model cannot do what `--task` asks.
    case wrongTask(asked: ModelTask, possible: [ModelTask])
    /// A tensor that the architecture needs is not in the weights.
    case missingTensor(name: String)
    /// A tensor has another shape or type than the configuration says.
    case wrongTensor(name: String, found: String, expected: String)
    /// A row cannot be predicted: the field, and what is wrong with it.
    case row(index: Int, field: String, reason: String)
    /// The numbers that came out are none (NaN or infinite), for the row of that index.
    case notANumber(rowIndex: Int)
}

extension InferenceError {
    /// What went wrong with opening a weight file.
    package init(_ error: WeightFileError) {
        switch error {
        case .unreadable(let path, let error): self = .file(path: path, error)
        case .invalid(let path, let error): self = .weights(path: path, error)
        }
    }
}
