// The fetcher: what operations of the filesystem lack, brought from the Hub.
//
// It joins those who ask for the same, starts one fetch for them, and tells them when it is in the
// catalog or in the store. Names and trees go through `MetadataFetcher`, bytes through
// `ContentFetcher`. Every request is answered exactly once: by its arrival, its failure or its
// deadline; one that is cancelled is not answered at all.
//
// Nothing here waits. Decisions are made by pure state machines (`SingleFlight`, `ContentPlan`)
// under a lock, and carried out after it is let go.

package import Catalog
package import ChunkStore
package import HubAPI
package import Platform
package import Telemetry

/// How patient and how eager the fetcher is.
package struct FetchOptions: Sendable {
    /// How long a reader waits for bytes; infinite is possible.
    package var readDeadlineSeconds = 120.0
    /// How long a lookup waits for names.
    package var metadataDeadlineSeconds = 30.0
    /// What is fetched beyond what readers ask for.
    package var prefetch = PrefetchMode.auto
    /// Whether a content is proven before its first byte is served.
    package var provesFirst = false
    /// Whether readers may be given the pages of flat files themselves, by the kernel.
    package var servesPages = false
    /// Whether what its chunks have proven is also hashed as a whole, when nothing else is to do.
    package var hashesLate = true
    /// How long a refusal is remembered before the Hub is asked again.
    package var refusalSeconds = 30.0
    /// An owner's repositories beyond this number are found by name, but not listed.
    package var listingCountMax = 1000
    /// The official client's cache, where what is there need not be fetched; nil for none.
    package var clientCache: String?

    package init() {}
}

/// What is under way, for `status`.
package struct FetchProgress: Sendable {
    package let content: ContentID
    /// One place where the content stands.
    package let name: String
    package let sizeBytes: Int64
    /// Bytes of it that are in the store.
    package let cachedBytes: Int64
    /// Bytes of it that are on their way.
    package let underWayBytes: Int64
    /// Readers that wait for it.
    package let waiterCount: Int
}

/// A repository that the Hub refuses, for `status`.
package struct Refusal: Sendable {
    package let repository: RepositoryID
    package let error: HubError
}

/// Fetches what is lacking.
package final class Fetcher: Sendable {
    /// A request, by which it can be cancelled.
    ///
    /// Later requests have larger numbers.
    package struct Ticket: Hashable, Sendable {
        package let number: UInt64
    }

    /// Called once with the outcome, on a thread of the fetcher's.
    package typealias Completion = @Sendable (Result<Void, FetchError>) -> Void

    private let metadata: MetadataFetcher
    private let contents: ContentFetcher
    private let alarms: AlarmClock
    private let refused = RefusedRepositories()
    private let options: FetchOptions
    private let scheduling: Scheduling
    private let lastTicket = Lock<UInt64>(0)

    /// - Throws: `EAGAIN` when the system has no room for a thread.
    package init(
        hub: HubClient, catalog: Catalog, store: ChunkStore, options: FetchOptions, log: Log
    ) throws(Errno) {
        self.options = options
        scheduling = store.scheduling
        alarms = try AlarmClock(store.scheduling)
        let clientCache = options.clientCache.map { ClientCache(root: $0) }
        metadata = MetadataFetcher(
            hub: hub, catalog: catalog, alarms: alarms, refusals: refused,
            clientCache: clientCache, options: options, scheduling: scheduling, log: log)
        contents = try ContentFetcher(
            hub: hub, catalog: catalog, store: store, alarms: alarms, refusals: refused,
            clientCache: clientCache, options: options, log: log)
    }

    /// Asks for what an operation lacks.
    ///
    /// - Parameter seconds: how long it is worth waiting for; nil for the usual deadline. The
    ///   fetch itself goes on after that.
    package func request(
        _ need: Need, withinSeconds seconds: Double?, completion: @escaping Completion
    ) -> Ticket {
        let ticket = lastTicket.withLock { last in
            last += 1
            return Ticket(number: last)
        }
        switch need {
        case .bytes(let content, let range, let insists):
            let deadline = scheduling.now + (seconds ?? options.readDeadlineSeconds)
            contents.request(
                content, range, insists: insists, ticket, deadline: deadline, completion)
        case .organisation, .revision, .refs, .tree, .access:
            let deadline = scheduling.now + (seconds ?? options.metadataDeadlineSeconds)
            metadata.request(
                need, ticket, isRenewal: seconds != nil, deadline: deadline, completion)
        }
        return ticket
    }

    /// The one who asked gave up and will not be answered.
    ///
    /// What is being fetched goes on.
    package func cancel(_ ticket: Ticket) {
        metadata.cancel(ticket)
        contents.cancel(ticket)
    }

    /// Fills `buffer` with a content's bytes if all of them are here, checked.
    package func read(
        _ content: Content, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        unsafe contents.read(content, at: offset, into: buffer)
    }

    /// Has all of a content fetched and proven, at a priority below every reader.
    ///
    /// Returns at once; `bringing` tells how it goes.
    ///
    /// - Returns: false when it has to be asked for again, since too many are in line.
    /// - Throws: why it cannot be fetched.
    package func bring(_ content: ContentID) throws(FetchError) -> Bool {
        try contents.bring(content)
    }

    /// Whether the rest of a content is still to come, and why it is not, if it was given up.
    package func bringing(_ content: ContentID) -> (isComing: Bool, failure: FetchError?) {
        contents.restStatus(of: content)
    }

    /// Nobody waits for the rest of a content any more; what is under way still comes.
    package func stopBringing(_ content: ContentID) {
        contents.leave(content)
    }

    /// Whether bytes of a content that are in the store may be served before more is proven.
    package func mayServe(_ content: Content) -> Bool { contents.mayServe(content) }

    /// Fetches what is missing of what was touched in an earlier run, in its order and below every
    /// reader.
    ///
    /// Returns at once.
    package func fetch(_ trace: TouchTrace) {
        contents.fetch(trace)
    }

    /// Has the kernel read the pages of what was touched in an earlier run, in its order, as far
    /// as the kernel gives them to readers by itself.
    ///
    /// Returns at once.
    package func readPages(of trace: TouchTrace) {
        contents.readPages(of: trace)
    }

    /// Somebody has opened a content that the kernel reads by itself: its pages are not read in
    /// that reader's way any more.
    package func noteKernelReads(_ content: ContentID) {
        contents.noteKernelReads(content)
    }

    /// The contents that are being fetched.
    package var progress: [FetchProgress] { contents.progress }

    /// The repositories that the Hub refused lately.
    package var refusals: [Refusal] { refused.all }

    /// Bytes that came and were not what their hash says.
    package var damagedContentCount: Int64 { contents.damaged.value }

    /// How often bytes came that the store did not take; they may have been served from memory.
    package var untakenCount: Int64 { contents.untaken.value }

    /// Blocks that were damaged on the disk and were fetched again while their reader waited.
    package var healedBlockCount: Int64 { contents.healedBlocks.value }

    /// Bytes that came from the official client's cache.
    package var clientCacheByteCount: Int64 { contents.localBytes.value }

    /// Chunks that came wrong through Xet, as a later arrival showed.
    package var wrongXetChunkCount: Int64 { contents.wrongXetChunks.value }

    /// Has somebody told which bytes of a content were wrong, or in doubt, and were dropped: they
    /// may have been served.
    ///
    /// It is called on threads of the fetcher's, and must not wait.
    package func observeDamage(
        _ observer: @escaping @Sendable (ContentID, [Range<Int64>]) -> Void
    ) {
        contents.damageObserver.withLock { $0 = observer }
    }

    /// Answers everyone who waits with `stopped`, and ends the threads.
    ///
    /// The Hub's client has to be closed before, so that nothing more arrives.
    package func close() {
        alarms.close()
        metadata.close()
        contents.close()
    }
}
