// The service: from a request to an answer.
//
// A fixed table of routes, none of which leads to a file. A request passes in this order, when its
// header is there: the route, the method, the token, the origin, the rate. Then its body is read,
// within its limit, and answered on its connection's thread, which waits for the pool to predict.
// This file owns the order; the answers are in its extensions.

internal import HTTPService
internal import Platform
internal import Telemetry

/// Where a request leads.
enum Route: String, CaseIterable, Sendable {
    case page = "/"
    case script = "/page.js"
    case style = "/page.css"
    case predict = "/predict"
    case batch = "/predict/batch"
    case similarity = "/similarity"
    case nearest = "/nearest"
    case rollback = "/rollback"
    case model = "/model"
    case history = "/history"
    case health = "/healthz"
    case ready = "/readyz"
    case metrics = "/metrics"
    case openAPI = "/openapi.json"

    /// The one method it takes; HEAD goes with GET.
    var method: String {
        switch self {
        case .predict, .batch, .similarity, .nearest, .rollback: "POST"
        default: "GET"
        }
    }

    /// Whether it is answered without a token: the empty page, and signs of life.
    var isOpen: Bool {
        switch self {
        case .page, .script, .style, .health, .ready: true
        default: false
        }
    }
}

/// Answers the requests of one predictor.
final class PredictorService: Sendable {
    let settings: PredictorSettings
    let holder: ModelHolder
    let pool: PredictionPool
    let metrics: PredictorMetrics
    let log: Log
    let startedAt = WallTime.now
    /// Nil while there is none.
    private let keptHistory = Lock<History?>(nil)
    private let rates: Lock<RateLimiter?>
    private let rules: AccessRules

    init(
        settings: PredictorSettings, holder: ModelHolder, pool: PredictionPool,
        metrics: PredictorMetrics, log: Log
    ) {
        self.settings = settings
        self.holder = holder
        self.pool = pool
        self.metrics = metrics
        self.log = log
        rates = Lock(settings.requestsPerSecond.map { RateLimiter(perSecond: $0) })
        rules = AccessRules(token: settings.token)
    }

    var history: History? { keptHistory.withLock { $0 } }

    /// Has predictions noted from now on.
    func keep(_ history: History?) {
        keptHistory.withLock { $0 = history }
    }

    /// Decides, by the header, whether a request is answered, and how its body is read.
    func intake(_ request: HTTPRequest) -> HTTPIntake {
        do throws(RequestProblem) {
            let route = try admit(request)
            if route == .batch {
                return .streamed(
                    try BatchSink(self, request), byteCountMax: settings.batchByteCountMax)
            }
            return .whole
        } catch {
            return .refused(PredictorService.secured(error.response))
        }
    }

    private func admit(_ request: HTTPRequest) throws(RequestProblem) -> Route {
        guard let route = Route(rawValue: request.path) else {
            throw RequestProblem(
                404, "there is no such page; GET /openapi.json tells what there is")
        }
        let isAllowed =
            request.method == route.method
            || (request.method == "HEAD" && route.method == "GET")
        if !isAllowed { throw RequestProblem(405, "\(route.rawValue) takes \(route.method)") }
        if !route.isOpen { try rules.checkToken(request.headers) }
        if route.method == "POST" {
            try rules.checkOrigin(request.headers)
            let type = request.headers["Content-Type"]?.lowercased() ?? ""
            if type.hasPrefix("multipart/") {
                throw RequestProblem(
                    415, "send the data itself as the body, as 'curl --data-binary @FILE' does")
            }
            let verdict = rates.withLock { $0?.count(request.peer, at: .now) }
            if case .refused(let seconds)? = verdict {
                throw RequestProblem(
                    429, "too many requests; come again in \(seconds) s",
                    retryAfterSeconds: seconds)
            }
        }
        return route
    }

    /// Answers a request that was admitted, and is there whole.
    func respond(_ request: HTTPRequest) -> HTTPResponse {
        guard let route = Route(rawValue: request.path) else {
            return PredictorService.secured(RequestProblem(404, "there is no such page").response)
        }
        do throws(RequestProblem) {
            return PredictorService.secured(try answer(route, request))
        } catch {
            return PredictorService.secured(error.response)
        }
    }

    private func answer(
        _ route: Route, _ request: HTTPRequest
    ) throws(RequestProblem) -> HTTPResponse {
        switch route {
        case .page: return WebPage.document
        case .script: return WebPage.script
        case .style: return WebPage.style
        case .predict: return try predict(request)
        case .similarity: return try similarity(request)
        case .nearest: return try nearest(request)
        case .rollback: return try rollback()
        case .model: return .json(modelDescription())
        case .history: return try historyPage(request)
        case .health: return .text(200, "ok\n")
        case .ready: return readiness()
        case .metrics: return metricsPage()
        case .openAPI: return .json(try openAPI())
        case .batch: throw RequestProblem(400, "the body is missing")
        }
    }

    /// Counts a request that is over.
    func finish(_ record: HTTPRecord) {
        let path = String(record.target.prefix { $0 != "?" })
        let route = Route(rawValue: path)
        metrics.count(
            route: route?.rawValue ?? "other", status: record.status, seconds: record.seconds)
        log.debug(
            "a request",
            [
                "peer": record.peer, "method": record.method, "route": route?.rawValue ?? "other",
                "status": "\(record.status)", "milliseconds": milliseconds(record.seconds),
            ])
    }

    /// With what every answer carries: nothing of another site is loaded, shown or run.
    static func secured(_ response: HTTPResponse) -> HTTPResponse {
        var response = response
        response.headers.add("X-Content-Type-Options", "nosniff")
        response.headers.add("Referrer-Policy", "no-referrer")
        if response.headers["Content-Security-Policy"] == nil {
            response.headers.add("Content-Security-Policy", "default-src 'none'")
        }
        if response.headers["Cache-Control"] == nil {
            response.headers.add("Cache-Control", "no-store")
        }
        return response
    }
}
