// What is asked ahead when a repository is looked at for the first time.
//
// Whoever walks a path to a file comes to need the tree of a commit as soon as it is known which
// commit a name stands for, and then a token for what stands in it. The listing of the owner has
// told the commit of the default branch, so that its tree and a token are asked for together with
// what the name stands for. They are asked for by the commit: what comes is right whatever the name
// turns out to stand for, and when nobody comes to want the tree it ends with its first page.

internal import Catalog
internal import Hashing
internal import HubAPI
internal import Platform

extension MetadataFetcher {
    /// A tree that is asked for ahead.
    struct Foreseen {
        let need: Need
        let commit: GitObjectID
    }

    /// Asks for what is likely wanted next, unless a tree of the repository is known; nil if
    /// nothing was asked for.
    func foresee(
        _ id: RepositoryID, _ revision: RevisionName?, _ deadline: MonotonicInstant
    ) -> Foreseen? {
        guard let commit = (try? catalog.likelyCommit(of: revision, in: id)) ?? nil else {
            return nil
        }
        let need = Need.tree(id, commit.id)
        let now = scheduling.now
        let isFirst = state.withLock { state -> Bool in
            if state.isClosed || state.flights.isInFlight(need) { return false }
            if let refused = state.refused.value(for: need), now < refused.until { return false }
            state.foreseenCount += 1
            // Nobody is told of it, so the number belongs to no one.
            _ = state.flights.join(need, UInt64.max - state.foreseenCount)
            state.foreseen[need] = false
            return true
        }
        if !isFirst { return nil }
        startTree(need, id, commit.id, deadline)
        hub.prepareXet(id, commit.oid, deadline: deadline)
        return Foreseen(need: need, commit: commit.oid)
    }

    /// What was asked ahead is what a name stands for.
    func want(_ need: Need) {
        state.withLock { state in
            if state.foreseen[need] != nil { state.foreseen[need] = true }
        }
    }

    /// Whether the next page is worth asking for.
    func isWanted(_ need: Need) -> Bool {
        state.withLock { $0.foreseen[need] ?? true }
    }

    /// Whether somebody has come to want what was just given up; nil if it was not foreseen.
    ///
    /// If nobody has, it is over with this: whoever comes now is the first.
    func isWantedAgain(_ need: Need) -> Bool? {
        state.withLock { state in
            guard let isWanted = state.foreseen.removeValue(forKey: need) else { return nil }
            if !isWanted { _ = leave(need, &state) }
            return isWanted
        }
    }
}
