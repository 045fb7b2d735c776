// From a folder to a model: the first kind that recognises the folder opens it.
//
// The order of the kinds matters where a folder could be of two: the more particular ones stand
// first. What is not recognised is an error that names what was found and what is supported.

/// Opens models.
package enum ModelRecognition {
    /// All kinds, the more particular ones first.
    package static let kinds: [ModelKind] = [
        .describedNetworks, .textClassifiers, .sentenceEncoders, .gradientBoostedTrees,
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
        // A kind may read files to know its own: none is asked once one has been found.
        let able = kinds.first { kind in
            (task.map(kind.tasks.contains) ?? true) && kind.recognises(folder)
        }
        if let able { return able }
        guard let task, let other = kinds.first(where: { $0.recognises(folder) }) else {
            throw .unknownModel(
                folder: folder.path, found: Array(folder.files.prefix(quotedCountMax)))
        }
        throw .wrongTask(asked: task, possible: other.tasks)
    }

    /// What is supported, for an error and for help.
    package static var supported: [String] { kinds.map(\.name) }
}
