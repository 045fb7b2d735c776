// The token that a Hub gives for one repo and ref, with which the server of its contents answers.

internal import JSON
package import Platform

/// Permission to read from a Xet server for a while.
///
/// Not for logs.
package struct XetToken: Equatable, Sendable {
    /// How long before its end a token is renewed, in seconds: as the Hub's own client does.
    package static let marginSeconds: Int64 = 60

    /// The longest answer with a token that is read, in bytes: tokens are a few kilobytes.
    package static let mostAnswerBytes = 64 << 10

    /// Where reconstructions are asked for, without a slash at the end.
    package let serverURL: String
    /// Goes into `Authorization: Bearer`, to that server only, and never to data URLs.
    package let accessToken: String
    /// When it ends.
    package let expiry: WallTime

    /// Takes the parts as they are.
    package init(serverURL: String, accessToken: String, expiry: WallTime) {
        self.serverURL = serverURL
        self.accessToken = accessToken
        self.expiry = expiry
    }

    /// Whether to ask for another one before the next use.
    package func isDue(at now: WallTime) -> Bool {
        // The server may have named any number, so nothing is taken from that one.
        now.secondsSince1970 + Self.marginSeconds >= expiry.secondsSince1970
    }
}

private struct TokenJSON: Encodable {
    let casUrl: String
    let exp: Int64
    let accessToken: String
}

extension TokenJSON {
    init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        var (server, expiry, token): (String?, Int64?, String?)
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "casUrl": server = try reader.string()
            case "exp": expiry = try reader.integer()
            case "accessToken": token = try reader.string()
            default: try reader.skip()
            }
        }
        self.init(
            casUrl: try reader.needed(server), exp: try reader.needed(expiry),
            accessToken: try reader.needed(token))
    }
}

extension XetToken {
    /// Reads the answer of `/api/{kind}/{id}/xet-read-token/{ref}`.
    package init(json: [UInt8]) throws(XetError) {
        let answer = try readJSON(
            json, mostBytes: Self.mostAnswerBytes, what: "token"
        ) { (reader) throws(JSONFault) in try TokenJSON(&reader) }
        // A header's value: no line can be smuggled in.
        guard !answer.accessToken.isEmpty,
            answer.accessToken.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw .malformedAnswer("token") }
        var server = answer.casUrl[...]
        while server.hasSuffix("/") { server.removeLast() }
        guard !server.isEmpty else { throw .malformedAnswer("token") }
        self.init(
            serverURL: String(server), accessToken: answer.accessToken,
            expiry: WallTime(secondsSince1970: answer.exp))
    }

    /// The answer that `init(json:)` reads.
    package var json: [UInt8] {
        encodedJSON(
            TokenJSON(
                casUrl: serverURL, exp: expiry.secondsSince1970, accessToken: accessToken))
    }
}
