// The way to a file's bytes: resolve, and the two places it leads to.
//
// A large file is resolved to a signed data URL (302), which needs no token and is good for a
// while; a small one to `resolve-cache` on the same host (307). Both serve single byte ranges.

internal import HTTPService
internal import Hashing
internal import HubAPI
internal import Platform

extension HubCore {
    /// `/{id}/resolve/{rev}/{path}`.
    func resolve(
        _ id: RepositoryID, revision: String, path: String, _ context: RequestContext,
        _ caller: Caller, hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse {
        let record = try visibleRecord(of: id, for: caller)
        if record.id != id { return redirect(from: id, to: record.id, context) }
        try requireContents(of: record, for: caller)
        let commit = try commit(revision, of: record)
        guard let entry = commit.entry(at: path), !entry.isFolder else {
            throw .noEntry(path: path, commit: commit.info.id)
        }
        var headers = HTTPHeaders()
        headers.add("X-Repo-Commit", commit.info.id.hex)
        headers.add("Accept-Ranges", "bytes")
        headers.add("ETag", "\"\(entry.content.hex)\"")
        headers.add("Vary", "Origin, Authorization")
        if context.isNewest(entry.content.hex) {
            return HTTPResponse(status: 304, headers: headers)
        }
        let location: String
        if let digest = entry.sha256 {
            headers.add("X-Linked-Size", "\(entry.byteCount)")
            headers.add("X-Linked-ETag", "\"\(digest.hex)\"")
            if let facts = xetFacts(of: entry, record.id) {
                addXet(to: &headers, facts, commit: commit.info.id.hex, context)
            }
            location = dataLocation(
                entry, digest, record.id, commit.info.id, context, hasExpired: hasExpired)
        } else {
            location = smallLocation(record.id, commit.info.id, entry)
        }
        let (status, phrase) =
            entry.sha256 == nil ? (307, "Temporary Redirect") : (302, "Found")
        headers.add("Location", location)
        headers.add("Content-Type", "text/plain; charset=utf-8")
        let text = "\(phrase). Redirecting to \(location)"
        return HTTPResponse(status: status, headers: headers, body: .bytes(Array(text.utf8)))
    }

    /// `/api/resolve-cache/{T}/{id}/{commit}/{path}`.
    func resolveCache(
        _ id: RepositoryID, commit: String, path: String, _ context: RequestContext,
        _ caller: Caller
    ) throws(Refusal) -> HTTPResponse {
        let record = try visibleRecord(of: id, for: caller)
        try requireContents(of: record, for: caller)
        let commit = try self.commit(commit, of: record)
        guard let entry = commit.entry(at: path), !entry.isFolder, entry.sha256 == nil else {
            throw .noEntry(path: path, commit: commit.info.id)
        }
        var headers = HTTPHeaders()
        headers.add("X-Repo-Commit", commit.info.id.hex)
        headers.add("Content-Disposition", HubCore.disposition(of: entry.path))
        headers.add("Content-Type", HubCore.type(of: entry.path))
        return try file(entry.content, headers, context)
    }

    /// `/_data/{sha256}/{commit}/{name}?Expires=…&Signature=…`.
    ///
    /// The official client follows redirects as long as they stay on the host, and wants the
    /// commit in the last answer; that is why the URL has it, and not only the content.
    func data(
        sha256: String, commit: String, _ context: RequestContext, hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse {
        try context.allow("GET", "HEAD")
        let request = context.request
        let xet = request.query[HubCore.xetOption]
        try checkSignature(of: request, with: xet, hasExpired: hasExpired)
        guard let digest = SHA256Digest(hex: sha256) else { throw .noPage }
        let name = request.path.split(separator: "/").last.flatMap { percentDecoded($0) } ?? "file"
        var headers = HTTPHeaders()
        headers.add("Content-Disposition", HubCore.disposition(of: name))
        headers.add("Content-Type", "application/octet-stream")
        headers.add("X-Repo-Commit", commit)
        // What was said on the redirect is said again, because a client that follows redirects on
        // the same host looks at the last answer.
        if !hasDataAddress, let facts = xet.flatMap({ XetFacts($0) }) {
            addXet(to: &headers, facts, commit: commit, context)
        }
        return try file(.sha256(digest), headers, context)
    }

    /// Refuses a URL that was not signed here, or whose time is over.
    ///
    /// - Parameter option: what of the query was signed with the path.
    func checkSignature(
        of request: HTTPRequest, with option: String?, hasExpired: Bool
    ) throws(Refusal) {
        let verdict = signer.check(
            path: HubCore.signedText(request.path, option), expires: request.query["Expires"],
            signature: request.query["Signature"], at: .now)
        switch verdict {
        case .good: break
        case .expired: throw .forbidden("The URL has expired.")
        case .forged: throw .forbidden("The signature of the URL is wrong.")
        }
        if hasExpired { throw .forbidden("The URL has expired.") }
    }

    /// A content, whole or the range that is asked for.
    private func file(
        _ content: ContentHash, _ fields: HTTPHeaders, _ context: RequestContext
    ) throws(Refusal) -> HTTPResponse {
        let tag = "\"\(content.hex)\""
        var headers = fields
        headers.add("ETag", tag)
        headers.add("Accept-Ranges", "bytes")
        headers.add("Cache-Control", "public, max-age=31536000, immutable")
        if context.isNewest(tag) { return HTTPResponse(status: 304, headers: headers) }
        let descriptor = try reading { () throws(LocalHubError) in try store.open(content) }
        guard let byteCount = try? descriptor.size() else {
            throw .internalError("A file of the store cannot be read.")
        }
        let file = HTTPFile(descriptor)
        var wanted = context.request.headers["Range"]
        if let known = context.request.headers["If-Range"], bareTag(known) != content.hex {
            wanted = nil
        }
        switch ByteRangeRequest(wanted, byteCount: byteCount) {
        case .whole:
            return HTTPResponse(
                status: 200, headers: headers, body: .file(file, offset: 0, length: byteCount))
        case .range(let range):
            headers.add(
                "Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(byteCount)")
            return HTTPResponse(
                status: 206, headers: headers,
                body: .file(file, offset: range.lowerBound, length: Int64(range.count)))
        case .outside:
            headers.add("Content-Range", "bytes */\(byteCount)")
            return HTTPResponse(status: 416, headers: headers)
        }
    }

    private func dataLocation(
        _ entry: CommitEntry, _ digest: SHA256Digest, _ id: RepositoryID,
        _ commit: GitObjectID, _ context: RequestContext, hasExpired: Bool
    ) -> String {
        let name = percentEncoded(entry.path.split(separator: "/").last ?? "file")
        let path = "\(Route.dataPrefix)\(digest.hex)/\(commit)/\(name)"
        let lifetime = hasExpired ? -1 : Int64(settings.urlLifetimeSeconds)
        let expiryDate = WallTime(secondsSince1970: WallTime.now.secondsSince1970 + lifetime)
        let xet = xetFacts(of: entry, id)
        let query = signer.query(for: HubCore.signedText(path, xet?.text), expiryDate: expiryDate)
        let option = xet.map { "&\(HubCore.xetOption)=\(percentEncoded($0.text))" } ?? ""
        return "\(dataURL(for: context))\(path)?\(query)\(option)"
    }

    private func smallLocation(
        _ id: RepositoryID, _ commit: GitObjectID, _ entry: CommitEntry
    ) -> String {
        let path = percentEncoded(entry.path, keeping: "/")
        let original = percentEncoded(
            "/\(id.kind.resolvePrefix)\(id.name)/resolve/\(commit)/\(path)")
        return "/api/resolve-cache/\(id)/\(commit)/\(path)?\(original)="
            + "&etag=%22\(entry.content.hex)%22"
    }

    private static func disposition(of path: String) -> String {
        let name = path.split(separator: "/").last.map { String($0) } ?? "file"
        let plain = name.utf8.allSatisfy { (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\"") }
        return "inline; filename*=UTF-8''\(percentEncoded(name))"
            + (plain ? "; filename=\"\(name)\";" : ";")
    }

    private static func type(of path: String) -> String {
        path.hasSuffix(".json") ? "application/json" : "text/plain; charset=utf-8"
    }
}

/// What part of a file a `Range` header asks for.
///
/// Source: RFC 9110, 14.2.
enum ByteRangeRequest: Equatable {
    /// Everything: there is no such header, or it is of a form that may be ignored.
    case whole
    case range(Range<Int64>)
    /// Nothing that the file has.
    case outside

    init(_ header: String?, byteCount: Int64) {
        guard let header, header.lowercased().hasPrefix("bytes=") else {
            self = .whole
            return
        }
        let halves = header.dropFirst(6).split(
            separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, !header.contains(",") else {
            self = .whole
            return
        }
        switch (Int64(halves[0]), Int64(halves[1])) {
        case (let first?, let last?) where first >= 0 && first <= last:
            self = ByteRangeRequest(first, last == .max ? .max : last + 1, byteCount)
        case (let first?, nil) where first >= 0 && halves[1].isEmpty:
            self = ByteRangeRequest(first, byteCount, byteCount)
        case (nil, let count?) where halves[0].isEmpty && count >= 0:
            self =
                count == 0
                ? .outside : ByteRangeRequest(max(0, byteCount - count), byteCount, byteCount)
        default:
            self = .whole
        }
    }

    private init(_ first: Int64, _ end: Int64, _ byteCount: Int64) {
        self = first >= byteCount ? .outside : .range(first..<min(end, byteCount))
    }
}
