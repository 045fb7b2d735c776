// A host and a port as people write them: `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`.

/// Where to listen or to connect.
package struct SocketEndpoint: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// A name or an address, without the brackets of IPv6.
    package let host: String
    /// 0 asks the system for a free one.
    package let port: UInt16

    /// - Parameters:
    ///   - host: a name or an address, without brackets.
    ///   - port: 0 asks the system for a free one.
    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`; both parts are needed.
    package init(parsing text: String) throws(ValueProblem) {
        guard let colon = text.lastIndex(of: ":") else {
            throw ValueProblem("the port is missing: write HOST:PORT, such as 127.0.0.1:8080")
        }
        var host = String(text[..<colon])
        let digits = text[text.index(after: colon)...]
        guard let port = UInt16(digits), digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }) else {
            throw ValueProblem("'\(digits)' is not a port: a port is a number from 0 to 65535")
        }
        if host.hasPrefix("[") && host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            throw ValueProblem("an IPv6 address stands in brackets: [\(host)]:\(digits)")
        }
        guard !host.isEmpty else {
            throw ValueProblem("the host is missing: write HOST:PORT, such as 127.0.0.1:8080")
        }
        self.init(host: host, port: port)
    }

    /// In the form that is read.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
