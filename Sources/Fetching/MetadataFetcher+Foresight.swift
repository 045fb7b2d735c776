// What is asked ahead when a repository is looked at for the first time.
//
// Whoever walks a path to a file comes to need the tree of a commit as soon as it is known which
// commit a name stands for, and then a token for what stands in it. The listing of the owner has
// told the commit of the default branch, so that its tree and a token are asked for together with
// what the name stands for. They are asked for by the commit: what comes is right whatever the name
// turns out to stand for, and when nobody comes to want the tree it ends with its first page.
//
// The catalog is told of a tree when somebody asks for it: until then it is laid aside in memory,
// and nobody finds a revision in the cache that nobody has looked at.

internal import Catalog
internal import Hashing
internal import HubAPI
internal import Platform

extension MetadataFetcher {
    /// Entries of trees that are laid aside, at some 250 bytes each: 8 MB.
    static let asideEntryCountMax = 32_768
    /// A larger tree is recorded whether somebody asks for it or not: it is worth its pages.
    private static let asideTreeEntryCountMax = 4096

    /// How far somebody wants what was asked ahead.
    enum Foresight {
        /// Nobody is known to.
        case asked
        /// A name that was asked for stands for it.
        case likely
        /// The same, after it had ended with its first page and was begun anew.
        case likelyAnew
        /// Somebody waits for it.
        case wanted
    }

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
            if state.aside.value(for: need) != nil { return false }
            if let refused = state.refused.value(for: need), now < refused.until { return false }
            state.foreseenCount += 1
            // Nobody is told of it, so the number belongs to no one.
            _ = state.flights.join(need, UInt64.max - state.foreseenCount)
            state.foreseen[need] = .asked
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
            if state.foreseen[need] == .asked { state.foreseen[need] = .likely }
        }
    }

    /// Whether the next page is worth asking for.
    func isWanted(_ need: Need) -> Bool {
        state.withLock { $0.foreseen[need] != .asked }
    }

    /// Whether somebody has come to want what was just given up; nil if it was not foreseen, or was
    /// begun anew already: then it was not given up for want of anybody.
    ///
    /// If nobody has, it is over with this: whoever comes now is the first.
    func isWantedAgain(_ need: Need) -> Bool? {
        state.withLock { state in
            switch state.foreseen[need] {
            case nil: return nil
            case .asked:
                state.foreseen[need] = nil
                _ = leave(need, &state)
                return false
            case .likely:
                state.foreseen[need] = .likelyAnew
                return true
            case .likelyAnew:
                state.foreseen[need] = nil
                return nil
            case .wanted:
                state.foreseen[need] = nil
                return true
            }
        }
    }

    /// Keeps a tree that came ahead until somebody asks for it.
    ///
    /// - Returns: whether it does; if not, the tree is to be recorded.
    func layAside(_ listing: TreeListing, for need: Need) -> Bool {
        if listing.entries.count > MetadataFetcher.asideTreeEntryCountMax { return false }
        return state.withLock { state in
            guard let foresight = state.foreseen[need], foresight != .wanted else { return false }
            state.foreseen[need] = nil
            state.aside.insert(listing, for: need)
            _ = leave(need, &state)
            return true
        }
    }

    /// A tree that came ahead, for whoever asks for it.
    func takeAside(_ need: Need) -> TreeListing? {
        state.withLock { state in
            guard let listing = state.aside.value(for: need) else { return nil }
            state.aside.remove(need)
            return listing
        }
    }
}
