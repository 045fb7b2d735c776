// Several endpoints: which one is asked, what is known to be wrong with one, and who is told.
//
// With one endpoint none of this decides anything. What a file's endpoint brought and turned out
// wrong is remembered by file, so that the right bytes come from another; the memory is bounded,
// and when every endpoint would have to be avoided all are asked again.

package import Hashing
internal import Platform
internal import Telemetry
internal import Transport

/// Which endpoints brought a file, and which of them are avoided for it.
struct EndpointDoubts {
    /// Files remembered.
    static let countMax = 1024

    struct Entry {
        var used: Set<Int> = []
        var avoided: Set<Int> = []
    }

    private var entries = RecentCache<SignedLocations.File, Entry>(costMax: countMax)

    mutating func avoided(_ file: SignedLocations.File) -> Set<Int> {
        entries.value(for: file)?.avoided ?? []
    }

    /// An endpoint brings bytes of a file.
    mutating func noteUse(_ file: SignedLocations.File, _ endpoint: Int) {
        var entry = entries.value(for: file) ?? Entry()
        if !entry.used.insert(endpoint).inserted { return }
        entries.insert(entry, for: file)
    }

    /// An endpoint says what cannot be.
    ///
    /// True when this is news.
    mutating func avoid(_ file: SignedLocations.File, _ endpoint: Int, of count: Int) -> Bool {
        var entry = entries.value(for: file) ?? Entry()
        let isNews = entry.avoided.insert(endpoint).inserted
        if entry.avoided.count >= count { entry.avoided = [] }
        entries.insert(entry, for: file)
        return isNews
    }

    /// What was brought is wrong.
    ///
    /// - Returns: the endpoints that are avoided from now on.
    mutating func broughtWrong(_ file: SignedLocations.File, of count: Int) -> [Int] {
        guard let entry = entries.value(for: file) else { return [] }
        let new = entry.used.subtracting(entry.avoided).sorted()
        var avoided = entry.avoided.union(entry.used)
        if avoided.count >= count { avoided = [] }
        entries.insert(Entry(used: [], avoided: avoided), for: file)
        return new
    }
}

extension HubClient {
    /// How long a connection to one of several endpoints may take, in seconds: another one waits.
    static let connectSecondsAmongMirrors = 3.0

    /// The endpoint to ask, if possible none of those.
    func endpoint(avoiding avoided: Set<Int>) -> Int {
        if configuration.endpoints.count == 1 { return 0 }
        return withChoice { $0.pick(avoiding: avoided, at: scheduling.now) }
    }

    /// The endpoint to ask for a file.
    func endpoint(for request: ContentRequest, avoiding more: Set<Int> = []) -> Int {
        if configuration.endpoints.count == 1 { return 0 }
        let avoided = doubts.withLock { $0.avoided(SignedLocations.File(request)) }
        return endpoint(avoiding: avoided.union(more))
    }

    /// Another endpoint than those that were tried; nil if none can be asked.
    func otherEndpoint(than tried: Set<Int>) -> Int? {
        if configuration.endpoints.count == 1 { return nil }
        return withChoice { $0.next(except: tried, at: scheduling.now) }
    }

    /// The same for a file: one that is not known to have it wrong.
    func otherEndpoint(than tried: Set<Int>, for file: SignedLocations.File) -> Int? {
        if configuration.endpoints.count == 1 { return nil }
        return otherEndpoint(than: tried.union(doubts.withLock { $0.avoided(file) }))
    }

    func hasOther(than tried: Set<Int>) -> Bool { otherEndpoint(than: tried) != nil }

    func hasOther(than index: Int) -> Bool { hasOther(than: [index]) }

    /// How long a connection may take.
    func connectSeconds(to index: Int) -> Double {
        hasOther(than: index) ? HubClient.connectSecondsAmongMirrors : HubClient.connectSeconds
    }

    /// The transport's own.
    static let connectSeconds = 10.0

    /// An attempt at one of several endpoints got no answer.
    func noteFailure(of index: Int, _ error: TransportError) {
        guard HubClient.showsAbsence(error) else { return }
        let isAway = withChoice { $0.failed(index, error, at: scheduling.now) }
        guard isAway else { return }
        log.warning(
            "an endpoint is not reachable; the next one is asked until it is",
            ["endpoint": configuration.endpoints[index].text, "reason": "\(error)"])
        wake()
    }

    /// One of several endpoints answers, but with nothing of use.
    func noteUseless(_ index: Int, pauseSeconds: Double?, _ reason: HubError) {
        if configuration.endpoints.count == 1 { return }
        let isNews = withChoice { choice in
            defer { choice.rest(index, reason, seconds: pauseSeconds, at: scheduling.now) }
            return !choice.rests(index, at: scheduling.now)
        }
        guard isNews else { return }
        log.warning(
            "an endpoint is of no use for now; others are asked before it",
            ["endpoint": configuration.endpoints[index].text, "reason": "\(reason)"])
    }

    /// What an endpoint says of a file contradicts what the file is.
    func noteContradiction(_ request: ContentRequest, by index: Int, _ error: HubError) {
        let count = configuration.endpoints.count
        if count == 1 { return }
        let file = SignedLocations.File(request)
        guard doubts.withLock({ $0.avoid(file, index, of: count) }) else { return }
        warnOfWrong(file, index, "\(error)")
    }

    /// What was fetched of a file is not what its hash says: the endpoints that brought it are
    /// avoided for that file.
    package func distrust(_ id: RepositoryID, _ commit: GitObjectID, _ path: String) {
        let count = configuration.endpoints.count
        if count == 1 { return }
        let file = SignedLocations.File(id: id, commit: commit, path: path)
        for index in doubts.withLock({ $0.broughtWrong(file, of: count) }) {
            warnOfWrong(file, index, "its bytes are not what their hash says")
        }
    }

    private func warnOfWrong(_ file: SignedLocations.File, _ index: Int, _ reason: String) {
        log.warning(
            "an endpoint has a file wrong; others are asked for it",
            [
                "endpoint": configuration.endpoints[index].text,
                "file": "\(file.id)/\(String(decoding: file.path, as: UTF8.self))",
                "reason": reason,
            ])
    }
}
