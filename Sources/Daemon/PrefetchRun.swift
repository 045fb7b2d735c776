// Contents fetched whole and proven, one run of it: some at a time are put in the fetcher's line,
// looked at again and again until each is there or has failed, and taken out when nobody waits.
//
// What is there already is not fetched again, so a run that was ended is taken up by the next.
// Several runs may want the same: it is fetched once.

internal import Catalog
internal import ChunkStore
internal import Fetching
internal import Platform

/// Brings a list of contents.
struct PrefetchRun {
    /// In the fetcher's line at a time; more than it has transfers, so that small ones follow each
    /// other without a pause.
    private static let underWayCountMax = 64
    /// Between two looks, in seconds.
    private static let lookSeconds = 0.05
    /// How long a content may be without a transfer and without a reason, in looks: 10 s.
    private static let idleLookCountMax = 200
    /// How often a content may turn out wrong.
    private static let wrongCountMax = 3

    /// A content that is wanted.
    struct Wanted {
        /// For people.
        let name: String
        let content: Content
        fileprivate var idleLookCount = 0
        fileprivate var wrongCount = 0

        init(name: String, content: Content) {
            self.name = name
            self.content = content
        }
    }

    /// What became of one.
    enum Ending {
        case proven
        case failed(FetchError)
    }

    private let store: ChunkStore
    private let fetcher: Fetcher
    /// The next one is last.
    private var waiting: [Wanted]
    private var underWay: [Wanted] = []
    private var doneBytes: Int64 = 0
    private let totalBytes: Int64

    init(_ wanted: [Wanted], store: ChunkStore, fetcher: Fetcher) {
        self.store = store
        self.fetcher = fetcher
        waiting = wanted.reversed()
        totalBytes = wanted.reduce(0) { $0 + $1.content.sizeBytes }
    }

    /// Brings all of them, or as many as came until `progress` said that nobody waits.
    mutating func run(
        progress: (CacheProgress) -> Bool, ended: (Wanted, Ending) -> Void
    ) {
        defer { for wanted in underWay { fetcher.stopBringing(wanted.content.id) } }
        while !waiting.isEmpty || !underWay.isEmpty {
            fill(ended)
            look(ended)
            let cachedBytes = underWay.reduce(doneBytes) { $0 + state($1).cachedByteCount }
            let isWanted = progress(
                CacheProgress(doneBytes: min(cachedBytes, totalBytes), totalBytes: totalBytes))
            if !isWanted { return }
            if !underWay.isEmpty { sleep(seconds: PrefetchRun.lookSeconds) }
        }
    }

    private func state(_ wanted: Wanted) -> ContentState {
        store.state(of: wanted.content.hash, size: wanted.content.sizeBytes)
    }

    /// Nothing has to be stored of an empty file.
    private func isProven(_ wanted: Wanted) -> Bool {
        let state = state(wanted)
        guard case .proven = state.verification else { return wanted.content.sizeBytes == 0 }
        return state.isComplete
    }

    private mutating func fill(_ ended: (Wanted, Ending) -> Void) {
        while underWay.count < PrefetchRun.underWayCountMax, let wanted = waiting.popLast() {
            if isProven(wanted) {
                finish(wanted, .proven, ended)
            } else if bring(wanted, ended) {
                underWay.append(wanted)
            }
        }
    }

    /// False when it failed at once, which was told.
    private mutating func bring(_ wanted: Wanted, _ ended: (Wanted, Ending) -> Void) -> Bool {
        do throws(FetchError) {
            // Where the line is full, the next look asks again.
            _ = try fetcher.bring(wanted.content.id)
            return true
        } catch {
            finish(wanted, .failed(error), ended)
            return false
        }
    }

    private mutating func finish(
        _ wanted: Wanted, _ ending: Ending, _ ended: (Wanted, Ending) -> Void
    ) {
        doneBytes += wanted.content.sizeBytes
        ended(wanted, ending)
    }

    private mutating func look(_ ended: (Wanted, Ending) -> Void) {
        let looked = underWay
        underWay = []
        for var wanted in looked {
            if isProven(wanted) {
                fetcher.stopBringing(wanted.content.id)
                finish(wanted, .proven, ended)
                continue
            }
            let (isComing, failure) = fetcher.bringing(wanted.content.id)
            if isComing {
                wanted.idleLookCount = 0
                underWay.append(wanted)
            } else if let failure {
                fetcher.stopBringing(wanted.content.id)
                finish(wanted, .failed(failure), ended)
            } else if let failure = patience(&wanted) {
                fetcher.stopBringing(wanted.content.id)
                finish(wanted, .failed(failure), ended)
            } else if state(wanted).isComplete || bring(wanted, ended) {
                underWay.append(wanted)
            }
        }
    }

    /// Why a content that does not come is given up; nil while it is not.
    ///
    /// It is being proven, or was wrong and dropped, or somebody else has taken it out of the line.
    private func patience(_ wanted: inout Wanted) -> FetchError? {
        let state = state(wanted)
        if state.isComplete { return nil }
        if state.verification == .failed { wanted.wrongCount += 1 }
        if wanted.wrongCount >= PrefetchRun.wrongCountMax { return .notProven }
        wanted.idleLookCount += 1
        return wanted.idleLookCount > PrefetchRun.idleLookCountMax ? .noRoom : nil
    }
}
