// What `modelfs status` shows to a person: the same facts as --json, laid out to be read.

internal import Platform
package import Settings

/// Lays out the state of a daemon.
package struct StatusPage {
    private let status: DaemonStatus
    private let style: TextStyle
    private let now: WallTime
    private var text = ""

    /// How many kinds of messages or requests stand on one line.
    private static let columns = TextStyle.columns

    /// - Parameters:
    ///   - status: what is shown.
    ///   - style: whether there are colours.
    ///   - secondsSince1970: the time that ages are counted from.
    package init(_ status: DaemonStatus, style: TextStyle, secondsSince1970: Int64) {
        self.status = status
        self.style = style
        now = WallTime(secondsSince1970: secondsSince1970)
    }

    /// The whole page, with a newline at its end.
    package func rendered() -> String {
        var page = self
        page.write()
        return page.text
    }

    private mutating func write() {
        writeHead()
        writeMounts()
        writeCache()
        writeHub()
        writeReading()
        writeFetches()
        writeRefusals()
        writeCounts("Messages from the kernel", status.fileSystem.kernelMessages)
        writeConfinement()
        writeProblems()
    }

    private mutating func writeHead() {
        text += style.bold("modelfs \(status.version)") + ", process \(status.processID)"
        if let start = WallTime(iso8601: status.startedAt) {
            let age = TimeSpan(
                seconds: max(0, now.secondsSince1970 - start.secondsSince1970))
            text += ", running for \(age == TimeSpan(seconds: 0) ? "0s" : "\(age)")"
        }
        text += "\n"
    }

    private mutating func writeMounts() {
        heading("Mounts")
        if status.mounts.isEmpty { text += "  none\n" }
        let width = status.mounts.map(\.mountpoint.count).max() ?? 0
        for mount in status.mounts {
            text += "  \(padded(mount.mountpoint, width))  \(mount.source)\n"
            if let commit = mount.commit {
                let repository = mount.repository.map { " of \($0)" } ?? ""
                text += style.faint("    pinned to commit \(commit.prefix(12))\(repository)") + "\n"
            }
        }
    }

    private mutating func writeCache() {
        let used = ByteSize(max(0, status.fileSystem.usedBytes))
        let limit = ByteSize(max(0, status.fileSystem.limitBytes))
        heading("Cache")
        text += "  \(status.cachePath)\n"
        text += "  \(used) of \(limit) used\(StatusPage.share(used, limit))\n"
        let system = status.fileSystem
        text += "  \(ByteSize(max(0, system.hotBytes))) flat (at most "
        text += "\(ByteSize(max(0, system.hotLimitBytes)))), "
        text += "\(ByteSize(max(0, system.packedBytes))) packed\n"
        let counts = system.cache
        let told = [
            ("evicted", counts.evictions), ("packed", counts.cooled),
            ("made flat again", counts.warmed), ("proven", counts.proofs),
            ("proven wrong", counts.proofFailures), ("wrong chunks", counts.wrongXetChunks),
            ("blocks damaged", counts.checksumFailures),
            ("blocks healed", counts.healedBlocks), ("disk failures", counts.diskFailures),
        ].filter { $0.1 > 0 }
        lines("since the start: ", Dictionary(told, uniquingKeysWith: +))
    }

    private mutating func writeHub() {
        let hub = status.fileSystem.hub
        heading("Hub")
        let state =
            switch hub.state {
            case .present: style.good("reachable")
            case .away: style.error("not reachable")
            case .offline: style.warning("not asked (offline)")
            }
        if let endpoints = hub.endpoints, endpoints.count > 1 {
            writeEndpoints(endpoints)
        } else {
            text += "  \(hub.endpoint)\(hub.endpoint.isEmpty ? "" : "  ")\(state)\n"
        }
        if let detail = hub.detail { text += "  \(detail)\n" }
        if hub.tokenSource != nil { paragraph(DaemonComparison.tokenWords(hub), indent: 2) }
        text += "  \(ByteSize(max(0, status.fileSystem.bytesFetched))) fetched\n"
        if !status.fileSystem.hubRequests.isEmpty {
            lines("requests: ", status.fileSystem.hubRequests)
        }
        if !status.fileSystem.hubFailures.isEmpty {
            lines("of them failed: ", status.fileSystem.hubFailures)
        }
    }

    private mutating func writeEndpoints(_ endpoints: [EndpointStatus]) {
        let width = endpoints.map(\.endpoint.count).max() ?? 0
        for endpoint in endpoints {
            let state =
                switch endpoint.state {
                case .present: style.good("reachable")
                case .resting: style.warning("of no use for now")
                case .away: style.error("not reachable")
                case .offline: style.warning("not asked (offline)")
                }
            let detail = endpoint.detail.map { ": \($0)" } ?? ""
            let token = endpoint.hasToken ? ", with a token" : ""
            text += "  \(padded(endpoint.endpoint, width))  \(state)\(detail)\(token)\n"
        }
    }

    private mutating func writeReading() {
        let reading = status.fileSystem.reading
        if status.mounts.isEmpty { return }
        heading("Reading")
        let way =
            reading.isByKernel
            ? "the kernel reads files by itself when they are cached, proven and flat"
            : "all files are read through the daemon: \(reading.reason ?? "not known why")"
        paragraph(way, indent: 2)
        for file in reading.files {
            let others = file.otherPlaceCount ?? 0
            text += "  \(file.file)\(file.openCount > 0 ? ", open" : "")"
            text += others > 0 ? "; also at \(others) other\(others == 1 ? "" : "s")\n" : "\n"
            paragraph(
                file.isByKernel
                    ? "by the kernel" : "through the daemon: \(file.reason ?? "not known why")",
                indent: 4)
        }
        if reading.pushedBytes > 0 {
            text += "  \(ByteSize(reading.pushedBytes)) put into memory ahead of readers\n"
        }
        for setting in reading.settings where setting.granted != setting.wanted {
            let granted = setting.granted.map { grouped($0) } ?? "not known"
            paragraph(
                "\(setting.name): \(granted) instead of \(grouped(setting.wanted)), "
                    + "\(setting.reason ?? "not known why")", indent: 2)
        }
    }

    private mutating func writeConfinement() {
        guard let confinement = status.confinement else { return }
        heading("Confinement")
        paragraph("the daemon " + confinement.words.joined(separator: ", "), indent: 2)
        if let reason = confinement.reason { paragraph("not more: \(reason)", indent: 2) }
    }

    private mutating func paragraph(_ words: String, indent: Int) {
        for line in wrap(words, columns: StatusPage.columns - indent) {
            text += String(repeating: " ", count: indent) + line + "\n"
        }
    }

    private mutating func writeFetches() {
        if status.fileSystem.fetches.isEmpty { return }
        heading("Being fetched")
        for fetch in status.fileSystem.fetches {
            let done = ByteSize(max(0, fetch.doneBytes))
            let total = ByteSize(max(0, fetch.totalBytes))
            text += "  \(fetch.file)\n    \(done) of \(total)\(StatusPage.share(done, total))\n"
        }
    }

    private mutating func writeRefusals() {
        if status.fileSystem.refusals.isEmpty { return }
        heading("Refused by the Hub")
        for refusal in status.fileSystem.refusals {
            text += "  \(refusal.repository)\n"
            for line in wrap(refusal.reason, columns: StatusPage.columns - 4) {
                text += "    \(style.error(line))\n"
            }
            for line in wrap(refusal.advice, columns: StatusPage.columns - 4) {
                text += "    \(line)\n"
            }
        }
    }

    private mutating func writeCounts(_ title: String, _ counts: [String: Int64]) {
        heading(title)
        if counts.isEmpty { text += "  none\n" }
        lines("", counts)
    }

    private mutating func writeProblems() {
        if status.problems.isEmpty { return }
        heading("Last problems")
        for problem in status.problems {
            let level =
                problem.level == "error"
                ? style.error(problem.level) : style.warning(problem.level)
            text += "  \(problem.time) \(level)\n"
            for line in wrap(problem.text, columns: StatusPage.columns - 4) {
                text += "    \(line)\n"
            }
        }
    }

    private mutating func heading(_ title: String) {
        text += "\n" + style.bold(title) + "\n"
    }

    /// Counts by name, the largest first, as many on a line as fit.
    private mutating func lines(_ start: String, _ counts: [String: Int64]) {
        if counts.isEmpty { return }
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        // A blank inside of a pair must not be where a line breaks.
        let glue = "\u{1}"
        let pairs = sorted.map { "\($0.key)\(glue)\(grouped($0.value))" }
        let all = wrap(start + pairs.joined(separator: ", "), columns: StatusPage.columns - 2)
        for line in all {
            text += "  " + line.map { $0 == "\u{1}" ? " " : String($0) }.joined() + "\n"
        }
    }

    private static func share(_ part: ByteSize, _ whole: ByteSize) -> String {
        if whole.byteCount == 0 { return "" }
        let percent = Double(part.byteCount) / Double(whole.byteCount) * 100
        return " (\(Int(percent.rounded())) %)"
    }
}

/// With commas between the thousands.
func grouped(_ number: Int64) -> String {
    var digits = String(number.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
        groups.insert(String(digits.suffix(3)), at: 0)
        digits.removeLast(3)
    }
    return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
