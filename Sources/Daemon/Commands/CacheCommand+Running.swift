// How the commands of a cache are carried out: by its daemon where there is one, else here.
//
// Without a daemon this process takes the cache's lock and opens the cache itself, without limits,
// so that nothing is evicted or moved that was not asked for.

internal import FoundationEssentials
internal import Glibc
internal import Platform
internal import Settings
internal import Telemetry

extension ModelFSCommand {
    /// How long a daemon that starts or ends may be in the way, in seconds.
    private static let waitSecondsMax = 30.0
    /// How long a daemon may work on a request, in seconds: a day, since a cache may be large.
    private static let workSecondsMax = 86_400.0

    static func runCache(
        _ request: CacheRequest, _ arguments: Arguments, _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        let answer: CacheAnswer
        do throws(MountFailure) {
            try checkTarget(of: request)
            let path = chosenCache(arguments)
            guard let cache = try CacheDirectory.openIfPresent(path),
                try cache.format() != nil || cache.isLocked()
            else { throw .cacheMissing(path: path) }
            answer = try carryOut(request, cache, arguments, makeBackend)
        } catch {
            throw error.commandFailure
        }
        try show(answer, arguments)
        if case .verified(let check) = answer, check.repairedCount < check.damagedCount {
            return .damaged
        }
        return .success
    }

    /// Prints the answer, as JSON or to be read.
    static func show(_ answer: CacheAnswer, _ arguments: Arguments) throws(CommandFailure) {
        if arguments[cacheJSON] {
            writeText(try encoded(answer))
        } else {
            let style = TextStyle(descriptor: 1, environment: arguments.environment)
            writeText(CachePage(answer, style: style).rendered())
        }
    }

    /// Has the daemon do it, or does it here where there is none, and shows how far it is.
    static func carryOut(
        _ request: CacheRequest, _ cache: CacheDirectory, _ arguments: Arguments,
        endpoints: [String]? = nil, _ makeBackend: BackendFactory
    ) throws(MountFailure) -> CacheAnswer {
        var bar = ProgressBar(arguments.environment)
        defer { bar.end() }
        return try carryOut(request, cache, endpoints, &bar, makeBackend)
    }

    /// What is typed wrong is told before anything is opened.
    private static func checkTarget(of request: CacheRequest) throws(MountFailure) {
        switch request {
        case .list(let target?), .statistics(let target?), .verify(let target?, _),
            .evict(let target, _), .pin(let target), .unpin(let target), .cool(let target?):
            _ = try CacheService.location(target)
        case .list(nil), .statistics(nil), .verify(nil, _), .cool(nil), .collectGarbage, .rebuild,
            .prefetch, .pull, .alias:
            return
        }
    }

    private static func carryOut(
        _ request: CacheRequest, _ cache: CacheDirectory, _ endpoints: [String]?,
        _ bar: inout ProgressBar, _ makeBackend: BackendFactory
    ) throws(MountFailure) -> CacheAnswer {
        let deadline = MonotonicInstant.now + waitSecondsMax
        while true {
            if let answer = try ask(request, cache, &bar) { return answer }
            if let lock = try cache.tryLock() {
                return try carryOut(request, cache, holding: lock, endpoints, &bar, makeBackend)
            }
            if MonotonicInstant.now > deadline {
                throw .daemonSilent(cache: cache.path, processID: cache.notedHolder())
            }
            sleep(seconds: 0.02)
        }
    }

    /// Asks the daemon; nil when there is none, or it is about to end.
    private static func ask(
        _ request: CacheRequest, _ cache: CacheDirectory, _ bar: inout ProgressBar
    ) throws(MountFailure) -> CacheAnswer? {
        let reply: ControlReply
        do {
            let client = try ControlClient(cache)
            reply = try client.ask(.cache(request), seconds: workSecondsMax) { line in
                if let progress = CacheProgress(line: line) { bar.show(progress) }
            }
        } catch {
            if error == .absent || error == .closed { return nil }
            throw error.failure(cache: cache)
        }
        switch reply {
        case .cache(let answer): return answer
        case .failed(let failure): throw failure
        case .progress, .mounted, .unmounted, .status, .token, .stopping, .upgrading: return nil
        }
    }

    /// Opens the cache, does it, and closes the cache.
    private static func carryOut(
        _ request: CacheRequest, _ cache: CacheDirectory, holding lock: borrowing CacheLock,
        _ endpoints: [String]?, _ bar: inout ProgressBar, _ makeBackend: BackendFactory
    ) throws(MountFailure) -> CacheAnswer {
        Signals.blockTermination()
        try cache.noteHolder(lock, processID: getpid())
        try cache.prepare(holding: lock)
        if case .rebuild = request { try CacheService.requestRebuild(cache.path) }
        var configuration = DaemonConfiguration.withoutLimits(cachePath: cache.path)
        configuration.endpoints = endpoints
        // What is fetched must not fill the disk.
        switch request {
        case .prefetch, .pull, .alias: configuration.leavesRoom = true
        default: break
        }
        // Nobody has to wait for it: the chunks have proven what is pulled.
        if case .pull = request { configuration.leavesLateHashes = true }
        let backend = try makeBackend(configuration, cache, Log(minimum: .error))
        defer { _ = backend.stop() }
        guard case .rebuild = request else {
            return try backend.answer(request) { progress in
                bar.show(progress)
                return true
            }
        }
        var rebuild = CacheRebuild()
        if case .list(let listing) = try backend.answer(.list(target: nil), progress: { _ in true })
        {
            rebuild.revisionCount = listing.revisions.count
        }
        if case .statistics(let sums) = try backend.answer(
            .statistics(target: nil), progress: { _ in true })
        {
            rebuild.contentCount = sums.total.contentCount
        }
        return .rebuilt(rebuild)
    }

    private static func encoded(_ answer: CacheAnswer) throws(CommandFailure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let json: Data?
        switch answer {
        case .list(let listing): json = try? encoder.encode(listing)
        case .statistics(let sums): json = try? encoder.encode(sums)
        case .verified(let check): json = try? encoder.encode(check)
        case .collected(let change), .evicted(let change), .pinned(let change),
            .unpinned(let change), .cooled(let change):
            json = try? encoder.encode(change)
        case .rebuilt(let rebuild): json = try? encoder.encode(rebuild)
        case .prefetched(let report): json = try? encoder.encode(report)
        case .pulled(let report): json = try? encoder.encode(report)
        case .alias(let report): json = try? encoder.encode(report)
        }
        guard let json else { throw CommandFailure(.failure, "the answer is no JSON") }
        return String(decoding: json, as: UTF8.self) + "\n"
    }
}

extension DaemonConfiguration {
    /// For a process that evicts and moves nothing of itself.
    static func withoutLimits(cachePath: String) -> DaemonConfiguration {
        var configuration = DaemonConfiguration(cachePath: cachePath)
        // 2^60 bytes are more than any disk, and twice of it is still a number.
        configuration.cacheLimit = .bytes(ByteSize(1 << 60))
        configuration.leavesRoom = false
        configuration.hotLimit = .percent(100)
        return configuration
    }
}
