// The life of a daemon: lock, filesystem, control socket, first mounts, waiting, and the end.
//
// The main thread owns the order of things; what happens elsewhere reaches it as events. It ends
// when it is told to, by a signal or a request, and when its last mount is gone.

internal import Glibc
internal import Platform
package import Settings
internal import Telemetry

/// Runs as the daemon of one cache.
package struct DaemonProcess {
    private enum Event: Sendable {
        /// `own` are the mounts that are nobody else's.
        case started(StartReply, own: [MountInfo])
        case signal(CInt)
        case stopRequested
        case mountsChanged
        case keeperLost
        case replaced
    }

    /// Between looks at the log's size, in seconds.
    private static let housekeepingSeconds = 60.0

    private let configuration: DaemonConfiguration
    private let cache: CacheDirectory
    private let keeping: MountKeeping
    private let makeBackend: BackendFactory

    /// - Parameters:
    ///   - configuration: kept until the end.
    ///   - cache: opened and checked.
    ///   - keeping: what an earlier daemon left, and this one leaves.
    ///   - makeBackend: makes the filesystem once the cache is locked.
    package init(
        configuration: DaemonConfiguration, cache: CacheDirectory, keeping: MountKeeping,
        makeBackend: @escaping BackendFactory
    ) {
        self.configuration = configuration
        self.cache = cache
        self.keeping = keeping
        self.makeBackend = makeBackend
    }

    /// Serves until the end.
    ///
    /// `Signals.blockTermination` must have been called before any thread was started.
    ///
    /// - Parameters:
    ///   - mounts: mounted first. When one of them fails, none of them stays.
    ///   - report: told once how the start went; false when nobody is there to hear it, which
    ///     ends the daemon.
    /// - Returns: what the process should end with.
    package func run(
        _ mounts: [MountRequest], report: (StartReply) -> Bool
    ) -> ExitCode {
        do {
            guard let lock = try patientLock() else {
                _ = report(.cacheTaken)
                return .inUse
            }
            keeping.keep(lock)
            keeping.keep(configuration)
            return try serve(mounts, holding: lock, report: report)
        } catch {
            _ = report(.failed(error))
            return error.exitCode
        }
    }

    /// Serves what an earlier daemon served, until the end.
    ///
    /// `Signals.blockTermination` must have been called before any thread was started.
    ///
    /// - Returns: what the process should end with.
    func takeOver() -> ExitCode {
        let log = makeLog()
        do {
            // The lock has not been let go of since the first daemon of this keeper took it.
            guard let lock = keeping.takeLock() else {
                log.error("the keeper has no lock of the cache to hand on")
                return .failure
            }
            return try serve(nil, holding: lock) { _ in true }
        } catch {
            log.error("the mounts cannot be taken over", ["reason": error.message])
            return error.exitCode
        }
    }

    private func makeLog() -> Log {
        Log(
            minimum: LogLevel(named: configuration.logLevel) ?? .info,
            format: configuration.logFormat.flatMap { Log.Format(rawValue: $0) } ?? .text)
    }

    /// The lock; nil when another process keeps it.
    ///
    /// Who merely looks at it holds it for a moment.
    private func patientLock() throws(MountFailure) -> CacheLock? {
        for _ in 0..<10 {
            if let lock = try cache.tryLock() { return lock }
            sleep(seconds: 0.01)
        }
        return nil
    }

    /// - Parameter mounts: nil to go on with those of an earlier daemon.
    private func serve(
        _ mounts: [MountRequest]?, holding lock: borrowing CacheLock,
        report: (StartReply) -> Bool
    ) throws(MountFailure) -> ExitCode {
        let log = makeLog()
        // Flat files, packs and connections have one each; a shell's limit is for a shell.
        ProcessLimits.raiseDescriptorCount()
        // Before the first thread, which would be left out.
        let confinement = Confinement.apply(configuration, log)
        let events = Mailbox<Event>()
        try watchSignals(events, log)
        let pulse = try keeping.beginPulse(log) { events.send(.keeperLost) }
        // Readers of a successor wait meanwhile, so what changes the disk comes after.
        if mounts != nil { try cache.noteHolder(lock, processID: getpid()) }
        try cache.prepare(holding: lock)
        StartStages.current.mark("cache")
        let backend = try makeBackend(configuration, cache, log)
        backend.begin(keeping)
        StartStages.current.mark("mounts")
        if mounts == nil { noteSuccession(lock, log) }
        pulse?.watch { backend.vitalSigns() }
        let service = MountService(
            backend: backend, keeping: keeping, cachePath: cache.path, log: log,
            confinement: confinement)
        let server: ControlServer
        let watcher: MountWatcher
        let metrics = try startMetrics(service, log, isSuccessor: mounts == nil)
        do throws(MountFailure) {
            server = try ControlServer(cache: cache, holding: lock, log: log) {
                request, progress in
                answer(request, service, events, progress)
            }
            try server.start()
            watcher = try DaemonProcess.watchMounts(service, events)
            if let mounts { try start(mounts, service, events) } else { service.resume() }
        } catch {
            metrics?.stop()
            _ = backend.stop()
            throw error
        }
        if mounts == nil {
            tellTakeover(log)
            keeping.tellReady()
            StartStages.current.mark("control")
            if let stages = StartStages.current.slowStart() {
                log.warning("the start was slow; milliseconds by stage", ["stages": stages])
            }
            events.send(.mountsChanged)
        }
        guard
            let code = wait(events, service, log, isSuccessor: mounts == nil, report: report)
        else { leaveToSuccessor(backend, server, log) }
        log.info("stopping")
        pulse?.watch { [] }
        keeping.tellFinishing()
        metrics?.stop()
        service.close()
        watcher.stop()
        server.stop()
        for mountpoint in backend.stop() {
            log.warning("unmounted lazily, files are in use", ["mountpoint": mountpoint])
        }
        return code
    }

    /// Serves metrics, where that was asked for.
    ///
    /// - Parameter isSuccessor: mounts go on also where the address cannot be had any more.
    private func startMetrics(
        _ service: MountService, _ log: Log, isSuccessor: Bool
    ) throws(MountFailure) -> MetricsServer? {
        guard let text = configuration.metricsAddress,
            let address = try? SocketEndpoint(parsing: text)
        else { return nil }
        do throws(MountFailure) {
            let server = try MetricsServer(address) { service.status() }
            log.info("metrics are served", ["at": server.url])
            return server
        } catch {
            if !isSuccessor { throw error }
            log.error("metrics are not served", ["reason": error.message])
            return nil
        }
    }

    /// For people who wonder who has the cache: mounts go on also where the disk does not take it.
    private func noteSuccession(_ lock: borrowing CacheLock, _ log: Log) {
        do throws(MountFailure) {
            try cache.noteHolder(lock, processID: getpid())
        } catch {
            log.warning("the cache's lock does not name this daemon", ["reason": error.message])
        }
    }

    private func tellTakeover(_ log: Log) {
        if !keeping.takeUpgrade() {
            log.warning("the mounts were taken over from a daemon that died")
        } else if Upgrade.isInstalled {
            log.info("the installed program goes on with the mounts")
        } else {
            log.error("the installed program did not work; the one before goes on")
        }
    }

    /// Ends at once, with all mounts and all requests that are under way left to the next daemon.
    private func leaveToSuccessor(
        _ backend: any MountBackend, _ server: ControlServer, _ log: Log
    ) -> Never {
        log.info("ending, to be followed by the installed program")
        server.stop()
        backend.flush()
        keeping.tellReplace()
        _exit(ExitCode.success.rawValue)
    }

    /// Waits for the end, and says what to end with; nil when another process is to go on.
    private func wait(
        _ events: Mailbox<Event>, _ service: MountService, _ log: Log, isSuccessor: Bool,
        report: (StartReply) -> Bool
    ) -> ExitCode? {
        var hasStarted = isSuccessor
        while true {
            let event = events.receive(until: .now + DaemonProcess.housekeepingSeconds)
            if DaemonLog.rotateIfLarge(cache) { keeping.tellOutput(STDERR_FILENO) }
            switch event {
            case .started(let reply, let own):
                hasStarted = true
                // Before it is reported: who has heard of the mount can rely on it.
                if case .ready = reply { keeping.tellReady() }
                let isHeard = report(reply)
                if case .failed(let failure) = reply {
                    // Others may have been given mounts meanwhile; those are served.
                    if service.closeIfIdle() { return failure.exitCode }
                    keeping.tellReady()
                } else if !isHeard {
                    log.warning("whoever started the daemon has gone away")
                    for info in own.reversed() {
                        _ = service.unmount(info.mountpoint, isLazy: true)
                    }
                    // Others may have been given mounts meanwhile; those are served.
                    if service.closeIfIdle() { return .failure }
                    keeping.tellReady()
                }
            case .signal(let number):
                log.info("signal received", ["signal": Signals.name(of: number)])
                if !hasStarted {
                    let name = Signals.name(of: number)
                    _ = report(.failed(.failed(detail: "interrupted by \(name)")))
                    return .failure
                }
                return .success
            case .stopRequested: return .success
            case .replaced:
                if keeping.isAnswering { return nil }
                log.error("nobody would follow this process, which goes on")
            case .mountsChanged:
                service.reconcile()
            case .keeperLost:
                if Environment.process["NOTIFY_SOCKET"] != nil {
                    // The service manager has what the keeper kept, and starts the service anew.
                    log.error("the keeper has died; ending, for the service to be started again")
                    _exit(ExitCode.failure.rawValue)
                }
                log.error("the keeper has died; the mounts end with this process from now on")
            case nil: break
            }
            if hasStarted && service.closeIfIdle() { return .success }
        }
    }

    /// Mounts on a thread of its own, so that the main thread goes on hearing signals.
    private func start(
        _ mounts: [MountRequest], _ service: MountService, _ events: Mailbox<Event>
    ) throws(MountFailure) {
        do {
            let thread = try Thread(named: "start") {
                let (reply, own) = DaemonProcess.mountAll(mounts, service)
                events.send(.started(reply, own: own))
            }
            thread.detach()
        } catch {
            throw .failed(detail: "there is no room for a thread: \(error)")
        }
    }

    private static func mountAll(
        _ mounts: [MountRequest], _ service: MountService
    ) -> (StartReply, own: [MountInfo]) {
        var infos: [MountInfo] = []
        var own: [MountInfo] = []
        var allNotices = service.openingNotices
        for request in mounts {
            switch service.mount(request) {
            case .mounted(let info, let notices, let wasThere):
                infos.append(info)
                if wasThere != true { own.append(info) }
                allNotices += notices
            case .failed(let failure):
                for info in own.reversed() {
                    _ = service.unmount(info.mountpoint, isLazy: true)
                }
                return (.failed(failure), [])
            default:
                return (.failed(.failed(detail: "the daemon was stopped while it started")), [])
            }
        }
        return (.ready(infos, notices: allNotices), own)
    }

    private func answer(
        _ request: ControlRequest, _ service: MountService, _ events: Mailbox<Event>,
        _ progress: (String) -> Bool
    ) -> ControlReply {
        switch request {
        case .mount(let wanted): return service.mount(wanted)
        case .unmount(let mountpoint, let isLazy):
            let reply = service.unmount(mountpoint, isLazy: isLazy)
            events.send(.mountsChanged)
            return reply
        case .status: return .status(service.status())
        case .token(let salt): return .token(mark: service.tokenMark(salt: salt))
        case .cache(let request):
            return service.answer(request) { progress($0.line) }
        case .upgrade: return upgrade(events)
        case .stop:
            service.close()
            events.send(.stopRequested)
            return .stopping
        }
    }

    /// Ends this process, and has the installed program go on, if that can.
    private func upgrade(_ events: Mailbox<Event>) -> ControlReply {
        do throws(MountFailure) {
            guard keeping.isKept, let program = Upgrade.program else {
                throw .daemonUnkept(cache: cache.path)
            }
            try Upgrade.check(program, cachePath: cache.path)
            events.send(.replaced)
            return .upgrading(program: program)
        } catch {
            return .failed(error)
        }
    }

    private static func watchMounts(
        _ service: MountService, _ events: Mailbox<Event>
    ) throws(MountFailure) -> MountWatcher {
        do {
            return try MountWatcher { events.send(.mountsChanged) }
        } catch {
            throw .failed(detail: "/proc/self/mountinfo cannot be watched: \(error)")
        }
    }

    private func watchSignals(_ events: Mailbox<Event>, _ log: Log) throws(MountFailure) {
        do {
            let thread = try Thread(named: "signals") {
                events.send(.signal(Signals.waitForTermination()))
                let second = Signals.waitForTermination()
                // Who asks twice does not want to wait; the next mount cleans up.
                log.error("ended by a second signal", ["signal": Signals.name(of: second)])
                _exit(ExitCode.failure.rawValue)
            }
            thread.detach()
        } catch {
            throw .failed(detail: "there is no room for a thread: \(error)")
        }
    }
}

extension LogLevel {
    /// The names that `--log-level` takes.
    static let names = ["debug", "info", "warning", "error"]

    /// The level of that name; nil for other words.
    init?(named name: String) {
        guard let index = LogLevel.names.firstIndex(of: name) else { return nil }
        self.init(rawValue: index)
    }
}
