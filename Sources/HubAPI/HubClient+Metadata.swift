// The metadata calls: their URLs, their limits, and their answers as checked values.

package import Platform
package import Transport

extension HubClient {
    /// What an answer may weigh, in bytes: a page of 1,000 entries is 300 KB, a revision with the
    /// list of its files some megabytes.
    static let answerByteCountMax: Int64 = 16 << 20
    /// How an answer that weighs more fails.
    static let isTooLarge = HubError.malformed(
        reason: "an answer of more than \(answerByteCountMax) bytes")

    /// What a name stands for now.
    ///
    /// - Parameters:
    ///   - revision: a branch, a tag or a (short) commit; the default branch if nil.
    ///   - completion: called once, on the hub thread.
    package func revision(
        _ id: RepositoryID, _ revision: RevisionName?, deadline: MonotonicInstant,
        priority: TransferPriority = .metadata,
        completion: @escaping @Sendable (Result<RevisionInfo, HubError>) -> Void
    ) {
        revisionFrom(id, revision, deadline: deadline, priority: priority) { result in
            completion(result.map(\.value))
        }
    }

    /// As `revision`, with the endpoint that has said it.
    package func revisionFrom(
        _ id: RepositoryID, _ revision: RevisionName?, deadline: MonotonicInstant,
        priority: TransferPriority = .metadata,
        completion: @escaping @Sendable (Result<Said<RevisionInfo>, HubError>) -> Void
    ) {
        let path = revision.map { "/revision/\(percentEncoded($0.name))" } ?? ""
        let finish: @Sendable (Result<HubAnswer, HubError>) -> Void = { answer in
            completion(
                answer.said { json throws(HubError) in
                    try RevisionInfo(json: json, kind: id.kind)
                })
        }
        ask(.revision, id, path, deadline: deadline, priority: priority) { [self] answer in
            guard case .failure(HubClient.isTooLarge) = answer else { return finish(answer) }
            // The answer names every file, of which a data set may have a million. Not every
            // server knows how to leave them out, so that is asked for only where it matters.
            ask(
                .revision, id, path, query: HubClient.fewFields(id.kind), deadline: deadline,
                priority: priority, completion: finish)
        }
    }

    /// The query for what `RevisionInfo` needs and no more.
    ///
    /// Spaces are never gated.
    private static func fewFields(_ kind: RepositoryKind) -> String {
        let fields = ["sha", "lastModified", "private", "disabled"]
        return (kind == .space ? fields : fields + ["gated"])
            .map { "expand=\($0)" }.joined(separator: "&")
    }

    /// All names for commits of a repository, pull requests included.
    ///
    /// - Parameter completion: called once, on the hub thread.
    package func refs(
        _ id: RepositoryID, deadline: MonotonicInstant, priority: TransferPriority = .metadata,
        completion: @escaping @Sendable (Result<[RefInfo], HubError>) -> Void
    ) {
        refsFrom(id, deadline: deadline, priority: priority) { result in
            completion(result.map(\.value))
        }
    }

    /// As `refs`, with the endpoint that has said it.
    package func refsFrom(
        _ id: RepositoryID, deadline: MonotonicInstant, priority: TransferPriority = .metadata,
        completion: @escaping @Sendable (Result<Said<[RefInfo]>, HubError>) -> Void
    ) {
        ask(
            .refs, id, "/refs", query: "include_prs=1", deadline: deadline, priority: priority
        ) { answer in
            completion(answer.said { json throws(HubError) in try refInfos(json: json) })
        }
    }

    /// Whether the present token opens the contents of a repository.
    ///
    /// - Parameter completion: called once, on the hub thread.
    package func authCheck(
        _ id: RepositoryID, deadline: MonotonicInstant, priority: TransferPriority = .metadata,
        completion: @escaping @Sendable (Result<Void, HubError>) -> Void
    ) {
        ask(.authCheck, id, "/auth-check", deadline: deadline, priority: priority) { answer in
            completion(answer.map { _ in () })
        }
    }

    /// Whom the present token belongs to.
    ///
    /// - Parameter completion: called once, on the hub thread.
    package func whoami(
        deadline: MonotonicInstant,
        completion: @escaping @Sendable (Result<TokenOwner, HubError>) -> Void
    ) {
        ask(
            .whoami, subject: "whoami", target: .any(path: "/api/whoami-v2", query: nil),
            deadline: deadline, priority: .metadata
        ) { answer in
            completion(answer.decoded { json throws(HubError) in try TokenOwner(json: json) })
        }
    }

    /// A request about one repository.
    private func ask(
        _ kind: HubRequestKind, _ id: RepositoryID, _ path: String, query: String? = nil,
        deadline: MonotonicInstant, priority: TransferPriority,
        completion: @escaping @Sendable (Result<HubAnswer, HubError>) -> Void
    ) {
        ask(
            kind, subject: id.description,
            target: .any(path: "/api/\(id)\(path)", query: query), deadline: deadline,
            priority: priority, completion: completion)
    }

    func ask(
        _ kind: HubRequestKind, subject: String, target: HubTarget, deadline: MonotonicInstant,
        priority: TransferPriority, range: Range<Int64>? = nil,
        completion: @escaping @Sendable (Result<HubAnswer, HubError>) -> Void
    ) {
        let url =
            switch target {
            case .any(let path, let query): configuration.url(path, query: query)
            case .one(let url, _), .foreign(let url, _): url
            }
        begin(
            HubCall(
                kind: kind, subject: subject, target: target, url: url, deadline: deadline,
                priority: priority, seed: nextSeed(), range: range, completion: completion))
    }
}
