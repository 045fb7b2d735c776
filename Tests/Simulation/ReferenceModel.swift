// What may be answered: the commits that were ever published, what each name stood for and when,
// and what was seen before.

import Platform

/// A commit, as a tree of names and bytes.
struct ModelCommit {
    let id: String
    let files: [String: [UInt8]]

    /// The names in a folder in their order; nil when there is no such folder.
    func names(in folder: String) -> [String]? {
        let prefix = folder.isEmpty ? "" : folder + "/"
        let below = files.keys.filter { $0.hasPrefix(prefix) }
        if below.isEmpty && !folder.isEmpty { return nil }
        let names = Set(below.map { String($0.dropFirst(prefix.count).prefix { $0 != "/" }) })
        return names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    }
}

/// The truth.
struct ReferenceModel {
    /// What a name stood for, from a time on; nil where it was removed.
    struct Era {
        let from: MonotonicInstant
        let commit: String?
    }

    var commits: [String: ModelCommit] = [:]
    /// By repository and revision, such as `models/org/name@main`, in order.
    var eras: [String: [Era]] = [:]
    /// Commits that a path was answered with, by the present life's cache.
    var seen: [String: Set<String>] = [:]
    /// Bytes of contents that were read, by their first path.
    var read: Set<[UInt8]> = []

    /// What a name may stand for, for a question asked at `begin` and answered at `end`, when what
    /// was known may be `seconds` old.
    func commits(
        of path: String, from begin: MonotonicInstant, to end: MonotonicInstant, seconds: Double
    ) -> Set<String?> {
        let eras = eras[path] ?? []
        let start = begin + -seconds
        var found: Set<String?> = eras.isEmpty ? [nil] : []
        for (index, era) in eras.enumerated() {
            let next = index + 1 < eras.count ? eras[index + 1].from : .distantFuture
            if era.from <= end && next >= start { found.insert(era.commit) }
        }
        if let first = eras.first, first.from >= start { found.insert(nil) }
        return found
    }
}
