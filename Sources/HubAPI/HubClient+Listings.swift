// The calls whose answers come in pages: the tree of a commit, the repositories of an owner.
//
// A page names the next one by a `Link` field. It is followed only on the Hub's own origin, never
// twice to the same URL, and within limits of pages and entries, so no answer can make this run
// for ever or take all memory.

package import Hashing
package import Platform
package import Transport

extension HubClient {
    /// Entries of a tree that we ask for in a page: the most that the Hub gives.
    static let pageEntryCount = 1000
    /// Who gives fewer in a page than a tenth of it has no more time for the next one.
    fileprivate static let fullPageEntryCount = 100
    /// Repositories that we ask for in a page.
    ///
    /// Each comes with its files: 200 of 50 KB fit.
    static let pageRepositoryCount = 200
    /// 10,000 pages of 1,000 entries are twice the entries we take.
    static let pageCountMax = 10_000
    /// The files of a repository: the Hub recommends to stay below 100,000.
    static let treeEntryCountMax = 5_000_000

    /// How long a listing may take in all, in seconds: the largest, at 0.3 seconds for a page,
    /// takes half of it.
    static let listingSecondsMax = 3_600.0

    /// Every file and directory of a commit.
    ///
    /// - Parameters:
    ///   - deadline: of the first page; each further one may take as long as that.
    ///   - goesOn: asked before each further page; if not, the listing ends with `.cancelled`.
    ///   - completion: called once, on the hub thread.
    package func tree(
        _ id: RepositoryID, _ commit: GitObjectID, deadline: MonotonicInstant,
        priority: TransferPriority = .metadata,
        goesOn: @escaping @Sendable () -> Bool = { true },
        completion: @escaping @Sendable (Result<TreeListing, HubError>) -> Void
    ) {
        let target = HubTarget.any(
            path: "/api/\(id)/tree/\(commit)",
            query: "recursive=true&expand=false&limit=\(HubClient.pageEntryCount)")
        let pages = PageWalk<TreePage>(
            kind: .tree, subject: id.description, from: scheduling.now, deadline: deadline,
            priority: priority, entryCountMax: HubClient.treeEntryCountMax, stopsAtMax: false,
            goesOn: goesOn)
        walk(
            pages, target, decode: { json throws(HubError) in try TreePage(json: json) }
        ) { result in
            completion(
                result.map { walked in
                    TreeListing(
                        entries: walked.page.entries,
                        unreadableNameCount: walked.page.unreadableNameCount)
                })
        }
    }

    /// Repositories of an owner, in the Hub's order.
    ///
    /// - Parameters:
    ///   - countMax: how many are enough; 1 to 100,000.
    ///   - deadline: of the first page; each further one may take as long as that.
    ///   - completion: called once, on the hub thread.
    package func repositories(
        _ kind: RepositoryKind, author: String, countMax: Int, deadline: MonotonicInstant,
        priority: TransferPriority = .metadata,
        completion: @escaping @Sendable (Result<RepositoryListing, HubError>) -> Void
    ) {
        repositoriesFrom(
            kind, author: author, countMax: countMax, deadline: deadline, priority: priority
        ) { completion($0.map(\.value)) }
    }

    /// As `repositories`, with the endpoint that has said it.
    package func repositoriesFrom(
        _ kind: RepositoryKind, author: String, countMax: Int, deadline: MonotonicInstant,
        priority: TransferPriority = .metadata,
        completion: @escaping @Sendable (Result<Said<RepositoryListing>, HubError>) -> Void
    ) {
        precondition((1...100_000).contains(countMax))
        let author = percentEncoded(author)
        let limit = min(HubClient.pageRepositoryCount, countMax)
        let target = HubTarget.any(
            path: "/api/\(kind.plural)", query: "author=\(author)&limit=\(limit)&full=true")
        let pages = PageWalk<RepositoryPage>(
            kind: .repositories, subject: "\(kind.plural) of \(author)", from: scheduling.now,
            deadline: deadline, priority: priority, entryCountMax: countMax, stopsAtMax: true)
        walk(
            pages, target,
            decode: { json throws(HubError) in try RepositoryPage(json: json, kind: kind) }
        ) { result in
            completion(
                result.map { walked in
                    let all = walked.page.repositories
                    return Said(
                        value: RepositoryListing(
                            repositories: Array(all.prefix(countMax)),
                            isCut: walked.isCut || all.count > countMax),
                        endpoint: walked.endpoint)
                })
        }
    }

    /// Asks for one page, and for the next when it has come.
    ///
    /// The pages of a listing come from one endpoint; when that goes away on the way, the listing
    /// begins anew at another.
    private func walk<Page: ListingPage>(
        _ walk: PageWalk<Page>, _ target: HubTarget,
        decode: @escaping @Sendable ([UInt8]) throws(HubError) -> Page,
        completion: @escaping @Sendable (Result<PageWalk<Page>, HubError>) -> Void
    ) {
        ask(
            walk.kind, subject: walk.subject, target: target, deadline: walk.deadline,
            priority: walk.priority
        ) { [self] answer in
            do throws(HubError) {
                let answer = try answer.get()
                try walk.take(try decode(answer.body))
                walk.endpoint = answer.endpoint
                let endpoint = configuration.endpoints[answer.endpoint]
                let url: HTTPURL
                switch target {
                case .any(let path, let query):
                    url = endpoint.url(path, query: query)
                    walk.first = target
                case .one(let page, _), .foreign(let page, _): url = page
                }
                if let next = try walk.next(answer.headers, after: url, on: endpoint) {
                    if !walk.goesOn() { return completion(.failure(.cancelled)) }
                    walk.giveTime(at: scheduling.now)
                    self.walk(
                        walk, .one(next, endpoint: answer.endpoint), decode: decode,
                        completion: completion)
                } else {
                    completion(.success(walk))
                }
            } catch {
                guard case .one(_, let endpoint) = target, let first = walk.first,
                    error != .cancelled, hasOther(than: endpoint),
                    let again = walk.beginAgain(
                        atMost: configuration.endpoints.count, at: scheduling.now)
                else { return completion(.failure(error)) }
                self.walk(again, first, decode: decode, completion: completion)
            }
        }
    }
}

/// A part of a listing that can be joined with the next one.
protocol ListingPage: Sendable {
    init()
    var entryCount: Int { get }
    mutating func append(_ next: Self)
}

/// A listing as far as it has come.
///
/// Sendable because it is made complete before its first request, and from then on touched on the
/// hub thread only.
private final class PageWalk<Page: ListingPage>: @unchecked Sendable {
    let kind: HubRequestKind
    let subject: String
    /// Of the page that is asked for.
    private(set) var deadline: MonotonicInstant
    /// What a page may take.
    private let pageSeconds: Double
    /// Of all pages.
    private let lastDeadline: MonotonicInstant
    let priority: TransferPriority
    private(set) var page = Page()
    private(set) var isCut = false
    private let entryCountMax: Int
    /// Whether reaching the maximum is the wish of the caller and not an error.
    private let stopsAtMax: Bool
    /// Whether somebody wants the next page.
    let goesOn: @Sendable () -> Bool
    /// Where it began.
    var first: HubTarget?
    /// The endpoint that gives it.
    var endpoint = 0
    private var beginCount = 1
    private var pageCount = 0
    /// Of the newest page.
    private var lastEntryCount = 0
    private var visited: Set<HTTPURL> = []

    init(
        kind: HubRequestKind, subject: String, from now: MonotonicInstant,
        deadline: MonotonicInstant, priority: TransferPriority, entryCountMax: Int,
        stopsAtMax: Bool, goesOn: @escaping @Sendable () -> Bool = { true },
        lastDeadline: MonotonicInstant? = nil
    ) {
        self.kind = kind
        self.subject = subject
        pageSeconds = max(0, deadline.seconds(since: now))
        self.lastDeadline = lastDeadline ?? max(deadline, now + HubClient.listingSecondsMax)
        self.deadline = min(deadline, self.lastDeadline)
        self.priority = priority
        self.entryCountMax = entryCountMax
        self.stopsAtMax = stopsAtMax
        self.goesOn = goesOn
    }

    /// A page has come, and the next one may take as long, if it was worth it: a Hub that sends
    /// small pages without end has the time of one.
    func giveTime(at now: MonotonicInstant) {
        if lastEntryCount < HubClient.fullPageEntryCount { return }
        deadline = min(now + pageSeconds, lastDeadline)
    }

    /// The same listing with nothing of it; nil when it has begun too often.
    func beginAgain(atMost countMax: Int, at now: MonotonicInstant) -> PageWalk? {
        guard beginCount < countMax else { return nil }
        let again = PageWalk(
            kind: kind, subject: subject, from: now, deadline: now + pageSeconds,
            priority: priority, entryCountMax: entryCountMax, stopsAtMax: stopsAtMax,
            goesOn: goesOn, lastDeadline: lastDeadline)
        again.beginCount = beginCount + 1
        return again
    }

    /// Adds a page.
    func take(_ next: Page) throws(HubError) {
        pageCount += 1
        lastEntryCount = next.entryCount
        page.append(next)
        if page.entryCount > entryCountMax && !stopsAtMax {
            throw .malformed(reason: "more than \(entryCountMax) entries")
        }
    }

    /// The URL of the next page; nil when there is none or no more is wanted.
    ///
    /// It may be on another host: a mirror that hands on what its source says is one whose pages
    /// the official client follows, too. No token goes there.
    func next(
        _ headers: HTTPHeaders, after url: HTTPURL, on endpoint: HubEndpoint
    ) throws(HubError) -> HTTPURL? {
        visited.insert(url)
        guard let target = nextLink(headers.all("Link")) else { return nil }
        if stopsAtMax && page.entryCount >= entryCountMax {
            isCut = true
            return nil
        }
        guard let next = url.resolving(target).map({ endpoint.atHome($0) }),
            next.origin.isSecure || !endpoint.origin.isSecure
        else {
            throw .malformed(reason: "a next page that is nowhere safe")
        }
        if visited.contains(next) { throw .malformed(reason: "pages that loop") }
        if pageCount >= HubClient.pageCountMax {
            throw .malformed(reason: "more than \(HubClient.pageCountMax) pages")
        }
        return next
    }
}

/// The target of the first link with `rel="next"`.
///
/// Source: RFC 8288, 3, the part of it in use.
func nextLink(_ fields: [String]) -> String? {
    for field in fields {
        var rest = field[...]
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            let target = rest[rest.index(after: start)..<end]
            let after = rest[rest.index(after: end)...]
            let parameters = after.prefix(while: { $0 != "<" })
            for parameter in parameters.split(whereSeparator: { $0 == ";" || $0 == "," }) {
                let pair = parameter.split(separator: "=", maxSplits: 1)
                guard pair.count == 2, pair[0].trimmingBlanks().lowercased() == "rel"
                else { continue }
                let relations = pair[1].filter { $0 != "\"" }.split(separator: " ")
                if relations.contains("next") { return String(target) }
            }
            rest = after[parameters.endIndex...]
        }
    }
    return nil
}
