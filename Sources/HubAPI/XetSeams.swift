// Chunks that reach over the end of one fetch into the next one of the same file.
//
// Chunks do not end where fetches do. A fetch that goes on where another one ends is told by its
// neighbour where the chunk over that seam ends, asks the server for what comes after it, and gets
// the chunk's rest from the neighbour when that has come; so the chunk comes once. Whoever does
// not find a neighbour, or loses it, fetches the chunk itself. What nobody waited for is kept for
// a while, for a reader that is slow.

internal import Platform
internal import Xet

/// The seams of all fetches.
final class XetSeams: Sendable {
    /// A place in a file where a fetch ends.
    struct Key: Hashable, Sendable {
        let file: XetHash
        let offset: Int64
    }

    /// The bytes of a chunk from the seam to its end.
    struct Rest: Sendable {
        let chunk: IdentifiedChunk
        let bytes: [UInt8]
    }

    /// What a fetch beyond a seam is told.
    enum News: Sendable {
        /// The chunk over the seam ends here.
        case ends(at: Int64)
        case rest(Rest)
        /// Neither comes.
        case broken
    }

    /// What there is when a fetch begins at a seam.
    enum Found: Sendable {
        case nothing
        case rest(Rest)
        /// News come; the end of the chunk if it is known.
        case open(end: Int64?)
    }

    typealias Listener = @Sendable (News) -> Void

    private struct Seam {
        let owner: FetchID
        var end: Int64?
        var listeners: [FetchID: Listener] = [:]
    }

    private struct State {
        var open: [Key: Seam] = [:]
        var rests = RecentCache<Key, Rest>(
            costMax: restByteCountMax, cost: { $0.bytes.count + 256 })
    }

    /// Rests in memory, in bytes: at 64 KiB each 128 seams, of as many readers in order.
    private static let restByteCountMax = 8 << 20

    private let state = Lock(State())

    /// A fetch is going to bring the chunk over a seam.
    ///
    /// - Returns: false when another one does, or the chunk's rest is here.
    func open(_ key: Key, _ owner: FetchID) -> Bool {
        state.withLock { state in
            if state.open[key] != nil || state.rests.value(for: key) != nil { return false }
            state.open[key] = Seam(owner: owner)
            return true
        }
    }

    /// The owner knows where the chunk ends.
    func tell(_ key: Key, _ owner: FetchID, end: Int64) {
        let listeners = state.withLock { state -> [Listener] in
            guard var seam = state.open[key], seam.owner == owner, seam.end == nil else {
                return []
            }
            seam.end = end
            state.open[key] = seam
            return Array(seam.listeners.values)
        }
        for listener in listeners { listener(.ends(at: end)) }
    }

    /// The owner has the chunk's rest.
    func fill(_ key: Key, _ owner: FetchID, _ rest: Rest) {
        let listeners = state.withLock { state -> [Listener] in
            guard let seam = state.open[key], seam.owner == owner else { return [] }
            state.open[key] = nil
            state.rests.insert(rest, for: key)
            return Array(seam.listeners.values)
        }
        for listener in listeners { listener(.rest(rest)) }
    }

    /// The owner has ended; nothing happens if it has filled the seam.
    func close(_ key: Key, _ owner: FetchID) {
        let listeners = state.withLock { state -> [Listener] in
            guard let seam = state.open[key], seam.owner == owner else { return [] }
            state.open[key] = nil
            return Array(seam.listeners.values)
        }
        for listener in listeners { listener(.broken) }
    }

    /// A fetch begins at a seam.
    func join(_ key: Key, _ fetch: FetchID, _ listener: @escaping Listener) -> Found {
        state.withLock { state in
            if let rest = state.rests.value(for: key) { return .rest(rest) }
            guard let seam = state.open[key] else { return .nothing }
            state.open[key]?.listeners[fetch] = listener
            return .open(end: seam.end)
        }
    }

    /// Who brings the chunk over a seam; nil if nobody does.
    func owner(of key: Key) -> FetchID? {
        state.withLock { $0.open[key]?.owner }
    }

    /// A fetch no longer listens.
    func leave(_ key: Key, _ fetch: FetchID) {
        state.withLock { $0.open[key]?.listeners[fetch] = nil }
    }
}
