// The file that a commit is kept in: one line for each fact, and one for each entry.
//
//     modelfs-hub commit 1
//     id <40 hex>
//     tree <40 hex>
//     parent <40 hex>                            (left out for the first commit)
//     date <seconds since 1970>
//     message <hex of its UTF-8>
//     folder <tree id> <last commit> <path>
//     file <blob id> <last commit> <size> <path>
//     large <blob id> <last commit> <size> <sha256> <path>
//     xet <blob id> <last commit> <size> <sha256> <xet hash> <path>
//     end <number of entries>
//
// Paths have no control characters, so they need no escapes and may hold blanks. The last line
// tells a whole file from one that was cut off.

internal import Hashing
internal import Platform
internal import Xet

/// A commit's text form.
enum CommitManifest {
    private static let heading = "modelfs-hub commit 1"

    /// The bytes of the file.
    static func bytes(of commit: Commit) -> [UInt8] {
        let info = commit.info
        var text = "\(heading)\nid \(info.id)\ntree \(info.tree)\n"
        if let parent = info.parent { text += "parent \(parent)\n" }
        text += "date \(info.date.secondsSince1970)\n"
        text += "message \(hexString(Array(info.message.utf8)))\n"
        for entry in commit.entries {
            let ids = "\(entry.id) \(entry.lastCommit)"
            if entry.isFolder {
                text += "folder \(ids) \(entry.path)\n"
            } else if let digest = entry.sha256, let xetHash = entry.xetHash {
                let hashes = "\(digest.hex) \(xetHash)"
                text += "xet \(ids) \(entry.byteCount) \(hashes) \(entry.path)\n"
            } else if let digest = entry.sha256 {
                text += "large \(ids) \(entry.byteCount) \(digest.hex) \(entry.path)\n"
            } else {
                text += "file \(ids) \(entry.byteCount) \(entry.path)\n"
            }
        }
        text += "end \(commit.entries.count)\n"
        return Array(text.utf8)
    }

    /// Reads the facts at the beginning of the file, of which the rest may be missing.
    static func info(_ beginning: [UInt8]) -> CommitInfo? {
        var lines = beginning.split(separator: UInt8(ascii: "\n"), maxSplits: 7)[...]
        guard lines.popFirst().map({ $0.elementsEqual(heading.utf8) }) == true else { return nil }
        // The last piece may be a line that was cut off.
        lines = lines.dropLast()
        return commitInfo(&lines)
    }

    /// Reads the file; nil if it does not have the form.
    static func commit(_ bytes: [UInt8]) -> Commit? {
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[
            ...]
        guard lines.popFirst().map({ $0.elementsEqual(heading.utf8) }) == true,
            let info = commitInfo(&lines)
        else { return nil }
        var entries: [CommitEntry] = []
        entries.reserveCapacity(lines.count)
        while let line = lines.popFirst() {
            if line.starts(with: "end ".utf8) {
                let count = Int(String(decoding: line.dropFirst(4), as: UTF8.self))
                return count == entries.count ? Commit(info: info, entries: entries) : nil
            }
            guard let entry = commitEntry(line) else { return nil }
            entries.append(entry)
        }
        return nil
    }

    private static func commitInfo(_ lines: inout ArraySlice<ArraySlice<UInt8>>) -> CommitInfo? {
        var facts: [String: String] = [:]
        while let line = lines.first, facts["message"] == nil {
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 1)
            guard let key = fields.first else { return nil }
            facts[String(decoding: key, as: UTF8.self)] =
                fields.count > 1 ? String(decoding: fields[1], as: UTF8.self) : ""
            lines = lines.dropFirst()
        }
        guard let id = facts["id"].flatMap({ GitObjectID(hex: $0) }),
            let tree = facts["tree"].flatMap({ GitObjectID(hex: $0) }),
            let seconds = facts["date"].flatMap({ Int64($0) }),
            let message = facts["message"].flatMap({ hexBytes($0) })
        else { return nil }
        return CommitInfo(
            id: id, tree: tree, parent: facts["parent"].flatMap { GitObjectID(hex: $0) },
            date: WallTime(secondsSince1970: seconds),
            message: String(decoding: message, as: UTF8.self))
    }

    private static func commitEntry(_ line: ArraySlice<UInt8>) -> CommitEntry? {
        let kind = String(decoding: line.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
        let counts = ["folder": 3, "file": 4, "large": 5, "xet": 6]
        guard let count = counts[kind] else { return nil }
        let fields = line.split(
            separator: UInt8(ascii: " "), maxSplits: count, omittingEmptySubsequences: false)
        guard fields.count == count + 1, let id = objectID(fields[1]),
            let lastCommit = objectID(fields[2])
        else { return nil }
        let path = String(decoding: fields[count], as: UTF8.self)
        if kind == "folder" {
            return CommitEntry(
                path: path, id: id, byteCount: 0, sha256: nil, isFolder: true,
                lastCommit: lastCommit)
        }
        guard let byteCount = Int64(String(decoding: fields[3], as: UTF8.self)) else { return nil }
        var digest: SHA256Digest?
        if count > 4 {
            digest = SHA256Digest(hex: String(decoding: fields[4], as: UTF8.self))
            if digest == nil { return nil }
        }
        var xetHash: XetHash?
        if count > 5 {
            xetHash = XetHash(text: String(decoding: fields[5], as: UTF8.self))
            if xetHash == nil { return nil }
        }
        return CommitEntry(
            path: path, id: id, byteCount: byteCount, sha256: digest, isFolder: false,
            lastCommit: lastCommit, xetHash: xetHash)
    }

    private static func objectID(_ field: ArraySlice<UInt8>) -> GitObjectID? {
        GitObjectID(hex: String(decoding: field, as: UTF8.self))
    }
}
