// Who may ask: the token, the page that a request comes from.
//
// Pure.

internal import HTTPService

/// What a request has to show.
struct AccessRules: Sendable {
    /// Nil for nothing.
    let token: String?

    /// Refuses a request that does not show the token, if there is one.
    ///
    /// Source: RFC 6750, section 2.1.
    func checkToken(_ headers: HTTPHeaders) throws(RequestProblem) {
        guard let token else { return }
        let words = (headers["Authorization"] ?? "").split(separator: " ", maxSplits: 1)
        let isBearer = words.count == 2 && words[0].lowercased() == "bearer"
        let shown = isBearer ? String(words[1]).trimmed : ""
        guard AccessRules.areEqual(Array(shown.utf8), Array(token.utf8)) else {
            throw RequestProblem(
                401, "the token is missing or wrong: send 'Authorization: Bearer TOKEN'")
        }
    }

    /// Compares in a time that depends on nothing but the length of what was shown.
    static func areEqual(_ shown: [UInt8], _ wanted: [UInt8]) -> Bool {
        var difference = shown.count ^ wanted.count
        for index in shown.indices {
            difference |= Int(shown[index] ^ (wanted.isEmpty ? 0 : wanted[index % wanted.count]))
        }
        return difference == 0
    }

    /// Refuses what a browser sends on behalf of a page of another site.
    func checkOrigin(_ headers: HTTPHeaders) throws(RequestProblem) {
        guard let origin = headers["Origin"] else { return }
        let host = origin.firstRange(of: "://").map { String(origin[$0.upperBound...]) } ?? origin
        if [headers["Host"], headers["X-Forwarded-Host"]].contains(host) { return }
        throw RequestProblem(403, "pages of other sites may not ask: \(origin.shortened)")
    }
}
