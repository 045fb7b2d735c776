// `hf://` URIs: what a mount shows, in the Hub's own grammar.
//
//     hf://[models|datasets|spaces/]<id>[@<revision>][/<path>]
//
// Source: `utils/_hf_uris.py` of huggingface_hub 2.4.0. Beyond it, a mount can show several
// repositories: `hf://`, `hf://models`, `hf://datasets`, `hf://spaces`; and a legacy repository
// without an owner where that cannot be mistaken: `hf://gpt2`, `hf://gpt2@main/…`,
// `hf://models/gpt2`.

internal import Platform

/// What a URI names.
package enum HubURI: Hashable, Sendable {
    /// All kinds of repository, each below its plural.
    case everything
    /// All repositories of a kind.
    case kind(RepositoryKind)
    /// A repository, or a directory or file of one.
    case repository(HubLocation)

    /// Where every URI begins.
    package static let scheme = "hf://"
}

/// A place in a repository.
package struct HubLocation: Hashable, Sendable {
    package let id: RepositoryID
    /// The default branch if nil.
    package let revision: RevisionName?
    /// From the root of the repository, without a slash at either end; empty for the root.
    package let path: String

    package init(id: RepositoryID, revision: RevisionName?, path: String) {
        self.id = id
        self.revision = revision
        self.path = path
    }
}

/// What is wrong with a URI; each case says it in a sentence.
package enum HubURIError: Error, Equatable, Sendable {
    case noScheme(String)
    /// `model/` where `models/` is meant.
    case singularKind(String)
    /// `buckets/` or `kernels/`, which are no repositories of files with revisions.
    case unsupportedKind(String)
    case badRepository(String)
    case badRevision(String)
    case badPath(String)
}

extension HubURIError: CustomStringConvertible {
    /// What is wrong and what would be right.
    package var description: String {
        switch self {
        case .noScheme(let text):
            "'\(text)' does not begin with hf://, as in hf://org/name or hf://datasets/org/name"
        case .singularKind(let word): "the kind is written in the plural: hf://\(word)s/org/name"
        case .unsupportedKind(let word):
            "'\(word)' cannot be mounted, only models, datasets and spaces can"
        case .badRepository(let text):
            "'\(text)' is not the name of a repository: letters, digits, '-', '_', '.', as org/name"
        case .badRevision(let text):
            "'\(text)' is not a branch, tag or commit; a '/' in one is written %2F"
        case .badPath(let text):
            "'\(text)' is not a path in a repository: no part may be empty, '.' or '..'"
        }
    }
}

extension HubURI {
    /// Reads a URI; slashes at its end do not matter.
    package init(_ text: some StringProtocol) throws(HubURIError) {
        guard text.hasPrefix(HubURI.scheme) else { throw .noScheme(String(text)) }
        var body = text.dropFirst(HubURI.scheme.count)
        while body.hasSuffix("/") { body = body.dropLast() }
        if body.isEmpty {
            self = .everything
            return
        }
        let first = body.prefix(while: { $0 != "/" })
        var kind = RepositoryKind.model
        if let named = RepositoryKind(plural: first) {
            kind = named
            body = body[first.endIndex...].dropFirst()
            if body.isEmpty {
                self = .kind(kind)
                return
            }
        } else if RepositoryKind(rawValue: String(first)) != nil {
            throw .singularKind(String(first))
        } else if ["buckets", "kernels", "bucket", "kernel"].contains(first) {
            throw .unsupportedKind(String(first))
        }
        self = .repository(try HubLocation(kind: kind, String(body)))
    }

    /// The canonical form, with the kind always written.
    package var text: String {
        switch self {
        case .everything: HubURI.scheme
        case .kind(let kind): "\(HubURI.scheme)\(kind.plural)"
        case .repository(let location): location.text
        }
    }
}

extension HubLocation {
    /// Reads `<id>[@<revision>][/<path>]`.
    fileprivate init(kind: RepositoryKind, _ body: String) throws(HubURIError) {
        let parts = body.split(separator: "/", omittingEmptySubsequences: false)
        // The first `@` within the first two parts ends the id; a later one belongs to a path.
        guard let marked = parts.prefix(2).firstIndex(where: { $0.contains("@") }) else {
            let id = try HubLocation.repository(kind, parts.prefix(2).joined(separator: "/"))
            try self.init(id: id, revision: nil, checking: parts.dropFirst(2))
            return
        }
        let before = parts[marked].prefix(while: { $0 != "@" })
        let name = (parts[..<marked] + [before]).joined(separator: "/")
        let id = try HubLocation.repository(kind, name)
        let rest = [parts[marked][before.endIndex...].dropFirst()] + parts[(marked + 1)...]
        let count = HubLocation.partCountOfRevision(rest)
        let written = rest.prefix(count).joined(separator: "/")
        guard let plain = percentDecoded(written), let revision = RevisionName(plain) else {
            throw .badRevision(written)
        }
        try self.init(id: id, revision: revision, checking: rest.dropFirst(count))
    }

    private init(
        id: RepositoryID, revision: RevisionName?, checking parts: ArraySlice<Substring>
    ) throws(HubURIError) {
        let path = parts.joined(separator: "/")
        for part in parts where part.isEmpty || part == "." || part == ".." {
            throw .badPath(path)
        }
        if path.utf8.contains(0) { throw .badPath(path) }
        self.init(id: id, revision: revision, path: path)
    }

    private static func repository(
        _ kind: RepositoryKind, _ name: String
    ) throws(HubURIError) -> RepositoryID {
        guard let id = RepositoryID(kind: kind, name: name) else { throw .badRepository(name) }
        return id
    }

    /// Of `refs/pr/3/…` and `refs/convert/x/…` three parts are the revision, else one.
    private static func partCountOfRevision(_ parts: [Substring]) -> Int {
        guard parts.count >= 3, parts[0] == "refs" else { return 1 }
        if parts[1] == "pr" && !parts[2].isEmpty && parts[2].utf8.allSatisfy(isDigit) { return 3 }
        return parts[1] == "convert" && !parts[2].isEmpty ? 3 : 1
    }

    /// The canonical form; `/` in a revision is written `%2F`, except in the Hub's own refs.
    package var text: String {
        var text = "\(HubURI.scheme)\(id)"
        if let revision {
            let parts = revision.name.split(separator: "/", omittingEmptySubsequences: false)
            let isWhole = HubLocation.partCountOfRevision(parts) == parts.count
            text += "@\(isWhole ? revision.name : revision.pathComponent)"
        }
        return path.isEmpty ? text : "\(text)/\(path)"
    }
}

private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}
