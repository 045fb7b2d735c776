// The listing of a commit as the official client keeps it beside its blobs (`trees/COMMIT.json`).
//
// It is what the Hub once said, so it is checked like an answer of the Hub. One entry that is wrong
// makes all of it worthless: the file was damaged, and nothing proves the rest.

internal import FoundationEssentials
internal import Hashing

/// Reads such a listing.
package enum ClientListing {
    /// The version that is known; the client leaves others alone, too.
    private static let formatVersion = 1

    private struct FileJSON: Decodable {
        let size: Int64
        let oid: String
        let largeDigest: String?
        let largeSize: Int64?
        let xetHash: String?

        enum CodingKeys: String, CodingKey {
            case size
            case oid = "blob_id"
            case largeDigest = "lfs_sha256"
            case largeSize = "lfs_size"
            case xetHash = "xet_hash"
        }
    }

    private struct ListingJSON: Decodable {
        let formatVersion: Int
        let files: [String: FileJSON]

        enum CodingKeys: String, CodingKey {
            case formatVersion = "format_version"
            case files
        }
    }

    /// The files, in the order of their paths; nil if it is none, or damaged.
    package static func entries(json: [UInt8]) -> [TreeEntry]? {
        guard let listing = try? JSONDecoder().decode(ListingJSON.self, from: Data(json)),
            listing.formatVersion == formatVersion
        else { return nil }
        var entries: [TreeEntry] = []
        for (path, file) in listing.files.sorted(by: { $0.key < $1.key }) {
            guard let entry = entry(path, file) else { return nil }
            entries.append(entry)
        }
        return entries
    }

    private static func entry(_ path: String, _ file: FileJSON) -> TreeEntry? {
        let size = file.largeSize ?? file.size
        guard let oid = GitObjectID(hex: file.oid), (0...TreeEntry.sizeMax).contains(size)
        else { return nil }
        var digest: SHA256Digest?
        if let text = file.largeDigest {
            digest = SHA256Digest(hex: text)
            if digest == nil { return nil }
        }
        if let text = file.xetHash, SHA256Digest(hex: text) == nil { return nil }
        return TreeEntry(
            path: path, kind: .file, size: size, oid: oid, sha256: digest,
            xetHash: file.xetHash?.lowercased())
    }
}
