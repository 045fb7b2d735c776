// How much memory this process has, and how much of it is its own.
//
// Source: proc(5), /proc/PID/smaps_rollup.

internal import Glibc
internal import Platform

/// The sums of a process's memory, in bytes.
struct MemoryUse: Equatable, Sendable {
    /// What it has in memory.
    private(set) var residentByteCount: Int64 = 0
    /// The same, where shared pages count in part.
    private(set) var proportionalByteCount: Int64 = 0
    /// What no other process has: what its end would free.
    private(set) var privateByteCount: Int64 = 0
    /// What lies in no file.
    private(set) var anonymousByteCount: Int64 = 0

    /// Nil where the kernel does not tell.
    static func now() -> MemoryUse? {
        guard let file = try? FileDescriptor.open("/proc/self/smaps_rollup", O_RDONLY),
            let bytes = try? file.readBytes(countMax: 16_384)
        else { return nil }
        return MemoryUse(String(decoding: bytes, as: UTF8.self))
    }

    /// Reads the kernel's table.
    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[2] == "kB", let kilobytes = Int64(words[1])
            else { continue }
            let byteCount = kilobytes * 1024
            switch words[0] {
            case "Rss:": residentByteCount = byteCount
            case "Pss:": proportionalByteCount = byteCount
            // Anonymous pages are private too, and are counted in one of these.
            case "Private_Clean:", "Private_Dirty:": privateByteCount += byteCount
            case "Anonymous:": anonymousByteCount = byteCount
            default: continue
            }
        }
    }

    var json: JSONValue {
        .members([
            "residentBytes": .count(residentByteCount),
            "proportionalBytes": .count(proportionalByteCount),
            "privateBytes": .count(privateByteCount),
            "anonymousBytes": .count(anonymousByteCount),
        ])
    }
}
