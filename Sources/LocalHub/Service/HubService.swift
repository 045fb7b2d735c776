// The local Hub as a server: from a request to an answer.
//
// Owns the HTTP servers of the API and, if asked, of the data. A request passes in this order: the
// weather (latency, a fault instead of an answer), the quota, the token, the route; the answer
// passes the weather once more, which may slow its body down or spoil it. Everything that it knows
// of repositories it reads from the store at the time of the request. It never writes to the root.

package import HTTPService
internal import HubAPI
internal import Platform
internal import Telemetry

/// How a local Hub serves.
package struct HubServiceSettings: Sendable {
    package var listen = SocketAddress(host: "127.0.0.1", port: 0)
    /// Data URLs point to a listener of its own here; to the same one if nil.
    package var dataListen: SocketAddress?
    /// How long a data URL is good.
    package var urlLifetimeSeconds = 3600
    /// What is served of Xet.
    package var xet = XetService.version2
    /// How long an access token of Xet is good.
    package var xetTokenLifetimeSeconds = 900
    package var quota: QuotaSettings?
    package var weather = WeatherSettings()
    /// Whether `/_modelfs/…` is answered.
    package var hasAdmin = false
    /// Called with a line for each request; none is written if nil.
    package var accessLog: (@Sendable (String) -> Void)?
    package var limits = HTTPServerLimits()

    package init() {}
}

/// What is served of Xet.
package enum XetService: Sendable {
    /// Nothing: neither hashes nor tokens.
    case off
    /// Reconstructions of version 1 only, as older servers have them.
    case version1
    /// Both versions.
    case version2
}

/// Why a local Hub does not serve.
package enum HubServiceError: Error, Equatable, Sendable {
    case store(LocalHubError)
    case http(HTTPServiceError)
}

/// A local Hub that is being served.
///
/// `stop` must be called before it is let go.
package final class HubService: Sendable {
    /// The server of the API.
    package let server: HTTPServer
    /// The server of the data, where that is another one.
    package let dataServer: HTTPServer?
    /// What was asked.
    package var statistics: Statistics { core.statistics }
    /// What the network is like.
    package var weather: Weather { core.weather }

    private let core: HubCore

    /// Starts to serve a root.
    package init(
        _ root: HubRoot, settings: HubServiceSettings
    ) throws(HubServiceError) {
        do throws(LocalHubError) {
            core = try HubCore(root, settings: settings)
        } catch {
            throw .store(error)
        }
        let core = core
        let report: @Sendable (HTTPRecord) -> Void = { core.finish($0) }
        do throws(HTTPServiceError) {
            if let listen = settings.dataListen {
                dataServer = try HTTPServer(
                    listen: listen, limits: settings.limits, onRecord: report
                ) { core.respond($0, isDataOnly: true) }
            } else {
                dataServer = nil
            }
            core.setDataAddress(dataServer?.address)
            server = try HTTPServer(
                listen: settings.listen, limits: settings.limits, onRecord: report
            ) { core.respond($0, isDataOnly: false) }
        } catch {
            throw .http(error)
        }
    }

    /// Lets answers under way finish for a while, then closes.
    package func stop() {
        server.stop()
        dataServer?.stop()
    }
}

/// What both servers answer from.
final class HubCore: Sendable {
    let store: RepositoryStore
    let tokens: TokenFile
    let aliases: AliasFile
    let signer: URLSigner
    let xet: XetStore
    let xetAccess: XetAccess
    let settings: HubServiceSettings
    let statistics = Statistics()
    let weather: Weather
    private let quota: Lock<QuotaCounts?>
    private let dataAddress = Lock<SocketAddress?>(nil)

    init(_ root: HubRoot, settings: HubServiceSettings) throws(LocalHubError) {
        store = RepositoryStore(root)
        tokens = TokenFile(root)
        aliases = AliasFile(root)
        let secret = try root.secret()
        signer = URLSigner(secret: secret)
        xet = XetStore(root)
        xetAccess = XetAccess(secret: secret)
        self.settings = settings
        weather = Weather(settings.weather)
        quota = Lock(settings.quota.map { QuotaCounts($0) })
    }

    /// Where data URLs begin, for the client that sent the request.
    func dataURL(for context: RequestContext) -> String {
        guard let address = dataAddress.withLock({ $0 }) else { return context.baseURL }
        // A listener on all addresses is reached under the name that the client uses already.
        guard ["0.0.0.0", "::"].contains(address.host) else { return "http://\(address)" }
        let host = context.request.headers["Host"] ?? "127.0.0.1"
        let isIPv6 = host.hasPrefix("[")
        let name = isIPv6 ? host.prefix { $0 != "]" } + "]" : host.prefix { $0 != ":" }
        return "http://\(name):\(address.port)"
    }

    /// Whether data is served from an address of its own.
    var hasDataAddress: Bool { dataAddress.withLock { $0 != nil } }

    func setDataAddress(_ address: SocketAddress?) {
        dataAddress.withLock { $0 = address }
    }

    /// Accounts for a request that is over.
    func finish(_ record: HTTPRecord) {
        if record.target.hasPrefix("/_modelfs/") { return }
        statistics.count(record)
        guard let log = settings.accessLog else { return }
        let milliseconds = Int((record.seconds * 1000).rounded())
        log(
            "\(WallTime.now.iso8601) \(record.peer) \(record.method) "
                + "\(Log.quoted(withoutSignature(record.target))) \(record.status) "
                + "\(record.bodyByteCount)B \(milliseconds)ms"
                + (record.isComplete ? "" : " aborted"))
    }

    /// Answers a request, through the weather.
    func respond(_ request: HTTPRequest, isDataOnly: Bool) -> HTTPResponse {
        let context = RequestContext(request)
        let route = route(context.request, isDataOnly: isDataOnly)
        if case .admin(let name) = route {
            return settings.hasAdmin ? administer(name, context) : Refusal.noPage.response()
        }
        statistics.count(
            context.kind(of: route), hasAuthorization: context.authorization != nil)
        let forecast = weather.forecast(path: context.request.path)
        if let fault = forecast.fault { statistics.count(fault) }
        context.request.pause.wait(seconds: forecast.latencySeconds)
        if case .status(let status, let retryAfterSeconds) = forecast.fault {
            var response = HTTPResponse.text(status, "A fault on purpose.\n")
            if let retryAfterSeconds { response.headers.add("Retry-After", "\(retryAfterSeconds)") }
            return response
        }
        let response = answer(route, context, hasExpired: forecast.fault == .expire)
        return ShapedBody.shape(
            response, forecast, weather: weather, pause: context.request.pause,
            isHead: context.request.method == "HEAD")
    }

    private func route(_ request: HTTPRequest, isDataOnly: Bool) -> Route {
        let route = Route(path: request.path) { id in
            if let record = try? store.record(of: id), record.id == id { return true }
            return (try? aliases.target(of: id)) ?? nil != nil
        }
        switch route {
        case .data, .xorbData: return route
        default: return isDataOnly ? .unknown : route
        }
    }

    /// The answer in good weather: counted, and with what every answer carries.
    private func answer(
        _ route: Route, _ context: RequestContext, hasExpired: Bool
    ) -> HTTPResponse {
        var verdict: QuotaCounts.Verdict?
        if let kind = context.quotaClass(of: route) {
            let client = context.authorization ?? context.request.peer
            verdict = quota.withLock { $0?.count(kind, of: client, at: .now) }
            if let verdict, !verdict.isAllowed { return HubCore.tooMany(kind, verdict) }
        }
        var response: HTTPResponse
        do throws(Refusal) {
            response = try serve(route, context, hasExpired: hasExpired)
        } catch {
            response = error.response()
        }
        response.headers.add("X-Request-Id", context.requestID)
        if let verdict, let kind = context.quotaClass(of: route) {
            HubCore.addLimits(to: &response.headers, kind, verdict)
        }
        return response
    }

    private func serve(
        _ route: Route, _ context: RequestContext, hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse {
        if case .data(let sha256, let commit) = route {
            return try data(sha256: sha256, commit: commit, context, hasExpired: hasExpired)
        }
        if let response = try serveXet(route, context, hasExpired: hasExpired) { return response }
        let caller = try caller(of: context)
        if case .repository(let id, .pathsInfo(let revision)) = route {
            try context.allow("POST")
            return try pathsInfo(id, revision: revision, context, caller)
        }
        try context.allow("GET", "HEAD")
        switch route {
        case .whoami: return try whoami(context, caller)
        case .listing(let kind): return try listing(of: kind, context, caller)
        case .repository(let id, let action):
            return try repository(id, action, context, caller, hasExpired: hasExpired)
        case .resolve(let id, let revision, let path):
            return try resolve(
                id, revision: revision, path: path, context, caller, hasExpired: hasExpired)
        case .resolveCache(let id, let commit, let path):
            return try resolveCache(id, commit: commit, path: path, context, caller)
        case .data, .reconstruction, .xorbData, .otherXet, .admin, .unknown: throw .noPage
        }
    }

    private static func tooMany(
        _ kind: QuotaClass, _ verdict: QuotaCounts.Verdict
    ) -> HTTPResponse {
        let message = "We had to rate limit you: the quota of '\(kind.rawValue)' is used up."
        var response = HTTPResponse(
            status: 429, body: .bytes(JSON.object([("error", .string(message))]).bytes))
        response.headers.add("Content-Type", "application/json; charset=utf-8")
        response.headers.add("X-Error-Message", message)
        response.headers.add("Retry-After", "\(verdict.resetSeconds)")
        addLimits(to: &response.headers, kind, verdict)
        return response
    }

    /// Source: draft-ietf-httpapi-ratelimit-headers-09, which the Hub follows.
    private static func addLimits(
        to headers: inout HTTPHeaders, _ kind: QuotaClass, _ verdict: QuotaCounts.Verdict
    ) {
        headers.add(
            "RateLimit", "\"\(kind.rawValue)\";r=\(verdict.remaining);t=\(verdict.resetSeconds)")
        headers.add(
            "RateLimit-Policy",
            "\"fixed window\";\"\(kind.rawValue)\";q=\(verdict.limit);w=\(verdict.windowSeconds)")
    }
}

/// The target without what makes a data URL good, which a log is not to tell.
private func withoutSignature(_ target: String) -> String {
    guard let range = target.firstRange(of: "Signature=") else { return target }
    let rest = target[range.upperBound...].drop { $0 != "&" }
    return "\(target[..<range.upperBound])…\(rest)"
}
