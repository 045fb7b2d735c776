// The repositories that the Hub refuses to this user, for `status`.
//
// The Hub shows the names in a gated repository to everybody and its contents to few, so being
// told about a repository does not mean that its contents may be read.

internal import HubAPI
internal import Platform

/// Who was refused lately, and has not been let in since.
final class RefusedRepositories: Sendable {
    private struct Entry {
        let error: HubError
        let isAboutContents: Bool
        let notedAt: MonotonicInstant
    }

    /// Repositories that `status` can name.
    private static let countMax = 100

    private let entries = Lock<[RepositoryID: Entry]>([:])

    /// In the order of their names.
    var all: [Refusal] {
        entries.withLock { $0 }
            .map { Refusal(repository: $0.key, error: $0.value.error) }
            .sorted { $0.repository.description < $1.repository.description }
    }

    /// Notes an error if the user can do something about it.
    func note(
        _ error: HubError, _ repository: RepositoryID, isAboutContents: Bool,
        at now: MonotonicInstant
    ) {
        guard error.isRefusal else { return }
        entries.withLock { entries in
            if entries.count >= RefusedRepositories.countMax && entries[repository] == nil {
                return
            }
            entries[repository] = Entry(
                error: error, isAboutContents: isAboutContents, notedAt: now)
        }
    }

    /// The Hub has answered about a repository, or has given of its contents.
    ///
    /// - Parameter askedAt: what was asked before the refusal does not take it back.
    func clear(_ repository: RepositoryID, isAboutContents: Bool, askedAt: MonotonicInstant) {
        entries.withLock { entries in
            guard let entry = entries[repository], isAboutContents || !entry.isAboutContents,
                askedAt > entry.notedAt
            else { return }
            entries[repository] = nil
        }
    }
}
