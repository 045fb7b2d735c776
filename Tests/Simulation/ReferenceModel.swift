// What may be answered: the commits that were ever published, what each name stood for and when,
// and what was seen before.

import Platform

/// A commit, as a tree of names and bytes.
struct ModelCommit {
    let id: String
    let files: [String: SimulatedContent]

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
    /// The first era that a path's answers have shown; none may go back behind it.
    var newestEra: [String: Int] = [:]

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

    /// Notes what a path was answered with; false if that was over before an earlier answer began.
    mutating func note(_ commit: String, of path: String) -> Bool {
        seen[path, default: []].insert(commit)
        let newest = newestEra[path] ?? 0
        let eras = eras[path] ?? []
        let later = eras.indices.filter { $0 >= newest && eras[$0].commit == commit }
        guard let first = later.first else { return eras.isEmpty }
        newestEra[path] = first
        return true
    }

    /// What was seen is no longer sure to be in the cache.
    mutating func forgetSeen() {
        seen = [:]
        newestEra = [:]
    }
}
