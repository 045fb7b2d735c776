// The limits of a transport, and what it takes from the environment.

/// How many transfers and connections there may be, and who is trusted.
package struct TransportConfiguration: Sendable {
    /// Transfers under way.
    ///
    /// 96 with receive buffers of 256 KiB are 24 MiB at most.
    package var transfersMax = 96
    /// Transfers under way to one host; also the limit of its connections, because over HTTP/1.1
    /// each transfer needs one.
    ///
    /// 64 readers that wait for latency alone do not wait for each other.
    package var transfersPerHostMax = 72
    /// Requests that may wait for a slot.
    package var waitingMax = 8192
    /// Streams on one HTTP/2 connection before a second one is opened.
    ///
    /// One TCP connection is limited by its window over the round trip, so 32 transfers use four.
    package var streamsPerConnectionMax = 8
    /// A file of certificates in place of the system's.
    package var certificateFile: String?
    /// A proxy for `http` URLs.
    ///
    /// libcurl reads every proxy variable itself except `HTTP_PROXY`.
    package var httpProxy: String?

    package init() {}

    /// Takes `SSL_CERT_FILE` and `HTTP_PROXY`, as the official client does.
    ///
    /// libcurl leaves out `HTTP_PROXY` in capitals because a web server's child process may get
    /// it from a request's header; like Python, we leave it out only where `REQUEST_METHOD` says
    /// that we are such a process.
    package init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        certificateFile = value("SSL_CERT_FILE")
        if value("http_proxy") == nil && environment["REQUEST_METHOD"] == nil {
            httpProxy = value("HTTP_PROXY")
        }
    }
}
