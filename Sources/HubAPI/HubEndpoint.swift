// One place that answers like the Hub: where it is, and how its URLs are made.

package import Transport

/// The Hub, or a mirror of it.
package struct HubEndpoint: Equatable, Sendable {
    /// The only host that is sent this endpoint's token.
    package let origin: HTTPOrigin
    /// What stands before every path; empty except for a Hub below a path of its host.
    package let pathPrefix: String

    /// Nil when the text is no `http` or `https` URL without a query.
    package init?(_ text: String) {
        guard let url = HTTPURL(text), url.query == nil else { return nil }
        origin = url.origin
        pathPrefix = String(url.path.reversed().drop(while: { $0 == "/" }).reversed())
    }

    /// For people to read.
    package var text: String { "\(origin)\(pathPrefix)" }

    /// The URL of a path on it; `path` begins with `/` and is percent-encoded.
    package func url(_ path: String, query: String? = nil) -> HTTPURL {
        HTTPURL(origin: origin, path: pathPrefix + path, query: query)
    }

    /// The public Hub's URLs as URLs of this one.
    ///
    /// A mirror passes on what the public Hub says, its absolute URLs included. The official client
    /// does the same in `fix_hf_endpoint_in_url`.
    func atHome(_ url: HTTPURL) -> HTTPURL {
        guard "\(url.origin)" == HubConfiguration.defaultEndpoint, url.origin != origin
        else { return url }
        return self.url(url.path, query: url.query)
    }
}
