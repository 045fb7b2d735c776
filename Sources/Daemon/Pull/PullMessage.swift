// What is asked to be put into a real folder, and what became of it: over the control socket, and
// as --json.

/// A revision, or a part of it, that is wanted as plain files.
package struct PullRequest: Equatable, Sendable, Codable {
    /// How the files are laid out.
    package enum Layout: String, Equatable, Sendable, Codable {
        /// The revision's own folders and names.
        case folder
        /// The cache of the official client: blobs by their hash, and snapshots that link to them.
        case hubCache
    }

    package var target: PrefetchTarget
    /// An absolute path: the folder, or the `hub` folder of the official client.
    package var destination: String
    package var layout: Layout
    /// Patterns of paths; a file is wanted when one of them fits, or when there is none.
    package var includes: [String]
    /// Patterns of paths that are not wanted.
    package var excludes: [String]
    /// Whether files that are there and differ are replaced, whoever made them.
    package var isForced: Bool
}

/// What became of it.
package struct PullReport: Equatable, Sendable, Codable {
    /// By its canonical name, such as `models/org/name`.
    package var repository = ""
    /// The commit whose files they are.
    package var commit = ""
    /// Where they are.
    package var destination = ""
    /// Files that were wanted.
    package var fileCount = 0
    /// Their sizes, in bytes.
    package var sizeBytes: Int64 = 0
    /// How many were there already, and were not touched.
    package var unchangedCount = 0
    /// How many were written, and their sizes in bytes.
    package var writtenCount = 0
    package var writtenBytes: Int64 = 0
    /// What of that was not in the cache before, in bytes.
    package var missingBytes: Int64 = 0
    /// Files of an earlier pull that the revision does not have; they are gone now.
    package var removedCount = 0
    /// How many could not be had.
    package var failedCount = 0
    /// The first of them.
    package var failures: [PrefetchReport.Failure] = []
    /// How long it took, in seconds.
    package var seconds = 0.0

    /// Nothing.
    package init() {}
}
