// What is asked to be fetched whole, and what became of it: over the control socket, and as --json.

internal import HubAPI
package import Settings

/// A file, a folder or a revision that is wanted whole.
package struct PrefetchTarget: Equatable, Sendable, Codable {
    /// As it was typed.
    package var text: String
    /// Such as `models/org/name`.
    package var repository: String
    /// A branch, a tag or a commit; the default branch if nil.
    package var revision: String?
    /// From the root of the repository; empty for all of it.
    package var path: String

    /// - Parameters:
    ///   - text: as it was typed.
    ///   - location: what it names.
    init(_ text: String, _ location: HubLocation) {
        self.text = text
        repository = location.id.description
        revision = location.revision?.name
        path = location.path
    }

    /// Nil when what came over the socket is none.
    var location: HubLocation? {
        guard case .repository(let found)? = try? HubURI(HubURI.scheme + repository),
            found.path.isEmpty, found.revision == nil
        else { return nil }
        if let revision {
            guard let name = RevisionName(revision) else { return nil }
            return HubLocation(id: found.id, revision: name, path: path)
        }
        return HubLocation(id: found.id, revision: nil, path: path)
    }
}

/// What became of what was wanted whole.
package struct PrefetchReport: Equatable, Sendable, Codable {
    /// At some 400 bytes each they are 400 kB.
    static let failureCountMax = 1000
    /// More are named on one command line by nobody.
    static let targetCountMax = 1000

    /// A file that is not there whole.
    package struct Failure: Equatable, Sendable, Codable {
        /// Such as `models/org/name/model.safetensors`.
        package var file: String
        /// Why, in a few words.
        package var reason: String
        /// What a command ends with for that reason.
        package var exitCode: ExitCode
    }

    /// A target, and where it was found.
    package struct Place: Equatable, Sendable, Codable {
        /// As it was typed.
        package var text: String
        /// By its canonical name, such as `models/org/name`.
        package var repository: String
        /// The commit whose files were fetched.
        package var commit: String
        /// From the root of the repository; empty for all of it.
        package var path: String
    }

    /// In the order of the command line.
    package var places: [Place] = []
    /// Distinct contents of the files.
    package var fileCount = 0
    /// Their sizes, in bytes.
    package var sizeBytes: Int64 = 0
    /// What of that was in the cache before, in bytes.
    package var presentBytes: Int64 = 0
    /// How many are there whole, and proven.
    package var provenCount = 0
    /// What was read into memory from a mount, in bytes; 0 unless that was asked for.
    package var inMemoryBytes: Int64 = 0
    /// How many are not there whole.
    package var failedCount = 0
    /// The first of them.
    package var failures: [Failure] = []
    /// How long it took, in seconds.
    package var seconds = 0.0

    /// Nothing.
    package init() {}
}
