// The folder of a model: what stands in it, and which kind of model that makes it.
//
// A kind looks at the names of the files, and at their descriptions where it must, and says whether
// the folder is one of its own. The first kind that says so opens it.

/// A folder that may hold a model.
package struct ModelFolder: Sendable {
    /// Without a `/` at its end.
    package let path: String
    /// Names of files below it, relative, down to two folders deep, in order.
    package let files: [String]

    package init(path: String, files: [String]) {
        self.path = path
        self.files = files
    }

    /// Whether there is a file of that name.
    package func has(_ name: String) -> Bool { files.contains(name) }

    /// The whole path of a file.
    package func path(of name: String) -> String { path + "/" + name }
}

/// A kind of models: how it is recognised and opened.
package struct ModelKind: Sendable {
    /// In words, as an error names it: what is supported.
    package let name: String
    package let tasks: [ModelTask]
    /// Whether the folder is one of this kind.
    package let recognises: @Sendable (ModelFolder) -> Bool
    /// The files that opening it reads, relative, in the order in which they are needed: they are
    /// brought into memory, and proven, before the model is opened.
    package let files: @Sendable (ModelFolder) -> [String]
    /// Opens the folder's model, for one of `tasks`, or for the one that fits when nil.
    package let open: @Sendable (ModelFolder, ModelTask?) throws(InferenceError) -> any Model

    package init(
        name: String, tasks: [ModelTask], recognises: @escaping @Sendable (ModelFolder) -> Bool,
        files: @escaping @Sendable (ModelFolder) -> [String] = ModelFolder.likelyFiles,
        open: @escaping @Sendable (ModelFolder, ModelTask?) throws(InferenceError) -> any Model
    ) {
        self.name = name
        self.tasks = tasks
        self.recognises = recognises
        self.files = files
        self.open = open
    }
}
