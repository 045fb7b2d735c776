// What the API tells of repositories: info, refs, trees, paths, lists.

internal import FoundationEssentials
internal import HTTPService
internal import Hashing
internal import HubAPI
internal import Platform

extension HubCore {
    /// Everything under `/api/{T}/{id}` that is asked for by GET.
    func repository(
        _ id: RepositoryID, _ action: RepositoryAction, _ context: RequestContext,
        _ caller: Caller, hasExpired: Bool
    ) throws(Refusal) -> HTTPResponse {
        let record = try visibleRecord(of: id, for: caller)
        if record.id != id { return redirect(from: id, to: record.id, context) }
        switch action {
        case .info:
            let commit: Commit? =
                if let head = record.head { try self.commit(head.hex, of: record) } else { nil }
            return try info(record, commit, context)
        case .revision(let revision):
            return try info(record, try commit(revision, of: record), context)
        case .refs:
            return context.answer(refs(of: record, hasPulls: context.flag("include_prs")))
        case .tree(let revision, let path):
            return try tree(record, revision: revision, path: path, context)
        case .authCheck:
            try requireContents(of: record, for: caller)
            return context.answer(.object([]))
        case .xetReadToken(let revision):
            try requireContents(of: record, for: caller)
            return try xetReadToken(
                record, revision: revision, context, hasExpired: hasExpired)
        case .pathsInfo:
            throw .wrongMethod(allowed: "POST")
        }
    }

    /// `/api/whoami-v2`.
    func whoami(_ context: RequestContext, _ caller: Caller) throws(Refusal) -> HTTPResponse {
        guard case .holder(let token) = caller else { throw .loginNeeded }
        let accessToken: JSON = .object([
            ("displayName", .string(token.id)), ("role", .string("read")),
            ("createdAt", .string(hubDate(token.creationDate))),
        ])
        return context.answer(
            .object([
                ("type", .string("user")), ("id", .string(objectID(of: token.id))),
                ("name", .string(token.id)), ("fullname", .string("token \(token.id)")),
                ("isPro", .bool(false)), ("orgs", .array([])),
                (
                    "auth",
                    .object([("type", .string("access_token")), ("accessToken", accessToken)])
                ),
            ]))
    }

    private func info(
        _ record: RepositoryRecord, _ commit: Commit?, _ context: RequestContext
    ) throws(Refusal) -> HTTPResponse {
        let wanted = context.list("expand")
        var members = summary(of: record, commit?.info)
        if let commit {
            let hasBlobs = context.flag("blobs")
            members.append(("siblings", .array(commit.files.map { sibling($0, hasBlobs) })))
            let byteCount = commit.files.reduce(0) { $0 + $1.byteCount }
            members.append(("usedStorage", .int(byteCount)))
        }
        if !wanted.isEmpty {
            members = members.filter { ["_id", "id"].contains($0.0) || wanted.contains($0.0) }
        }
        var headers = HTTPHeaders()
        if let commit { headers.add("X-Repo-Commit", commit.info.id.hex) }
        return context.answer(.object(members), headers: headers)
    }

    /// What is told of a repository wherever it is named.
    private func summary(
        of record: RepositoryRecord, _ commit: CommitInfo?
    ) -> [(String, JSON)] {
        let id = record.id
        var members: [(String, JSON)] = [
            ("_id", .string(objectID(of: id.description))), ("id", .string(id.name)),
        ]
        if id.kind == .model { members.append(("modelId", .string(id.name))) }
        if let author = id.organisation { members.append(("author", .string(author))) }
        if let commit { members.append(("sha", .string(commit.id.hex))) }
        members += [
            ("lastModified", .string(hubDate(commit?.date ?? record.creationDate))),
            ("createdAt", .string(hubDate(record.creationDate))),
            ("private", .bool(record.isPrivate)),
            ("gated", record.isGated ? .string("manual") : .bool(false)),
            ("disabled", .bool(false)), ("downloads", .int(0)), ("likes", .int(0)),
            ("tags", .array([])),
        ]
        if id.kind == .space { members.append(("sdk", .string("static"))) }
        return members
    }

    private func sibling(_ entry: CommitEntry, _ hasBlobs: Bool) -> JSON {
        var members: [(String, JSON)] = [("rfilename", .string(entry.path))]
        if hasBlobs {
            members.append(("size", .int(entry.byteCount)))
            members.append(("blobId", .string(entry.id.hex)))
            if let digest = entry.sha256 {
                members.append(
                    (
                        "lfs",
                        .object([
                            ("sha256", .string(digest.hex)), ("size", .int(entry.byteCount)),
                            ("pointerSize", .count(pointerByteCount(entry))),
                        ])
                    ))
            }
        }
        return .object(members)
    }

    private func refs(of record: RepositoryRecord, hasPulls: Bool) -> JSON {
        func list(
            _ refs: [String: GitObjectID], _ form: (String) -> (name: String, ref: String)
        ) -> JSON {
            .array(
                refs.sorted { $0.key < $1.key }.map { key, target in
                    let (name, ref) = form(key)
                    return .object([
                        ("name", .string(name)), ("ref", .string(ref)),
                        ("targetCommit", .string(target.hex)),
                    ])
                })
        }
        var members: [(String, JSON)] = [
            ("tags", list(record.tags) { ($0, "refs/tags/\($0)") }),
            ("branches", list(record.branches) { ($0, "refs/heads/\($0)") }),
            ("converts", list(record.converts) { (String($0.dropFirst(13)), $0) }),
        ]
        if hasPulls {
            let pulls = list(record.pullRequests) { (String($0.dropFirst(8)), $0) }
            members.append(("pullRequests", pulls))
        }
        return .object(members)
    }

    /// `/api/{T}`: the repositories that the caller may know of.
    func listing(
        of kind: RepositoryKind, _ context: RequestContext, _ caller: Caller
    ) throws(Refusal) -> HTTPResponse {
        let query = context.request.query
        let author = query["author"]
        let search = query["search"]?.lowercased()
        let records = try reading { () throws(LocalHubError) in try store.records(of: kind) }
        let visible = records.filter { record in
            (!record.isPrivate || caller.opens(record.id))
                && (author == nil || author == record.id.organisation)
                && (search.map { record.id.name.lowercased().contains($0) } ?? true)
        }
        let page = try Page(context, countMax: 1000, countDefault: 1000)
        let wanted = context.list("expand")
        var items: [JSON] = []
        for record in page.slice(visible) {
            let newest: CommitInfo? =
                if let head = record.head { try commitInfo(head, of: record) } else { nil }
            var members = summary(of: record, newest)
            if let head = record.head, context.flag("full") || wanted.contains("siblings") {
                let files = try commit(head.hex, of: record).files
                members.append(("siblings", .array(files.map { sibling($0, false) })))
            }
            if !wanted.isEmpty {
                members = members.filter { ["_id", "id"].contains($0.0) || wanted.contains($0.0) }
            }
            items.append(.object(members))
        }
        return context.answer(
            .array(items), headers: page.headers(context, total: visible.count, mark: ""))
    }
}

/// As the Hub writes dates: with milliseconds, which commits do not have.
func hubDate(_ date: WallTime) -> String {
    date.iso8601.dropLast() + ".000Z"
}

/// The Hub's `_id`: 24 hexadecimal digits, here made of the name.
private func objectID(of name: String) -> String {
    String(SHA256Hasher.digest(of: Array(name.utf8)).hex.prefix(24))
}

/// The size of the text that stands in git for a large file.
func pointerByteCount(_ entry: CommitEntry) -> Int {
    entry.sha256.map { largeFilePointer($0, byteCount: entry.byteCount).count } ?? 0
}
