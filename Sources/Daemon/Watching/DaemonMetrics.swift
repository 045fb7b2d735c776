// A daemon's state as metrics: the same facts as `modelfs status --json`, under names that stay.

internal import Glibc
internal import Platform
internal import Telemetry

/// Lays out the metrics of a daemon.
struct DaemonMetrics {
    private let status: DaemonStatus
    private let process: ProcessFigures
    private var page = MetricsPage(prefix: "modelfs_")

    /// - Parameters:
    ///   - status: what is told.
    ///   - process: of the daemon.
    init(_ status: DaemonStatus, _ process: ProcessFigures) {
        self.status = status
        self.process = process
    }

    /// The whole page.
    func rendered() -> String {
        var metrics = self
        metrics.write()
        return metrics.page.text
    }

    private mutating func write() {
        page.begin("info", .gauge, "The version that runs; the value is always 1.")
        page.sample([("version", status.version)], 1)
        gauge("mounts", "Mountpoints that are served.", Int64(status.mounts.count))
        writeCache()
        writeReading()
        writeHub()
        writeProcess()
    }

    private mutating func writeCache() {
        let system = status.fileSystem
        let counts = system.cache
        gauge("cache_used_bytes", "What the cache takes of its disk.", system.usedBytes)
        gauge("cache_limit_bytes", "What the cache may take of its disk.", system.limitBytes)
        page.begin("cache_layout_bytes", .gauge, "What lies in the cache, by layout.")
        page.sample([("layout", "flat")], Double(system.hotBytes))
        page.sample([("layout", "packed")], Double(system.packedBytes))
        gauge("cache_flat_limit_bytes", "What may lie flat.", system.hotLimitBytes)
        page.begin(
            "cache_reads_total", .counter,
            "Reads that the daemon was asked for, by where their bytes were.")
        page.sample([("tier", "disk")], Double(counts.hits))
        page.sample([("tier", "hub")], Double(counts.misses))
        counter("cache_read_bytes_total", "Bytes read from the cache's disk.", counts.hitBytes)
        counter("cache_evictions_total", "Contents dropped to make room.", counts.evictions)
        counter(
            "cache_checksum_failures_total", "Blocks, records and rows that were damaged.",
            counts.checksumFailures)
        counter(
            "cache_healed_blocks_total", "Damaged blocks that were fetched again.",
            counts.healedBlocks)
        counter("cache_proofs_total", "Contents whose hash was proven.", counts.proofs)
        counter(
            "cache_proof_failures_total", "Contents whose hash was wrong.", counts.proofFailures)
        counter("cache_cooled_total", "Contents moved into packs.", counts.cooled)
        counter("cache_warmed_total", "Contents made flat again.", counts.warmed)
        counter(
            "cache_scrubbed_bytes_total", "Bytes looked through in the background.",
            counts.scrubbedBytes)
        counter("cache_disk_failures_total", "Failures of the cache's disk.", counts.diskFailures)
    }

    private mutating func writeReading() {
        let system = status.fileSystem
        page.begin("kernel_messages_total", .counter, "Messages from the kernel, by kind.")
        for (kind, count) in system.kernelMessages.sorted(by: { $0.key < $1.key }) {
            page.sample([("kind", kind.lowercased())], Double(count))
        }
        page.begin("open_files", .gauge, "Files that are open, by who reads them.")
        for (way, isByKernel) in [("kernel", true), ("daemon", false)] {
            let files = system.reading.files.filter { $0.isByKernel == isByKernel }
            page.sample([("by", way)], Double(files.filter { $0.openCount > 0 }.count))
        }
        counter(
            "pushed_bytes_total", "Bytes put into the page cache ahead of readers.",
            system.reading.pushedBytes)
        counter(
            "refused_push_bytes_total", "Bytes that were not, since memory was short.",
            system.reading.refusedPushBytes)
    }

    private mutating func writeHub() {
        let system = status.fileSystem
        gauge("hub_up", "Whether the Hub can be asked.", system.hub.state == .present ? 1 : 0)
        page.begin("hub_requests_total", .counter, "Requests to the Hub, by kind.")
        for (kind, count) in system.hubRequests.sorted(by: { $0.key < $1.key }) {
            page.sample([("kind", kind)], Double(count))
        }
        counter("fetched_bytes_total", "Bytes that came over the network.", system.bytesFetched)
        counter(
            "client_cache_bytes_total", "Bytes that came from the official client's cache.",
            system.clientCacheBytes)
        gauge("fetches", "Files that are being fetched.", Int64(system.fetches.count))
        gauge(
            "waiting_readers", "Readers that wait for the network.",
            Int64(system.fetches.reduce(0) { $0 + $1.readerCount }))
        gauge(
            "refused_repositories", "Repositories that the Hub refuses.",
            Int64(system.refusals.count))
        counter(
            "wrong_xet_chunks_total", "Chunks that came wrong through Xet and were replaced.",
            system.cache.wrongXetChunks)
    }

    private mutating func writeProcess() {
        page.add(
            "cpu_seconds_total", .counter, "Processor time of the daemon.", process.cpuSeconds,
            isProcess: true)
        page.add(
            "resident_memory_bytes", .gauge, "Memory of the daemon.",
            Double(process.residentBytes), isProcess: true)
        page.add(
            "open_fds", .gauge, "Descriptors of the daemon.", Double(process.descriptorCount),
            isProcess: true)
        if let start = WallTime(iso8601: status.startedAt) {
            page.add(
                "start_time_seconds", .gauge, "When the daemon started, since 1970.",
                Double(start.secondsSince1970), isProcess: true)
        }
    }

    private mutating func gauge(_ name: String, _ help: String, _ value: Int64) {
        page.add(name, .gauge, help, Double(value))
    }

    private mutating func counter(_ name: String, _ help: String, _ value: Int64) {
        page.add(name, .counter, help, Double(value))
    }
}

/// What a process takes of the machine.
struct ProcessFigures: Equatable, Sendable {
    var cpuSeconds = 0.0
    var residentBytes: Int64 = 0
    var descriptorCount = 0

    /// Those of a process; zeros where it is gone. Source: proc(5).
    init(processID: Int32) {
        let folder = "/proc/\(processID)"
        if let text = ProcessFigures.text("\(folder)/stat"), let end = text.lastIndex(of: ")") {
            let fields = text[text.index(after: end)...].split(separator: " ")
            // After the name: state is field 3, utime 14, stime 15, rss 24.
            let ticks = Double(sysconf(CInt(_SC_CLK_TCK)))
            let pageBytes = Int64(sysconf(CInt(_SC_PAGESIZE)))
            if fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
                let pages = Int64(fields[21])
            {
                cpuSeconds = (user + system) / ticks
                residentBytes = pages * pageBytes
            }
        }
        guard let listing = unsafe opendir("\(folder)/fd") else { return }
        defer { unsafe closedir(listing) }
        while unsafe readdir(listing) != nil { descriptorCount += 1 }
        descriptorCount = max(0, descriptorCount - 2)
    }

    private static func text(_ path: String) -> String? {
        guard let file = try? FileDescriptor.open(path, O_RDONLY),
            let bytes = try? file.readBytes(countMax: 4096)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
