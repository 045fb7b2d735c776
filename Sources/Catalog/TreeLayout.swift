// From the Hub's flat listing of a commit to folders: pure, no database.
//
// What the Hub sends is not trusted. An entry whose path could not stand in a directory is left
// out and counted by its reason; everything else stays usable. What is kept is a tree: every name
// is a valid path component, no name stands twice in a folder, no file is also a folder. Paths are
// compared byte by byte, as Linux does; `String` would take two spellings of an accent for one.

package import HubAPI

/// The folders of a commit, by path.
package struct TreeLayout: Sendable {
    /// Why an entry was left out.
    package enum Rejection: String, CaseIterable, Sendable {
        case emptyPart = "an empty part or a / at an end"
        case dotPart = "a part that is . or .."
        case forbiddenByte = "a NUL, a control character or invalid UTF-8"
        case tooLong = "a part over 255 bytes or a path over 4095"
        case tooDeep = "more than 64 folders deep"
        case duplicate = "a name that stands twice"
        case fileAndFolder = "a file that is also a folder"
        case badSize = "a negative or absurd size"
    }

    /// A file, by its index in the listing, or a folder.
    package enum Node: Sendable {
        case file(index: Int)
        case folder
    }

    /// Folder path (empty: the root) to name to node, all in UTF-8.
    package private(set) var folders: [[UInt8]: [[UInt8]: Node]] = [[]: [:]]
    /// How many entries were left out, by reason.
    package private(set) var rejected: [Rejection: Int] = [:]
    /// Some of the paths that were left out, for the log.
    package private(set) var examples: [String] = []

    /// The longest name a directory entry may have on Linux (`NAME_MAX`).
    package static let nameByteCountMax = 255
    /// One less than `PATH_MAX`.
    package static let pathByteCountMax = 4095
    /// Deeper paths are no model's; the bound keeps the work for one entry small.
    package static let depthMax = 64
    private static let exampleCountMax = 3
    private static let slash = UInt8(ascii: "/")

    /// Sorts a listing into folders.
    package init(_ entries: [TreeEntry]) {
        // Folders first: a path that is both is then known when its file is seen.
        for entry in entries {
            let path = Array(entry.path.utf8)
            if let reason = TreeLayout.reason(against: entry, path) {
                reject(entry.path, reason)
            } else if entry.kind == .directory {
                addFolder(path)
            } else if let cut = path.lastIndex(of: TreeLayout.slash) {
                addFolder(Array(path[..<cut]))
            }
        }
        for (index, entry) in entries.enumerated() where entry.kind == .file {
            let path = Array(entry.path.utf8)
            if TreeLayout.reason(against: entry, path) == nil { addFile(index, path, entry.path) }
        }
    }

    /// The number of folders directly below a folder.
    package func subdirectoryCount(of path: [UInt8]) -> Int {
        folders[path]?.values.count {
            if case .folder = $0 { true } else { false }
        } ?? 0
    }

    private mutating func addFolder(_ path: [UInt8]) {
        if folders[path] != nil { return }
        var start = 0
        while start < path.count {
            let end = path[start...].firstIndex(of: TreeLayout.slash) ?? path.count
            let parent = Array(path[..<max(0, start - 1)])
            let child = Array(path[..<end])
            if folders[child] == nil {
                folders[parent, default: [:]][Array(path[start..<end])] = .folder
                folders[child] = [:]
            }
            start = end + 1
        }
    }

    private mutating func addFile(_ index: Int, _ path: [UInt8], _ text: String) {
        if folders[path] != nil {
            reject(text, .fileAndFolder)
            return
        }
        let cut = path.lastIndex(of: TreeLayout.slash)
        let folder = cut.map { Array(path[..<$0]) } ?? []
        let name = cut.map { Array(path[($0 + 1)...]) } ?? path
        if folders[folder]?[name] != nil {
            reject(text, .duplicate)
        } else {
            folders[folder, default: [:]][name] = .file(index: index)
        }
    }

    private mutating func reject(_ path: String, _ reason: Rejection) {
        rejected[reason, default: 0] += 1
        if examples.count < TreeLayout.exampleCountMax {
            examples.append(String(path.prefix(100)))
        }
    }

    private static func reason(against entry: TreeEntry, _ path: [UInt8]) -> Rejection? {
        if entry.kind == .file, !(0...TreeEntry.sizeMax).contains(entry.size) { return .badSize }
        if path.count > pathByteCountMax { return .tooLong }
        let parts = path.split(separator: slash, omittingEmptySubsequences: false)
        if parts.count > depthMax { return .tooDeep }
        for part in parts {
            if part.isEmpty { return .emptyPart }
            if part.count > nameByteCountMax { return .tooLong }
            if part.elementsEqual(".".utf8) || part.elementsEqual("..".utf8) { return .dotPart }
        }
        if path.contains(where: { $0 < 0x20 || $0 == 0x7f }) { return .forbiddenByte }
        // U+FFFD is what invalid UTF-8 was read as.
        return entry.path.unicodeScalars.contains("\u{FFFD}") ? .forbiddenByte : nil
    }
}
