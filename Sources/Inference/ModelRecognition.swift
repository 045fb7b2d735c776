// From a folder to a model: the first kind that recognises the folder opens it.
//
// The order of the kinds matters where a folder could be of two: the more particular ones stand
// first. What is not recognised is an error that names what was found and what is supported.

/// Opens models.
package enum ModelRecognition {
    /// All kinds, the more particular ones first.
    package static let kinds: [ModelKind] = [
        .describedNetworks, .textClassifiers, .gradientBoostedTrees, .sentenceEncoders,
        .kerasNetworks,
    ]

    /// How many names of files an error quotes.
    private static let quotedCountMax = 12

    /// The kind of a folder's model.
    ///
    /// - Parameter task: what the model is to do; nil for what it does by itself.
    package static func kind(
        of folder: ModelFolder, task: ModelTask?, among kinds: [ModelKind] = kinds
    ) throws(InferenceError) -> ModelKind {
        let fitting = kinds.filter { $0.recognises(folder) }
        guard let first = fitting.first else {
            throw .unknownModel(
                folder: folder.path, found: Array(folder.files.prefix(quotedCountMax)))
        }
        guard let task else { return first }
        if let able = fitting.first(where: { $0.tasks.contains(task) }) { return able }
        throw .wrongTask(asked: task, possible: first.tasks)
    }

    /// What is supported, for an error and for help.
    package static var supported: [String] { kinds.map(\.name) }
}
