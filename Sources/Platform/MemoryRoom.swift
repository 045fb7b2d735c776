// How much memory there is for pages that somebody may want soon: of the machine, and of the
// control groups that this process is charged to.
//
// Formats: proc(5) for /proc/meminfo and /proc/self/cgroup, and Linux'
// Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.

internal import Glibc

/// Memory that can be had without taking any that is in use.
package struct MemoryRoom: Equatable, Sendable {
    /// What the machine has, in bytes.
    package let totalByteCount: Int64
    /// What can be had, in bytes: free, or page cache that can be dropped.
    package let availableByteCount: Int64

    package init(totalByteCount: Int64, availableByteCount: Int64) {
        self.totalByteCount = totalByteCount
        self.availableByteCount = availableByteCount
    }

    /// That of the machine, as /proc/meminfo tells it; nil for another text.
    package init?(meminfo text: String) {
        func number(_ name: String) -> Int64? {
            for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
                let words = line.split(separator: " ")
                return words.count > 1 ? Int64(words[1]).map { $0 * 1024 } : nil
            }
            return nil
        }
        guard let total = number("MemTotal"), let available = number("MemAvailable")
        else { return nil }
        self.init(totalByteCount: total, availableByteCount: available)
    }

    /// That of a control group; nil for one without a limit.
    ///
    /// - Parameters:
    ///   - limit: the text of `memory.max` or `memory.limit_in_bytes`.
    ///   - usage: the text of `memory.current` or `memory.usage_in_bytes`.
    ///   - statistics: the text of `memory.stat`.
    package init?(limit: String, usage: String, statistics: String) {
        func number(_ text: some StringProtocol) -> Int64? {
            text.split(whereSeparator: \.isWhitespace).first.flatMap { Int64($0) }
        }
        // Version 1 says "no limit" with the largest number of pages.
        guard let limit = number(limit), limit < Int64.max / 2, let usage = number(usage)
        else { return nil }
        var droppable: Int64 = 0
        for line in statistics.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == "inactive_file" || words[0] == "total_inactive_file" {
                droppable = max(droppable, Int64(words[1]) ?? 0)
            }
        }
        self.init(totalByteCount: limit, availableByteCount: max(0, limit - usage + droppable))
    }

    /// The machine's, and those of this process's control groups that have a limit.
    package static func all() -> [MemoryRoom] {
        var rooms = text("/proc/meminfo").flatMap { MemoryRoom(meminfo: $0) }.map { [$0] } ?? []
        for folder in groupFolders(text("/proc/self/cgroup") ?? "") {
            let isSecond = text("\(folder)/memory.max") != nil
            let room = MemoryRoom(
                limit: text("\(folder)/\(isSecond ? "memory.max" : "memory.limit_in_bytes")") ?? "",
                usage: text("\(folder)/\(isSecond ? "memory.current" : "memory.usage_in_bytes")")
                    ?? "",
                statistics: text("\(folder)/memory.stat") ?? "")
            if let room { rooms.append(room) }
        }
        return rooms
    }

    /// Where a process's memory groups and those above them are, by its /proc/PID/cgroup.
    package static func groupFolders(_ groups: String) -> [String] {
        var folders: [String] = []
        for line in groups.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let root: String
            if fields[1].isEmpty {
                root = "/sys/fs/cgroup"
            } else if fields[1].split(separator: ",").contains("memory") {
                root = "/sys/fs/cgroup/memory"
            } else {
                continue
            }
            var parts = fields[2].split(separator: "/")
            while true {
                folders.append(([root] + parts.map(String.init)).joined(separator: "/"))
                if parts.popLast() == nil { break }
            }
        }
        return folders
    }

    private static func text(_ path: String) -> String? {
        // Long enough for each of these: memory.stat has some 60 lines.
        guard let file = try? FileDescriptor.open(path, O_RDONLY),
            let bytes = try? file.readBytes(countMax: 16_384)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
