// A request, with what is derived from it for every route.

internal import HTTPService
internal import Hashing

/// One request on its way through the service.
struct RequestContext {
    let request: HTTPRequest
    /// In every answer and in nothing else; the official client shows it in its errors.
    let requestID: String

    init(_ request: HTTPRequest) {
        self.request = request
        // By fours, since each number costs a call to the system.
        let random = (0..<3).flatMap { _ in
            let number = UInt32.random(in: .min ... .max)
            return (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        requestID = "Root=1-\(hexString(random))"
    }

    /// The header with the token, as it came.
    var authorization: String? { request.headers["Authorization"] }

    /// Where this client reaches the API, such as `http://127.0.0.1:8080`.
    var baseURL: String { "http://\(request.headers["Host"] ?? "127.0.0.1")" }

    /// Refuses other methods.
    func allow(_ methods: String...) throws(Refusal) {
        if !methods.contains(request.method) {
            throw .wrongMethod(allowed: methods.joined(separator: ", "))
        }
    }

    /// What it counts as in the statistics.
    func kind(of route: Route) -> RequestKind {
        switch route {
        case .whoami: .whoami
        case .listing: .listing
        case .repository(_, .info): .repoInfo
        case .repository(_, .revision): .revision
        case .repository(_, .tree): .tree
        case .repository(_, .refs): .refs
        case .repository(_, .pathsInfo): .pathsInfo
        case .repository(_, .authCheck): .authCheck
        case .repository(_, .xetReadToken): .xetToken
        case .resolve: request.method == "HEAD" ? .resolveHead : .resolveGet
        case .resolveCache: .resolveCache
        case .data: .data
        case .reconstruction: .reconstruction
        case .xorbData: .xorbData
        case .otherXet, .admin, .unknown: .other
        }
    }

    /// What it counts as in a quota: data needs none, nor does the second half of a resolve.
    func quotaClass(of route: Route) -> QuotaClass? {
        switch route {
        case .whoami, .listing, .repository: .api
        case .resolve: .resolvers
        case .resolveCache, .data, .reconstruction, .xorbData, .otherXet, .admin, .unknown: nil
        }
    }

    /// The values of an option that may be written `name`, `name[]`, repeatedly or with commas.
    func list(_ name: String) -> [String] {
        (request.query.all(name) + request.query.all("\(name)[]")).flatMap {
            $0.split(separator: Character(",")).map { String($0) }
        }
    }

    /// Whether an option is on.
    func flag(_ name: String) -> Bool {
        ["1", "true", "True"].contains(request.query[name] ?? "")
    }

    /// An answer in JSON; 304 if the client has it already.
    func answer(_ json: JSON, headers: HTTPHeaders = HTTPHeaders()) -> HTTPResponse {
        let bytes = json.bytes
        let hash = unsafe bytes.withUnsafeBytes { unsafe xxh3($0) }
        let tag = "W/\"\(String(bytes.count, radix: 16))-\(String(hash, radix: 16))\""
        var headers = headers
        headers.add("ETag", tag)
        headers.add("Cache-Control", "no-cache")
        if isNewest(tag) { return HTTPResponse(status: 304, headers: headers) }
        headers.add("Content-Type", "application/json; charset=utf-8")
        return HTTPResponse(status: 200, headers: headers, body: .bytes(bytes))
    }

    /// Whether the client says that it has this version.
    func isNewest(_ tag: String) -> Bool {
        guard let known = request.headers["If-None-Match"] else { return false }
        let bare = bareTag(tag)
        return known == "*"
            || known.split(separator: Character(",")).contains { bareTag($0) == bare }
    }
}

/// A version's tag without its quotes and its mark of weakness.
func bareTag(_ tag: some StringProtocol) -> String {
    var text = tag.drop { $0 == " " }
    if text.hasPrefix("W/") { text = text.dropFirst(2) }
    return String(text.split(separator: Character("\"")).first ?? "")
}
