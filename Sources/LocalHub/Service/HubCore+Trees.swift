// The entries of a commit: by folder, in pages, and by name.

internal import FoundationEssentials
internal import HTTPService
internal import Hashing
internal import HubAPI
internal import Platform
internal import Xet

/// The posted body of paths-info in its JSON form.
private struct PathsJSON: Decodable {
    /// One path or several.
    enum Paths: Decodable {
        case one(String)
        case several([String])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let text = try? container.decode(String.self) {
                self = .one(text)
            } else {
                self = .several(try container.decode([String].self))
            }
        }
    }

    let paths: Paths
    let expand: Bool?
}

extension HubCore {
    /// Entries of a page: the Hub's own numbers, fewer where each needs its last commit.
    private static let treeCountMax = 1000
    private static let expandedCountDefault = 50
    private static let pathCountMax = 10_000

    /// `/api/{T}/{id}/tree/{rev}/{path}`.
    func tree(
        _ record: RepositoryRecord, revision: String, path: String, _ context: RequestContext
    ) throws(Refusal) -> HTTPResponse {
        let isExpanded = context.flag("expand")
        let page = try Page(
            context, countMax: HubCore.treeCountMax,
            countDefault: isExpanded ? HubCore.expandedCountDefault : HubCore.treeCountMax)
        let commit = try commit(page.mark ?? revision, of: record)
        let folder = path.split(separator: "/").joined(separator: "/")
        let isRecursive = context.flag("recursive")
        guard let entries = commit.listing(of: folder, isRecursive: isRecursive) else {
            throw .noEntry(path: folder, commit: commit.info.id)
        }
        var items: [JSON] = []
        for entry in page.slice(entries) {
            items.append(try json(of: entry, record, isExpanded: isExpanded))
        }
        var headers = page.headers(context, total: entries.count, mark: commit.info.id.hex)
        headers.add("X-Repo-Commit", commit.info.id.hex)
        return context.answer(.array(items), headers: headers)
    }

    /// `POST /api/{T}/{id}/paths-info/{rev}`: those of the named entries that there are.
    func pathsInfo(
        _ id: RepositoryID, revision: String, _ context: RequestContext, _ caller: Caller
    ) throws(Refusal) -> HTTPResponse {
        let record = try visibleRecord(of: id, for: caller)
        if record.id != id { return redirect(from: id, to: record.id, context) }
        let commit = try commit(revision, of: record)
        let (paths, isExpanded) = try wantedPaths(context)
        if paths.count > HubCore.pathCountMax {
            throw .badRequest("more than \(HubCore.pathCountMax) paths")
        }
        var items: [JSON] = []
        for path in paths {
            let clean = path.split(separator: "/").joined(separator: "/")
            guard let entry = commit.entry(at: clean) else { continue }
            items.append(try json(of: entry, record, isExpanded: isExpanded))
        }
        var headers = HTTPHeaders()
        headers.add("X-Repo-Commit", commit.info.id.hex)
        return context.answer(.array(items), headers: headers)
    }

    private func wantedPaths(
        _ context: RequestContext
    ) throws(Refusal) -> (paths: [String], isExpanded: Bool) {
        let request = context.request
        if request.headers["Content-Type"]?.lowercased().hasPrefix("application/json") == true {
            guard let json = try? JSONDecoder().decode(PathsJSON.self, from: Data(request.body))
            else { throw .badRequest("the body is not {\"paths\": […], \"expand\": …}") }
            switch json.paths {
            case .one(let path): return ([path], json.expand ?? false)
            case .several(let paths): return (paths, json.expand ?? false)
            }
        }
        let form = HTTPQuery(String(decoding: request.body, as: UTF8.self))
        let expand = form["expand"]?.lowercased() ?? ""
        return (form.all("paths") + form.all("paths[]"), ["1", "true"].contains(expand))
    }

    /// An entry as trees and paths-info show it.
    private func json(
        of entry: CommitEntry, _ record: RepositoryRecord, isExpanded: Bool
    ) throws(Refusal) -> JSON {
        var members: [(String, JSON)] = [
            ("type", .string(entry.isFolder ? "directory" : "file")),
            ("oid", .string(entry.id.hex)), ("size", .int(entry.byteCount)),
        ]
        if let digest = entry.sha256 {
            members.append(
                (
                    "lfs",
                    .object([
                        ("oid", .string(digest.hex)), ("size", .int(entry.byteCount)),
                        ("pointerSize", .count(pointerByteCount(entry))),
                    ])
                ))
        }
        if let hash = entry.xetHash, settings.xet != .off {
            members.append(("xetHash", .string(hash.text)))
        }
        members.append(("path", .string(entry.path)))
        if isExpanded {
            let last = try commitInfo(entry.lastCommit, of: record)
            members.append(
                (
                    "lastCommit",
                    .object([
                        ("id", .string(last.id.hex)), ("title", .string(last.title)),
                        ("date", .string(hubDate(last.date))),
                    ])
                ))
            if !entry.isFolder { members.append(("securityFileStatus", HubCore.unscanned)) }
        }
        return .object(members)
    }

    /// What is said of a file that no scanner has looked at.
    private static let unscanned: JSON = .object([
        ("status", .string("unscanned")),
        ("jFrogScan", .object([("status", .string("unscanned"))])),
        ("protectAiScan", .object([("status", .string("unscanned"))])),
        ("avScan", .object([("status", .string("unscanned"))])),
        ("pickleImportScan", .object([("status", .string("unscanned"))])),
    ])
}
