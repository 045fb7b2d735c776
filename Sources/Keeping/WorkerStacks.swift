// What the threads of a process do, by the kernel's own account, for the log.
//
// Only what /proc shows: names, states, the system call and where in the kernel it waits. Nothing
// is asked of the process itself, which may not be able to answer.

internal import Glibc
internal import Platform
internal import Telemetry

enum WorkerStacks {
    /// Threads that are told of; a worker has some thirty.
    private static let threadCountMax = 64
    private static let byteCountMax = 2_048

    /// Writes a line for each thread.
    static func tell(of process: pid_t, _ log: Log) {
        let folder = "/proc/\(process)/task"
        for thread in threads(folder).prefix(threadCountMax) {
            let place = "\(folder)/\(thread)"
            log.info(
                "a thread of the worker",
                [
                    "thread": thread, "name": text("\(place)/comm"), "state": state(place),
                    "call": text("\(place)/syscall"), "waits": text("\(place)/wchan"),
                    "stack": text("\(place)/stack"),
                ])
        }
    }

    private static func threads(_ folder: String) -> [String] {
        guard let stream = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// Such as `D`: the third field, after a name in parentheses that may hold anything.
    private static func state(_ place: String) -> String {
        let line = Array(text("\(place)/stat").utf8)
        guard let end = line.lastIndex(of: UInt8(ascii: ")")), end + 2 < line.count
        else { return "" }
        return String(decoding: [line[end + 2]], as: UTF8.self)
    }

    private static func text(_ path: String) -> String {
        guard let file = try? FileDescriptor.open(path, O_RDONLY),
            let bytes = try? file.readBytes(countMax: byteCountMax)
        else { return "" }
        var words = String(decoding: bytes, as: UTF8.self)[...]
        while words.last == "\n" { words.removeLast() }
        return String(words)
    }
}
