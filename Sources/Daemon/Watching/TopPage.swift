// What `modelfs top` shows: what changed between two looks at a daemon, as rates. Pure.

internal import Settings

/// Lays out the difference of two states.
struct TopPage {
    private let before: DaemonStatus
    private let now: DaemonStatus
    private let process: (before: ProcessFigures, now: ProcessFigures)
    private let seconds: Double
    private let style: TextStyle
    /// Files are cut to this many.
    private let lineCountMax: Int
    private var text = ""

    /// - Parameters:
    ///   - before: an earlier look.
    ///   - now: the newest one.
    ///   - process: the daemon's process at both.
    ///   - seconds: between them.
    ///   - lineCountMax: of the whole page.
    init(
        _ before: DaemonStatus, _ now: DaemonStatus,
        process: (before: ProcessFigures, now: ProcessFigures), seconds: Double, style: TextStyle,
        lineCountMax: Int = 40
    ) {
        self.before = before
        self.now = now
        self.process = process
        self.seconds = max(seconds, 0.001)
        self.style = style
        self.lineCountMax = lineCountMax
    }

    /// The whole page, with a newline at its end.
    func rendered() -> String {
        var page = self
        page.write()
        return page.text
    }

    private mutating func write() {
        let (old, new) = (before.fileSystem, now.fileSystem)
        let cpu = (process.now.cpuSeconds - process.before.cpuSeconds) / seconds
        text += style.bold("modelfs \(now.version)") + ", process \(now.processID), "
        text += "\(Int((cpu * 100).rounded())) % of a processor, "
        text += "\(size(process.now.residentBytes)) of memory, \(now.mounts.count) mounts\n\n"
        row("kernel", messages(old, new))
        let hits = rate(old.cache.hits, new.cache.hits)
        let misses = rate(old.cache.misses, new.cache.misses)
        var share = ""
        if hits + misses > 0 { share = ", \(Int((hits / (hits + misses) * 100).rounded())) % hits" }
        row(
            "cache",
            "\(number(hits)) reads/s from the disk"
                + " (\(size(rate(old.cache.hitBytes, new.cache.hitBytes)))/s),"
                + " \(number(misses)) from the Hub\(share)")
        row(
            "",
            "\(size(new.usedBytes)) of \(size(new.limitBytes)): \(size(new.hotBytes)) flat,"
                + " \(size(new.packedBytes)) packed,"
                + " \(number(rate(old.cache.evictions, new.cache.evictions))) evictions/s")
        let state = new.hub.state == .present ? "" : ", " + style.error(new.hub.state.rawValue)
        row(
            "Hub",
            "\(size(rate(old.bytesFetched, new.bytesFetched)))/s,"
                + " \(number(requests(old, new))) requests/s\(state)")
        row(
            "ahead",
            "\(size(rate(old.reading.pushedBytes, new.reading.pushedBytes)))/s pushed into"
                + " memory")
        let waiting = new.fetches.reduce(0) { $0 + $1.readerCount }
        row("waiting", "\(waiting) readers for the network")
        writeFiles(new)
    }

    private mutating func writeFiles(_ new: BackendStatus) {
        let room = max(3, lineCountMax - 12) / 2
        let open = new.reading.files.filter { $0.openCount > 0 }
        if !open.isEmpty { text += "\n" + style.bold("Open") + "\n" }
        for file in open.prefix(room) {
            let way = file.isByKernel ? "by the kernel" : "by the daemon"
            text += "  \(file.file)  \(file.openCount) times, \(way)\n"
        }
        if open.count > room { text += "  and \(open.count - room) more\n" }
        if !new.fetches.isEmpty { text += "\n" + style.bold("Being fetched") + "\n" }
        for fetch in new.fetches.prefix(room) {
            let share = Double(fetch.doneBytes) / Double(max(1, fetch.totalBytes))
            text += "  \(fetch.file)  \(Int(share * 100)) % of \(size(fetch.totalBytes))"
            if fetch.readerCount > 0 { text += ", \(fetch.readerCount) readers wait" }
            text += "\n"
        }
        if new.fetches.count > room { text += "  and \(new.fetches.count - room) more\n" }
    }

    private mutating func row(_ name: String, _ words: String) {
        let width = 9
        let padding = String(repeating: " ", count: max(1, width - name.count))
        text += style.bold(name) + padding + words + "\n"
    }

    private func messages(_ old: BackendStatus, _ new: BackendStatus) -> String {
        let rates = new.kernelMessages.map { kind, count in
            (kind, rate(old.kernelMessages[kind] ?? 0, count))
        }
        let busy = rates.filter { $0.1 > 0 }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
        if busy.isEmpty { return "no messages" }
        return busy.prefix(5).map { "\($0.0) \(number($0.1))/s" }.joined(separator: ", ")
    }

    private func requests(_ old: BackendStatus, _ new: BackendStatus) -> Double {
        rate(old.hubRequests.values.reduce(0, +), new.hubRequests.values.reduce(0, +))
    }

    /// A daemon that was replaced counts from 0 again.
    private func rate(_ old: Int64, _ new: Int64) -> Double {
        Double(new >= old ? new - old : new) / seconds
    }

    private func number(_ rate: Double) -> String {
        rate == 0 || rate >= 10 ? "\(Int(rate.rounded()))" : "\((rate * 10).rounded() / 10)"
    }

    private func size(_ byteCount: Double) -> String { size(Int64(byteCount)) }

    private func size(_ byteCount: Int64) -> String { "\(ByteSize(max(0, byteCount)))" }
}
