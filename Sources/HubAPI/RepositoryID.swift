// The Hub's names: kinds of repository, repository ids, revision names, `hf://` URIs.
//
// Everything that comes from a user or from the kernel passes one of these initialisers before it
// is put into a URL, so no name can smuggle a path, a query or a header.

/// The kinds of repository that can be mounted.
package enum RepositoryKind: String, CaseIterable, Hashable, Sendable {
    case model, dataset, space

    /// The plural that stands in API paths, `hf://` URIs and at the root of a mount.
    package var plural: String {
        switch self {
        case .model: "models"
        case .dataset: "datasets"
        case .space: "spaces"
        }
    }

    /// The kind with that plural; nil for other words.
    package init?(plural: some StringProtocol) {
        guard let kind = RepositoryKind.allCases.first(where: { $0.plural == plural })
        else { return nil }
        self = kind
    }

    /// What precedes the id in `/resolve/` paths: nothing for models.
    package var resolvePrefix: String { self == .model ? "" : "\(plural)/" }
}

/// A repository's kind and name, such as model `sentence-transformers/all-MiniLM-L6-v2`.
package struct RepositoryID: Hashable, Sendable, CustomStringConvertible {
    /// Model, dataset or space: equal names of different kinds are different repositories.
    package let kind: RepositoryKind
    /// The owner; nil for a legacy repository such as `gpt2`.
    package let organisation: String?
    /// The part after the owner.
    package let base: String

    /// The longest name the Hub allows, in characters.
    package static let nameLengthMax = 96

    /// Nil when a part breaks the Hub's grammar.
    package init?(kind: RepositoryKind, organisation: String?, base: String) {
        guard RepositoryID.isValidPart(base), organisation.map(RepositoryID.isValidPart) ?? true
        else { return nil }
        self.kind = kind
        self.organisation = organisation
        self.base = base
    }

    /// Reads `org/name` or `name`; nil when it breaks the Hub's grammar.
    package init?(kind: RepositoryKind, name: some StringProtocol) {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        switch parts.count {
        case 1: self.init(kind: kind, organisation: nil, base: String(parts[0]))
        case 2: self.init(kind: kind, organisation: String(parts[0]), base: String(parts[1]))
        default: return nil
        }
    }

    /// `org/name`, or `name` for a legacy repository.
    package var name: String { organisation.map { "\($0)/\(base)" } ?? base }

    /// Such as `models/org/name`: the path below `/api/`.
    package var description: String { "\(kind.plural)/\(name)" }

    /// Whether `part` may name an owner or a repository: letters, digits, `-`, `_` and `.`; neither
    /// `--` nor `..` inside, neither `-` nor `.` at an end, at most 96 characters, and not ending
    /// in `.git`.
    ///
    /// Source: the rule of the official client for repository ids.
    package static func isValidPart(_ part: some StringProtocol) -> Bool {
        let bytes = Array(part.utf8)
        guard let first = bytes.first, let last = bytes.last, bytes.count <= nameLengthMax
        else { return false }
        let dash = UInt8(ascii: "-")
        let dot = UInt8(ascii: ".")
        if first == dash || first == dot || last == dash || last == dot { return false }
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                continue
            case dash, dot:
                if bytes[index - 1] == byte { return false }
            default:
                return false
            }
        }
        return !part.hasSuffix(".git")
    }
}

/// The name of a branch, a tag, a pull request's ref or a (short) commit.
///
/// Two spellings of an accent are two names, as they are to git.
package struct RevisionName: Hashable, Sendable, CustomStringConvertible {
    /// As git and the Hub know it, such as `refs/pr/3`.
    package let name: String

    /// The longest name accepted, in bytes; a path component of its own must fit 255.
    package static let lengthMax = 200

    /// Nil when git would not allow it as a ref's name.
    package init?(_ name: some StringProtocol) {
        let bytes = Array(name.utf8)
        guard !bytes.isEmpty, bytes.count <= RevisionName.lengthMax, !name.contains(".."),
            !name.contains("//"), !name.contains("@{"), !name.hasPrefix("/"), !name.hasSuffix("/"),
            !name.hasPrefix("-"), !name.hasPrefix("."), !name.contains("/."), !name.hasSuffix("."),
            !name.hasSuffix(".lock"), name != "@"
        else { return nil }
        let forbidden = Array(" ~^:?*[\\".utf8)
        for byte in bytes where byte < 0x20 || byte == 0x7f || forbidden.contains(byte) {
            return nil
        }
        self.name = String(name)
    }

    /// Reads the form of a directory name, where `/` is written `%2F` and `%` is written `%25`.
    package init?(pathComponent: some StringProtocol) {
        var bytes: [UInt8] = []
        var rest = Array(pathComponent.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                if byte == UInt8(ascii: "/") { return nil }
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self).uppercased()
            rest = rest.dropFirst(2)
            switch digits {
            case "2F": bytes.append(UInt8(ascii: "/"))
            case "25": bytes.append(UInt8(ascii: "%"))
            default: return nil
            }
        }
        guard let name = String(validating: bytes, as: UTF8.self) else { return nil }
        self.init(name)
    }

    /// The form of a directory name.
    package var pathComponent: String {
        var text = ""
        for character in name.unicodeScalars {
            switch character {
            case "%": text += "%25"
            case "/": text += "%2F"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }

    /// Whether it can be a commit's beginning: 7 to 40 lower-case hexadecimal digits.
    package var looksLikeCommit: Bool {
        (7...40).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    package var description: String { name }

    package static func == (left: RevisionName, right: RevisionName) -> Bool {
        left.name.utf8.elementsEqual(right.name.utf8)
    }

    package func hash(into hasher: inout Swift.Hasher) {
        for byte in name.utf8 { hasher.combine(byte) }
        hasher.combine(name.utf8.count)
    }
}
