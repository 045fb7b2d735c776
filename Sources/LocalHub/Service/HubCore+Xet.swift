// The routes of Xet: tokens from the Hub, reconstructions from the server of contents, and xorbs
// behind signed URLs. Hub and server of contents are one here.
//
// Three kinds of permission, as on the Hub: the Hub's token opens the repository and gives an
// access token; that opens reconstructions of one commit's files; and those give URLs, each good
// for one range of bytes of one xorb, for a while, without any token.

internal import HTTPService
internal import Hashing
internal import HubAPI
internal import Platform
internal import Xet

/// How to get a file over Xet: its hash, and the repository that gives tokens for it.
struct XetFacts {
    let hash: String
    /// Such as `models/org/name`.
    let repository: String

    /// Both, as they stand in the URL of a file's data.
    var text: String { "\(hash) \(repository)" }

    init(_ hash: XetHash, _ id: RepositoryID) {
        self.hash = hash.text
        repository = id.description
    }

    /// Reads what `text` gave.
    init?(_ text: String) {
        let halves = text.split(separator: " ")
        if halves.count != 2 { return nil }
        (hash, repository) = (String(halves[0]), String(halves[1]))
    }
}

extension HubCore {
    /// The option of a file's data URL that says how to get it over Xet.
    static let xetOption = "X-Xet"
    /// The option of a xorb's data URL that says which bytes it is good for.
    private static let rangeOption = "X-Xet-Signed-Range"

    /// Answers what needs no token of the Hub; nil if the route is none of these.
    func serveXet(
        _ route: Route, _ context: RequestContext, hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse? {
        switch route {
        case .reconstruction(let version, let hash):
            try context.allow("GET", "HEAD")
            switch (settings.xet, version) {
            case (.off, _), (.version1, .two): throw .noPage
            case (.version1, .one), (.version2, _): break
            }
            return try reconstruction(of: hash, version, context, hasExpired: hasExpired)
        case .xorbData(let xorb):
            try context.allow("GET", "HEAD")
            if settings.xet == .off { throw .noPage }
            return try xorbData(xorb, context, hasExpired: hasExpired)
        case .otherXet: throw .noPage
        default: return nil
        }
    }

    /// `/api/{T}/{id}/xet-read-token/{rev}`: in JSON, and in headers, since clients read either.
    func xetReadToken(
        _ record: RepositoryRecord, revision: String, _ context: RequestContext,
        hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse {
        if settings.xet == .off { throw .noPage }
        let commit = try commit(revision, of: record).info.id
        let lifetime = hasExpired ? -1 : Int64(settings.xetTokenLifetimeSeconds)
        let expiry = WallTime(secondsSince1970: WallTime.now.secondsSince1970 + lifetime)
        let grant = XetGrant(repository: record.id, commit: commit, expiryDate: expiry)
        let token = XetToken(
            serverURL: context.baseURL, accessToken: xetAccess.token(for: grant), expiry: expiry)
        var response = HTTPResponse(status: 200, body: .bytes(token.json))
        response.headers.add("Content-Type", "application/json; charset=utf-8")
        response.headers.add("Cache-Control", "no-store")
        response.headers.add("X-Xet-Cas-Url", token.serverURL)
        response.headers.add("X-Xet-Access-Token", token.accessToken)
        response.headers.add("X-Xet-Token-Expiration", "\(expiry.secondsSince1970)")
        return response
    }

    /// How to get a file over Xet; nil if it cannot be.
    func xetFacts(of entry: CommitEntry, _ id: RepositoryID) -> XetFacts? {
        settings.xet == .off ? nil : entry.xetHash.map { XetFacts($0, id) }
    }

    /// Tells how to get a large file over Xet instead.
    func addXet(
        to headers: inout HTTPHeaders, _ facts: XetFacts, commit: String, _ context: RequestContext
    ) {
        let base = context.baseURL
        let token = "\(base)/api/\(facts.repository)/xet-read-token/\(commit)"
        // The Hub, too, names the older version here.
        let server = base + ReconstructionVersion.one.path + facts.hash
        headers.add("X-Xet-Hash", facts.hash)
        headers.add(
            "Link",
            "<\(token)>; rel=\"xet-auth\", "
                + "<\(server)>; rel=\"xet-reconstruction-info\"")
    }

    /// `/v2/reconstructions/{hash}` and `/v1/reconstructions/{hash}`.
    private func reconstruction(
        of hash: XetHash, _ version: ReconstructionVersion, _ context: RequestContext,
        hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse {
        guard let grant = grant(of: context) else { throw .invalidCredentials }
        let granted = try reading { () throws(LocalHubError) in
            try store.commit(grant.commit, of: grant.repository)
        }
        // What is outside the token's scope seems not to be there.
        guard let granted, granted.holds(hash),
            let file = try reading({ () throws(LocalHubError) in try xet.file(hash) })
        else { throw .noPage }
        let range: Range<Int64>
        switch ByteRangeRequest(context.request.headers["Range"], byteCount: file.byteCount) {
        case .whole: range = 0..<file.byteCount
        case .range(let part): range = part
        case .outside:
            var response = HTTPResponse.text(416, "The file ends before this range.\n")
            response.headers.add("Content-Range", "bytes */\(file.byteCount)")
            return response
        }
        let lifetime = hasExpired ? -1 : Int64(settings.urlLifetimeSeconds)
        let expiry = WallTime(secondsSince1970: WallTime.now.secondsSince1970 + lifetime)
        let found = try reading { () throws(LocalHubError) in
            try xet.reconstruction(of: file, range: range) { xorb, bytes in
                xorbLocation(xorb, bytes, until: expiry, context)
            }
        }
        var response = HTTPResponse(status: 200, body: .bytes(found.json(version)))
        response.headers.add("Content-Type", "application/json")
        response.headers.add("Cache-Control", "no-store")
        return response
    }

    /// What the access token in a request is good for; nil if there is none, or none any more.
    private func grant(of context: RequestContext) -> XetGrant? {
        let parts = (context.authorization ?? "").split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return xetAccess.grant(of: parts[1], at: .now)
    }

    /// A URL for bytes of a xorb, and for nothing else.
    private func xorbLocation(
        _ xorb: XetHash, _ bytes: Range<Int64>, until expiry: WallTime, _ context: RequestContext
    ) -> String {
        let path = Route.xorbDataPrefix + xorb.text
        let range = "bytes=\(bytes.lowerBound)-\(bytes.upperBound - 1)"
        let query = signer.query(for: HubCore.signedText(path, range), expiryDate: expiry)
        let option = "\(HubCore.rangeOption)=\(percentEncoded(range))"
        return "\(dataURL(for: context))\(path)?\(option)&\(query)"
    }

    /// What is signed of a URL with an option: both, with a blank between, which no path has.
    static func signedText(_ path: String, _ option: String?) -> String {
        option.map { "\(path) \($0)" } ?? path
    }

    /// `/_xorb/{hash}?X-Xet-Signed-Range=…&Expires=…&Signature=…`: exactly the bytes signed for.
    private func xorbData(
        _ xorb: XetHash, _ context: RequestContext, hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse {
        let request = context.request
        guard let range = request.query[HubCore.rangeOption] else {
            throw .forbidden("The URL says no range.")
        }
        try checkSignature(of: request, with: range, hasExpired: hasExpired)
        guard request.headers["Range"] == range else {
            throw .forbidden("The URL is signed for another range.")
        }
        let found = try reading { () throws(LocalHubError) in try xet.open(xorb) }
        guard let descriptor = found, let byteCount = try? descriptor.size() else { throw .noPage }
        guard case .range(let bytes) = ByteRangeRequest(range, byteCount: byteCount) else {
            throw .internalError("A xorb of the store is too short.")
        }
        var headers = HTTPHeaders()
        headers.add("Content-Type", "application/octet-stream")
        headers.add("Accept-Ranges", "bytes")
        headers.add("ETag", "\"\(xorb.text)\"")
        headers.add("Cache-Control", "public, max-age=31536000, immutable")
        headers.add(
            "Content-Range", "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/\(byteCount)")
        let file = HTTPFile(descriptor)
        return HTTPResponse(
            status: 206, headers: headers,
            body: .file(file, offset: bytes.lowerBound, length: Int64(bytes.count)))
    }
}
