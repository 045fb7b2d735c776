// Proof first: where it is chosen, no byte of a content is served before all of it was proven.
//
// A reader then waits for the whole content. Its deadline counts from the last time that more of it
// was in the store than ever before: a large content takes longer than anybody would wait for a Hub
// that is silent. What the store does not take for now waits in memory, and the reader with it; a
// content that can never be in the store as a whole is refused at once. Small contents are proven
// before they are stored in any case.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import Platform
internal import Telemetry

extension ContentFetcher {
    /// How often deadlines are moved.
    private static let extensionSeconds = 1.0

    /// Whether nothing of a content may be served before it is proven.
    func isServedProven(_ content: Content) -> Bool {
        options.provesFirst && !ContentFetcher.isFetchedWhole(content)
    }

    /// Whether bytes of a content that are in the store may be served.
    func mayServe(_ content: Content) -> Bool {
        !isServedProven(content)
            || store.state(of: content.hash, size: content.sizeBytes).verification.isProven
    }

    /// Bytes of a content are stored: who waits for all of it has reason to go on, if there are
    /// more than before.
    func noteProgress(_ content: Content) {
        if !options.provesFirst { return }
        let (id, now) = (content.id, scheduling.now)
        let isDue = state.withLock {
            $0.active[id]?.noteProgress(at: now, atMostEvery: ContentFetcher.extensionSeconds)
                ?? false
        }
        if !isDue { return }
        let byteCount = store.state(of: content.hash, size: content.sizeBytes).cachedByteCount
        let hasGrown = state.withLock { $0.active[id]?.hasGrown(to: byteCount) ?? false }
        if hasGrown { extendDeadlines(id, by: 0) }
    }

    /// Has the readers of a content wait for as long again from now on, and some seconds more.
    func extendDeadlines(_ id: ContentID, by seconds: Double) {
        if !options.provesFirst { return }
        let deadline = scheduling.now + (options.readDeadlineSeconds + seconds)
        let alarms = state.withLock { state in
            state.waiters.filter { $0.value.content == id }.keys.compactMap { number in
                state.deadlines.add(number, until: deadline)
            }
        }
        for alarm in alarms { setAlarm(alarm) }
    }

    /// Whether a content that found no room may find it later; asked of the store now and then.
    func mayFit(_ content: Content) -> Bool {
        let now = scheduling.now
        let isDue = state.withLock {
            $0.active[content.id]?.noteLackOfRoom(at: now, atMostEvery: 1) ?? false
        }
        return !isDue || store.canHold(content.hash, size: content.sizeBytes)
    }

    /// A content that has to be whole does not fit into the cache.
    func refuseTooLarge(_ content: Content) {
        let now = scheduling.now
        let waiters = state.withLock { $0.active[content.id]?.foundTooLarge(now: now) ?? [] }
        reportTooLarge(content)
        answer(waiters, .failure(.tooLarge))
    }

    func reportTooLarge(_ content: Content) {
        log.error(
            "a file has no room in the cache and cannot be proven before it is served",
            ["content": content.hash.hex, "bytes": "\(content.sizeBytes)"])
    }
}
