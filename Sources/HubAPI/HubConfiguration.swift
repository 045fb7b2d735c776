// What the environment says about the Hub: the variables of the official client, as it reads them.
//
// Source: `constants.py` of huggingface_hub 2.4.0. An empty variable counts as not set, also where
// the official client would take it for an empty URL or path, which can never work.

internal import Glibc
package import Transport

/// An environment that cannot be worked with.
package enum HubConfigurationError: Error, Equatable, Sendable {
    /// `HF_ENDPOINT` is not an `http` or `https` URL.
    case badEndpoint(String)
    /// The same of one of several, which the option or the variable lists.
    case badMirror(String)
    /// More endpoints than anybody lists on purpose.
    case tooManyEndpoints(Int)
    /// The file of the endpoints' tokens cannot be used.
    case badTokenFile(path: String, reason: String)
    /// A variable that has to be a whole number is not.
    case badNumber(variable: String, value: String)
}

extension HubConfigurationError: CustomStringConvertible {
    /// A sentence that says what to change.
    package var description: String {
        switch self {
        case .badEndpoint(let text):
            "HF_ENDPOINT is '\(text)', which is not a URL like https://huggingface.co"
        case .badMirror(let text):
            "the endpoint '\(text)' is not a URL like https://huggingface.co"
        case .tooManyEndpoints(let count):
            "\(count) endpoints; at most \(HubConfiguration.endpointCountMax) can be given"
        case .badTokenFile(let path, let reason):
            "MODELFS_ENDPOINT_TOKENS names \(path), which cannot be used: \(reason)"
        case .badNumber(let variable, let value):
            "\(variable) is '\(value)', which is not a whole number of seconds"
        }
    }
}

/// Where the Hub is and how to speak to it.
package struct HubConfiguration: Sendable {
    /// The Hub and its mirrors, in order of preference; never empty, no two alike.
    package let endpoints: [HubEndpoint]
    /// Where mirrors have tokens of their own; nil if none has.
    package let endpointTokensPath: String?
    /// From the environment, for the first endpoint; goes before the token file.
    package let environmentToken: AccessToken?
    /// Read when the environment has no token, and again whenever it changes.
    package let tokenPath: String
    /// The `hub` folder of the official client's cache.
    package let clientCachePath: String
    /// Whether what lies there may be read instead of being fetched.
    package let readsClientCache: Bool
    /// Whether a token is sent at all.
    package let sendsToken: Bool
    package let isOffline: Bool
    package let disablesXet: Bool
    package let userAgent: String
    /// How long a data transfer may go without a byte, in seconds.
    package let downloadTimeoutSeconds: Double
    /// The same for requests for names and attributes.
    package let metadataTimeoutSeconds: Double

    /// Where the Hub is if nothing else is said.
    package static let defaultEndpoint = "https://huggingface.co"
    /// How many endpoints can be given.
    package static let endpointCountMax = 8
    /// The official client's default for both timeouts.
    package static let defaultTimeoutSeconds = 10

    /// Reads HF_ENDPOINT, HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HOME,
    /// XDG_CACHE_HOME, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE, HF_HUB_DISABLE_IMPLICIT_TOKEN,
    /// HF_HUB_DISABLE_XET, HF_HUB_USER_AGENT_ORIGIN, HF_HUB_DOWNLOAD_TIMEOUT and
    /// HF_HUB_ETAG_TIMEOUT, HF_HUB_CACHE and HUGGINGFACE_HUB_CACHE; and MODELFS_HF_CACHE, which is
    /// ours: `off` where the official client's cache is not to be read.
    ///
    /// MODELFS_ENDPOINTS lists several endpoints and stands before HF_ENDPOINT;
    /// MODELFS_ENDPOINT_TOKENS names the file of their tokens.
    ///
    /// - Parameters:
    ///   - agent: our name and version, such as `modelfs/1.0`.
    ///   - endpoints: in order of preference; they stand before those of the environment.
    package init(
        environment: [String: String], agent: String = "modelfs", endpoints chosen: [String] = []
    ) throws(HubConfigurationError) {
        let variables = Variables(environment)
        endpoints = try HubConfiguration.endpoints(variables, chosen)
        endpointTokensPath = variables["MODELFS_ENDPOINT_TOKENS"].map { variables.expand($0) }
        environmentToken =
            variables["HF_TOKEN"].flatMap { AccessToken($0) }
            ?? variables["HUGGING_FACE_HUB_TOKEN"].flatMap { AccessToken($0) }
        let cache = variables["XDG_CACHE_HOME"] ?? variables.expand("~/.cache")
        let home = variables.expand(variables["HF_HOME"] ?? "\(cache)/huggingface")
        tokenPath = variables.expand(variables["HF_TOKEN_PATH"] ?? "\(home)/token")
        clientCachePath = variables.expand(
            variables["HF_HUB_CACHE"] ?? variables["HUGGINGFACE_HUB_CACHE"] ?? "\(home)/hub")
        readsClientCache = variables["MODELFS_HF_CACHE"] != "off"
        sendsToken = !variables.isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")
        isOffline =
            variables["HF_HUB_OFFLINE"] != nil
            ? variables.isTrue("HF_HUB_OFFLINE") : variables.isTrue("TRANSFORMERS_OFFLINE")
        disablesXet = variables.isTrue("HF_HUB_DISABLE_XET")
        userAgent =
            variables["HF_HUB_USER_AGENT_ORIGIN"]
            .map { "\(agent); origin/\(visibleASCII($0))" } ?? agent
        downloadTimeoutSeconds = try variables.seconds("HF_HUB_DOWNLOAD_TIMEOUT")
        metadataTimeoutSeconds = try variables.seconds("HF_HUB_ETAG_TIMEOUT")
    }

    /// The first endpoint, for people to read.
    package var endpoint: String { endpoints[0].text }

    /// The URL of a path on the first endpoint.
    package func url(_ path: String, query: String? = nil) -> HTTPURL {
        endpoints[0].url(path, query: query)
    }

    private static func endpoints(
        _ variables: Variables, _ chosen: [String]
    ) throws(HubConfigurationError) -> [HubEndpoint] {
        var texts = chosen
        if texts.isEmpty, let list = variables["MODELFS_ENDPOINTS"] {
            texts = list.split(separator: ",").map { $0.trimmingBlanks() }.filter { !$0.isEmpty }
        }
        if texts.isEmpty {
            let text = variables["HF_ENDPOINT"] ?? HubConfiguration.defaultEndpoint
            guard let endpoint = HubEndpoint(text) else { throw .badEndpoint(text) }
            return [endpoint]
        }
        var found: [HubEndpoint] = []
        for text in texts {
            guard let endpoint = HubEndpoint(text) else { throw .badMirror(text) }
            if !found.contains(endpoint) { found.append(endpoint) }
        }
        if found.count > endpointCountMax { throw .tooManyEndpoints(found.count) }
        return found
    }
}

/// The environment, with the rules that all variables share.
private struct Variables {
    private let values: [String: String]

    init(_ values: [String: String]) {
        self.values = values
    }

    /// Nil when not set or empty.
    subscript(name: String) -> String? {
        values[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    func isTrue(_ name: String) -> Bool {
        ["1", "ON", "YES", "TRUE"].contains((self[name] ?? "").uppercased())
    }

    /// The default when not set, and when zero, as in the official client.
    func seconds(_ name: String) throws(HubConfigurationError) -> Double {
        guard let text = self[name] else { return Double(HubConfiguration.defaultTimeoutSeconds) }
        guard let number = Int(text.trimmingBlanks()), number >= 0 else {
            throw .badNumber(variable: name, value: text)
        }
        return Double(number == 0 ? HubConfiguration.defaultTimeoutSeconds : number)
    }

    /// Replaces `~` at the start, `$NAME` and `${NAME}`; what is not known stays as it is.
    func expand(_ path: String) -> String {
        var text = path[...]
        var out = ""
        if text == "~" || text.hasPrefix("~/") {
            out = self["HOME"] ?? homeOfUser() ?? "~"
            text = text.dropFirst()
        }
        while let dollar = text.firstIndex(of: "$") {
            out += text[..<dollar]
            let rest = text[text.index(after: dollar)...]
            let isBraced = rest.hasPrefix("{")
            let inner = isBraced ? rest.dropFirst() : rest
            let name = inner.prefix(while: { $0 == "_" || $0.isLetter || $0.isNumber })
            let after = inner[name.endIndex...]
            if let value = values[String(name)], !name.isEmpty, !isBraced || after.hasPrefix("}") {
                out += value
                text = isBraced ? after.dropFirst() : after
            } else {
                out += "$"
                text = rest
            }
        }
        return out + text
    }
}

/// The home directory of the calling user by the user database.
private func homeOfUser() -> String? {
    var entry = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    // Enough for an entry with paths of the greatest length.
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16 << 10) { buffer in
        guard let base = buffer.baseAddress,
            unsafe getpwuid_r(getuid(), &entry, base, buffer.count, &found) == 0,
            unsafe found != nil, let home = unsafe entry.pw_dir
        else { return nil }
        return unsafe String(cString: home)
    }
}

/// What may stand in a header field.
private func visibleASCII(_ text: String) -> String {
    String(decoding: text.utf8.filter { $0 >= 0x20 && $0 < 0x7f }, as: UTF8.self)
}
