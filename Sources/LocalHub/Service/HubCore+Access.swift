// Who asks, and what they may see: tokens, private and gated repositories, old names. What a
// caller may not know of is answered exactly as what is not there.

internal import HTTPService
internal import Hashing
internal import HubAPI
internal import Platform

/// Who asks.
enum Caller {
    case anonymous
    case holder(Token)

    var isAnonymous: Bool {
        switch self {
        case .anonymous: true
        case .holder: false
        }
    }

    /// Whether a token was sent that opens the repository.
    func opens(_ id: RepositoryID) -> Bool {
        switch self {
        case .anonymous: false
        case .holder(let token): token.opens(id)
        }
    }
}

extension HubCore {
    /// Who sent the request.
    ///
    /// - Throws: `invalidCredentials` for a token that is unknown, revoked or expired, wherever it
    ///   is sent: the Hub does not treat such a caller as anonymous either.
    func caller(of context: RequestContext) throws(Refusal) -> Caller {
        guard let header = context.authorization else { return .anonymous }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer",
            let token = try reading({ () throws(LocalHubError) in
                try tokens.token(for: String(parts[1]))
            }), !token.isExpired(at: .now)
        else { throw .invalidCredentials }
        return .holder(token)
    }

    /// The repository, if the caller may know of it, under the name that it has now.
    func visibleRecord(
        of id: RepositoryID, for caller: Caller
    ) throws(Refusal) -> RepositoryRecord {
        var found = try reading { () throws(LocalHubError) in try store.record(of: id) }
        if found == nil {
            let target = try reading { () throws(LocalHubError) in try aliases.target(of: id) }
            if let target {
                found = try reading { () throws(LocalHubError) in try store.record(of: target) }
            }
        }
        guard let record = found, !record.isPrivate || caller.opens(record.id) else {
            throw .noRepository(isAnonymous: caller.isAnonymous)
        }
        return record
    }

    /// Refuses the contents of a gated repository to whoever has no token for it.
    func requireContents(of record: RepositoryRecord, for caller: Caller) throws(Refusal) {
        if record.isGated && !caller.opens(record.id) {
            throw .gated(
                id: "\(record.id.kind.rawValue) \(record.id.name)",
                isAnonymous: caller.isAnonymous)
        }
    }

    /// The commit that a revision stands for, with its files.
    func commit(_ revision: String, of record: RepositoryRecord) throws(Refusal) -> Commit {
        guard let name = RevisionName(revision),
            let id = try reading({ () throws(LocalHubError) in
                try store.resolve(name, in: record)
            }),
            let commit = try reading({ () throws(LocalHubError) in
                try store.commit(id, of: record.id)
            })
        else { throw .noRevision(revision) }
        return commit
    }

    /// What is known of a commit that another one names.
    func commitInfo(
        _ id: GitObjectID, of record: RepositoryRecord
    ) throws(Refusal) -> CommitInfo {
        let found = try reading { () throws(LocalHubError) in
            try store.commitInfo(id, of: record.id)
        }
        guard let found else { throw .noRevision(id.hex) }
        return found
    }

    /// What is read from the store; what goes wrong there is the server's fault, not the client's.
    func reading<Value: ~Copyable>(
        _ read: () throws(LocalHubError) -> Value
    ) throws(Refusal) -> Value {
        do throws(LocalHubError) {
            return try read()
        } catch {
            throw .internalError("The store cannot be read: \(error)")
        }
    }

    /// The way from an old name to the new one, with all that follows it in the path.
    func redirect(
        from old: RepositoryID, to new: RepositoryID, _ context: RequestContext
    ) -> HTTPResponse {
        let request = context.request
        let beginnings = ["/api/\(old.kind.plural)/", "/\(old.kind.resolvePrefix)"]
        let start = beginnings.first { request.path.hasPrefix($0 + old.name) } ?? "/"
        let path = start + new.name + request.path.dropFirst(start.count + old.name.count)
        var response = HTTPResponse.text(307, "Temporary Redirect. Redirecting to \(path)")
        response.headers.add("Location", path + request.rawQuery)
        return response
    }
}
