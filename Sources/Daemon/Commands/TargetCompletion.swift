// What a shell can offer for the name of a repository or of an alias: what the mounts of this
// machine list. Asks the kernel and never a daemon or a Hub that might not answer soon: a listing
// of an owner that is not known yet may ask the Hub, which the mount's own deadline bounds.

internal import Glibc
internal import Platform

extension ModelFSCommand {
    /// The most that a shell shows with use.
    private static let wordCountMax = 500

    /// Words for an argument; nil where names of files are meant.
    @Sendable
    package static func values(of argument: String, beginning begin: String) -> [String]? {
        switch argument {
        case "REPO[@REV]", "REPO@REV": repositories(begin)
        case "NAME": names(in: "", begin: "@" + begin).map { String($0.dropFirst()) }
        default: nil
        }
    }

    private static func repositories(_ begin: String) -> [String] {
        guard let slash = begin.lastIndex(of: "/") else {
            return names(in: "", begin: begin).filter { !$0.hasPrefix("@") }.map { $0 + "/" }
        }
        let owner = String(begin[..<slash])
        if owner.hasPrefix(".") || owner.contains("/.") { return [] }
        let rest = String(begin[begin.index(after: slash)...])
        return names(in: owner, begin: rest).map { "\(owner)/\($0)" }
    }

    private static func names(in folder: String, begin: String) -> [String] {
        var names: Set<String> = []
        for place in modelMounts() {
            for name in listing("\(place)/\(folder)") where name.hasPrefix(begin) {
                names.insert(name)
                if names.count == wordCountMax { return names.sorted() }
            }
        }
        return names.sorted()
    }

    /// Where `hf://models` is mounted.
    private static func modelMounts() -> [String] {
        guard let table = try? MountTable.current() else { return [] }
        // As root each is a bind of a folder of one mount; else a mount of its own.
        let shown = table.modelFSEntries.filter { entry in
            entry.root == "/models" || entry.root == "/" && entry.source == "hf://models"
        }
        return shown.map(\.mountpoint)
    }

    private static func listing(_ path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { place in
                unsafe place.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if name != "." && name != ".." { names.append(name) }
            if names.count == 10 * wordCountMax { break }
        }
        return names
    }
}
