// URLs of the two schemes that are ever requested, parsed once and strictly.
//
// A URL here has a valid origin and no user, no control characters and no spaces, so it can be
// compared, joined with a redirect's location and put into a request without further checks. What
// follows `?` may be a signature: only `withoutQuery` may stand in a log or an error.

/// What two URLs must share before a secret for one is sent to the other.
package struct HTTPOrigin: Hashable, Sendable, CustomStringConvertible {
    /// Whether the scheme is `https`.
    package let isSecure: Bool
    /// In lower case; an IPv6 address keeps its brackets.
    package let host: String
    /// The port that is connected to, the scheme's own if the URL names none.
    package let port: UInt16

    /// Such as `https://huggingface.co` or `http://127.0.0.1:8080`.
    package var description: String {
        let scheme = isSecure ? "https" : "http"
        return port == (isSecure ? 443 : 80) ? "\(scheme)://\(host)" : "\(scheme)://\(host):\(port)"
    }
}

/// An `http` or `https` URL without user and fragment.
package struct HTTPURL: Hashable, Sendable {
    package let origin: HTTPOrigin
    /// Begins with `/`; percent-encoded, as it is sent.
    package let path: String
    /// What follows `?`; nil when there is none.
    package let query: String?

    /// The longest URL accepted, in bytes: signed URLs are a few kilobytes.
    package static let byteCountMax = 32 << 10

    /// - Parameters:
    ///   - path: percent-encoded, begins with `/`.
    ///   - query: percent-encoded, without `?`.
    package init(origin: HTTPOrigin, path: String, query: String? = nil) {
        precondition(path.utf8.first == UInt8(ascii: "/"))
        self.origin = origin
        self.path = path
        self.query = query
    }

    /// Nil for another scheme, a user, a bad host or port, or a character that no URL has.
    package init?(_ text: some StringProtocol) {
        // As bytes: every fetch reads some of these, signed ones with hundreds of characters.
        let bytes = Array(String(text).utf8)
        guard bytes.count <= HTTPURL.byteCountMax, bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7f })
        else { return nil }
        let isSecure: Bool
        let start: Int
        if HTTPURL.begins(bytes, with: "http://") {
            (isSecure, start) = (false, 7)
        } else if HTTPURL.begins(bytes, with: "https://") {
            (isSecure, start) = (true, 8)
        } else {
            return nil
        }
        let authority = bytes[start...].prefix {
            $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#")
        }
        guard
            let origin = HTTPOrigin(
                isSecure: isSecure, authority: String(decoding: authority, as: UTF8.self))
        else { return nil }
        let tail = bytes[authority.endIndex...].prefix { $0 != UInt8(ascii: "#") }
        let path = tail.prefix { $0 != UInt8(ascii: "?") }
        self.origin = origin
        self.path = path.isEmpty ? "/" : String(decoding: path, as: UTF8.self)
        query =
            path.endIndex == tail.endIndex
            ? nil : String(decoding: tail[(path.endIndex + 1)...], as: UTF8.self)
    }

    /// Whether the bytes begin so, in either case of letters.
    private static func begins(_ bytes: [UInt8], with scheme: String) -> Bool {
        isSameIgnoringCase(bytes.prefix(scheme.utf8.count), scheme.utf8)
    }

    /// As it is requested.
    package var text: String { query.map { "\(withoutQuery)?\($0)" } ?? withoutQuery }

    /// The part that may be shown: no signature, no cursor.
    package var withoutQuery: String { "\(origin)\(path)" }

    /// What a `Location` or `Link` in an answer from this URL leads to; nil when it is no URL that
    /// may be followed.
    ///
    /// Source: RFC 3986, 5.2, without the removal of dot segments.
    package func resolving(_ location: some StringProtocol) -> HTTPURL? {
        if location.range(ofASCII: "://") != nil, let whole = HTTPURL(location) { return whole }
        if location.hasPrefix("//") {
            return HTTPURL((origin.isSecure ? "https:" : "http:") + location)
        }
        if location.hasPrefix("/") { return HTTPURL("\(origin)" + location) }
        if location.hasPrefix("?") { return HTTPURL(withoutQuery + location) }
        let colon = location.firstIndex(of: ":") ?? location.endIndex
        let slash = location.firstIndex(of: "/") ?? location.endIndex
        if location.isEmpty || colon < slash { return nil }
        let directory = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        return HTTPURL("\(origin)\(directory)" + location)
    }
}

extension HTTPOrigin {
    /// Reads `host` or `host:port`; nil when either is not one.
    fileprivate init?(isSecure: Bool, authority: String) {
        let bytes = authority.utf8
        var host = bytes[...]
        var port: UInt16 = isSecure ? 443 : 80
        let bracket = bytes.lastIndex(of: UInt8(ascii: "]")) ?? bytes.startIndex
        if let colon = bytes[bracket...].lastIndex(of: UInt8(ascii: ":")) {
            let digits = bytes[bytes.index(after: colon)...]
            host = bytes[..<colon]
            if !digits.isEmpty {
                guard digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                    let number = UInt16(Substring(digits)), number > 0
                else { return nil }
                port = number
            }
        }
        guard HTTPOrigin.isValidHost(host) else { return nil }
        self.init(isSecure: isSecure, host: Substring(host).lowercased(), port: port)
    }

    private static func isValidHost(_ host: Substring.UTF8View) -> Bool {
        // A name has at most 253 bytes in the DNS.
        guard let first = host.first, host.count <= 253 else { return false }
        if first == UInt8(ascii: "[") {
            guard host.last == UInt8(ascii: "]"), host.count > 2 else { return false }
            return host.dropFirst().dropLast().allSatisfy {
                isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".")
            }
        }
        return host.allSatisfy {
            isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
                || $0 == UInt8(ascii: "_")
        }
    }
}

private func isHexDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}

extension StringProtocol {
    /// Where `text`, which is ASCII, stands first.
    fileprivate func range(ofASCII text: StaticString) -> Range<Index>? {
        let wanted = Array(text.description.utf8)
        var start = utf8.startIndex
        while start != utf8.endIndex {
            if utf8[start...].starts(with: wanted) {
                return start..<utf8.index(start, offsetBy: wanted.count)
            }
            start = utf8.index(after: start)
        }
        return nil
    }
}
