// Which way each content is read while somebody has it open. Pure.
//
// The kernel wants one way at a time for a file: by itself from a backing file, or through READs
// and its own page cache. An open of the other kind, while one is held, is EIO to the program. So
// the first open of a content decides, everybody who opens it meanwhile gets the same answer, and
// the way can change only when the last one has closed. A mapping that is left of an open read by
// the kernel itself holds the backing file, and does not count; one of the other kind keeps its
// open file, and with it the count.

internal import Catalog

/// How an open file's bytes are read.
enum OpenMode: Hashable, Sendable {
    /// Through READs, into the page cache.
    case cached
    /// By the kernel, from the file that is registered under this number.
    case passthrough(backingID: UInt32)
}

/// The contents that are open, with their modes.
struct OpenModes {
    /// What is to be done for an OPEN.
    enum Action: Equatable {
        /// Answer it with this mode; it is counted already.
        case reply(OpenMode)
        /// Find out which mode is possible, and call `decided` or `failed`.
        case decide
        /// Somebody else is finding out; `decided` or `failed` returns this request too.
        case wait
    }

    private struct Entry {
        /// Nil while it is being decided.
        var mode: OpenMode?
        var count = 0
        /// Requests that will be answered when it is decided.
        var waiting: [UInt64] = []
    }

    private var entries: [NodeID: Entry] = [:]

    /// An OPEN has come.
    mutating func open(_ node: NodeID, request: UInt64) -> Action {
        guard var entry = entries[node] else {
            entries[node] = Entry(waiting: [request])
            return .decide
        }
        guard let mode = entry.mode else {
            entry.waiting.append(request)
            entries[node] = entry
            return .wait
        }
        entry.count += 1
        entries[node] = entry
        return .reply(mode)
    }

    /// The mode of a content whose opens have to wait for it is known.
    ///
    /// - Returns: the requests to answer with it; they are counted.
    mutating func decided(_ node: NodeID, _ mode: OpenMode) -> [UInt64] {
        guard let entry = entries[node], entry.mode == nil else { return [] }
        entries[node] = Entry(mode: mode, count: entry.waiting.count)
        return entry.waiting
    }

    /// A content cannot be opened at all.
    ///
    /// - Returns: the requests to refuse.
    mutating func failed(_ node: NodeID) -> [UInt64] {
        guard let entry = entries[node], entry.mode == nil else { return [] }
        entries[node] = nil
        return entry.waiting
    }

    /// A RELEASE has come, or an OPEN's answer was not taken.
    ///
    /// - Returns: the mode that nobody needs any more; nil while others have the content open, or
    ///   when nobody had.
    mutating func release(_ node: NodeID) -> OpenMode? {
        guard var entry = entries[node], let mode = entry.mode else { return nil }
        entry.count -= 1
        entries[node] = entry.count > 0 ? entry : nil
        return entry.count > 0 ? nil : mode
    }

    /// Takes over what an earlier process has noted: opens that the kernel still holds.
    mutating func resume(_ node: NodeID, _ mode: OpenMode, count: Int) {
        if count > 0 { entries[node] = Entry(mode: mode, count: count) }
    }

    /// The mode of a content that is open.
    func mode(_ node: NodeID) -> OpenMode? { entries[node]?.mode }

    /// How often a content is open; 0 also while it is being decided.
    func count(_ node: NodeID) -> Int { entries[node]?.count ?? 0 }

    /// Open contents with their modes, at most `countMax` of them.
    func list(countMax: Int) -> [(node: NodeID, mode: OpenMode, count: Int)] {
        var found: [(node: NodeID, mode: OpenMode, count: Int)] = []
        for (node, entry) in entries {
            if found.count >= countMax { break }
            if let mode = entry.mode { found.append((node, mode, entry.count)) }
        }
        return found
    }
}
