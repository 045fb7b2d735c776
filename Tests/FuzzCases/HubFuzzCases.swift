// Everything that reads what others wrote, fed with what nobody would write.
//
// A case passes when every input is refused or understood, and what was understood keeps its
// promises: names that can stand in a directory, URLs that say the same when written out again.

import Platform
import Settings

@testable import Catalog
@testable import ChunkStore
@testable import HubAPI
@testable import Transport

package enum HubFuzzCases {
    private static let commit = String(repeating: "0123456789", count: 4)
    private static let digest = String(repeating: "01234567", count: 8)

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    package static let cases = [
        tree, clientListing, revision, refs, listing, links, urls, locations, revisionNames,
        repositoryNames, folders, segments, values, dates,
    ]

    private static let tree = FuzzCase(
        "tree",
        [
            """
            [{"type":"directory","oid":"\(commit)","size":0,"path":"a"},
             {"type":"file","oid":"\(commit)","size":12,"path":"a/b.txt","xetHash":"\(digest)",
              "lfs":{"oid":"\(digest)","size":12,"pointerSize":134}},
             {"type":"file","oid":"\(commit)","size":0,"path":"a/c/d/é.json"}]
            """,
            #"[{"type":"file","path":"a","oid":"x"},{"type":"file","path":"a/b","size":-1}]"#, "[]",
        ]
    ) { bytes in
        guard let page = try? TreePage(json: bytes) else { return }
        let layout = TreeLayout(page.entries)
        for (path, names) in layout.folders {
            var entries: [(name: [UInt8], target: Directory.Target)] = []
            for (name, node) in names {
                let isName =
                    !name.isEmpty && name.count <= 255 && !name.contains(UInt8(ascii: "/"))
                    && !name.contains(0) && name != Array(".".utf8) && name != Array("..".utf8)
                try FuzzFailure.unless(isName, "a name that is none: \(name)")
                switch node {
                case .folder:
                    let below = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
                    try FuzzFailure.unless(layout.folders[below] != nil, "no folder \(below)")
                    entries.append((name, .directory(subdirectoryCount: 0)))
                case .file(let index):
                    let size = page.entries[index].size
                    try FuzzFailure.unless(size >= 0, "a size of \(size)")
                    entries.append(
                        (name, .file(ContentID(row: 1), sizeBytes: size, modified: 0)))
                }
            }
            let stored = Directory(bytes: Directory(entries).bytes)
            for (name, target) in entries {
                try FuzzFailure.unless(stored?.find(name) == target, "\(name) is not found again")
            }
        }
    }

    private static let clientListing = FuzzCase(
        "client-listing",
        [
            """
            {"format_version":1,"files":{"config.json":{"size":2,"blob_id":"\(commit)"},
             "a/model.safetensors":{"size":134,"blob_id":"\(commit)","lfs_sha256":"\(digest)",
              "lfs_size":12,"xet_hash":"\(digest)"}}}
            """,
            #"{"format_version":2,"files":{}}"#,
        ]
    ) { bytes in
        for entry in ClientListing.entries(json: bytes) ?? [] {
            try FuzzFailure.unless(entry.size >= 0, "a size of \(entry.size)")
        }
    }

    private static let revision = FuzzCase(
        "revision",
        [
            #"{"id":"org/name","sha":"\#(commit)","lastModified":"2024-01-02T03:04:05.000Z","#
                + #""private":false,"gated":"auto","disabled":false}"#,
            #"{"id":"gpt2","sha":"\#(commit)","gated":false}"#,
            #"{"name":"someone","type":"user"}"#,
        ]
    ) { bytes in
        _ = try? TokenOwner(json: bytes)
        guard let info = try? RevisionInfo(json: bytes, kind: .model) else { return }
        let again = RepositoryID(kind: .model, name: info.canonicalID.name)
        try FuzzFailure.unless(again == info.canonicalID, "\(info.canonicalID) is another id")
    }

    private static let refs = FuzzCase(
        "refs",
        [
            """
            {"tags":[{"name":"v1","ref":"refs/tags/v1","targetCommit":"\(commit)"}],
             "branches":[{"name":"main","ref":"refs/heads/main","targetCommit":"\(commit)"}],
             "converts":[],"pullRequests":null}
            """
        ]
    ) { bytes in _ = try? refInfos(json: bytes) }

    private static let listing = FuzzCase(
        "listing",
        [#"[{"id":"org/a","sha":"\#(commit)","private":true},{"id":"../x"},{"id":"org/b"}]"#]
    ) { bytes in
        guard let page = try? RepositoryPage(json: bytes, kind: .dataset) else { return }
        for item in page.repositories {
            let again = RepositoryID(kind: .dataset, name: item.id.name)
            try FuzzFailure.unless(again == item.id, "\(item.id) is another id")
        }
    }

    private static let links = FuzzCase(
        "links",
        [
            #"<https://huggingface.co/api/models?cursor=abc%3D>; rel="next""#,
            #"<https://a.b/c>; rel="prev", </d?e=f,g>; rel="next"; title="x""#, #"<>; rel=next"#,
        ]
    ) { bytes in _ = nextLink([text(bytes)]) }

    private static let urls = FuzzCase(
        "urls",
        [
            "https://huggingface.co/api/models/a/b?x=1#y", "http://127.0.0.1:8080",
            "http://[::1]:80/%2F?", "HTTPS://EXAMPLE.org:443/",
        ]
    ) { bytes in
        guard let url = HTTPURL(text(bytes)) else { return }
        try FuzzFailure.unless(HTTPURL(url.text) == url, "written as \(url.text)")
        let plain = url.text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
        try FuzzFailure.unless(plain, "characters that no URL has")
    }

    private static let locations = FuzzCase(
        "locations", ["https://cdn.example/x?y", "/api/a", "//other.example/z", "?q", "a/b", "#f"]
    ) { bytes in
        guard let base = HTTPURL("https://huggingface.co/a/b?c"),
            let url = base.resolving(text(bytes))
        else { return }
        try FuzzFailure.unless(HTTPURL(url.text) == url, "written as \(url.text)")
    }

    private static let revisionNames = FuzzCase(
        "revision-names", ["main", "refs%2Fpr%2F3", "v1.0%25", "0123abc"]
    ) { bytes in
        guard let name = RevisionName(pathComponent: text(bytes)) else { return }
        let component = name.pathComponent
        try FuzzFailure.unless(!component.contains("/"), "a slash in \(component)")
        try FuzzFailure.unless(RevisionName(pathComponent: component) == name, component)
    }

    private static let repositoryNames = FuzzCase(
        "repository-names", ["org/name", "gpt2", "a.b-c_d/E.f", "a--b"]
    ) { bytes in
        guard let id = RepositoryID(kind: .space, name: text(bytes)) else { return }
        try FuzzFailure.unless(RepositoryID(kind: .space, name: id.name) == id, id.name)
        try FuzzFailure.unless(!id.name.contains(".."), id.name)
    }

    private static let folders = FuzzCase(
        "folders",
        bytes: [
            Directory([
                (Array("a".utf8), .file(ContentID(row: 7), sizeBytes: 1, modified: 2)),
                (Array("b".utf8), .directory(subdirectoryCount: 3)),
            ]).bytes,
            Directory([]).bytes,
        ]
    ) { bytes in
        guard let folder = Directory(bytes: bytes) else { return }
        for index in 0..<folder.count { _ = folder.find(Array(folder[index].name)) }
    }

    private static let segments = FuzzCase(
        "segments", bytes: [BlockSegment(blockCount: 9, isPacked: false).blob(rowKey: 5)]
    ) { bytes in
        guard let segment = BlockSegment(blob: bytes, blockCount: 9, rowKey: 5) else { return }
        try FuzzFailure.unless(segment.blob(rowKey: 5) == bytes, "written otherwise")
    }

    private static let values = FuzzCase(
        "values", ["10GB", "80%", "1.5h", "30ms", "forever", "50MB/s", "100Mbit/s", "127.0.0.1:80"]
    ) { bytes in
        let word = text(bytes)
        _ = try? ByteSize(parsing: word)
        _ = try? SpaceLimit(parsing: word)
        _ = try? TimeSpan(parsing: word)
        _ = try? SocketEndpoint(parsing: word)
    }

    private static let dates = FuzzCase(
        "dates",
        ["2024-02-29T23:59:60.000Z", "1970-01-01T00:00:00Z", "2024-01-01T00:00:00.123456Z"]
    ) { bytes in
        guard let time = WallTime(iso8601: text(bytes)) else { return }
        try FuzzFailure.unless(WallTime(iso8601: time.iso8601) == time, time.iso8601)
    }
}
