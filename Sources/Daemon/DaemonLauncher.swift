// Getting mounts from a command to the daemon of a cache: the one that serves it, or a new one.
//
// However many commands race, each cache has one daemon, because only the holder of the lock goes
// on; who loses hands its request to the winner. Every wait is bounded.

internal import Glibc
internal import Platform
package import Settings

/// Brings mounts about.
package struct DaemonLauncher {
    /// What became of the mounts.
    package struct Outcome: Equatable, Sendable {
        /// The mounts that answer, in the order asked for.
        package let mounts: [MountInfo]
        /// Sentences for the user.
        package let notices: [String]
        /// Whether a daemon that was there already took them.
        package let isHandedOver: Bool
    }

    /// How long a lock may be held by a daemon that does not listen yet, in seconds.
    static let handOverSecondsMax = 30.0
    /// The descriptor over which a new daemon gets its order and reports.
    static let orderDescriptor: CInt = 3

    private let cache: CacheDirectory
    private let configuration: DaemonConfiguration
    private let environment: Environment

    /// - Parameters:
    ///   - cache: opened and checked.
    ///   - configuration: for a daemon that has to be started.
    ///   - environment: for a daemon that has to be started.
    package init(
        cache: CacheDirectory, configuration: DaemonConfiguration, environment: Environment
    ) {
        self.cache = cache
        self.configuration = configuration
        self.environment = environment
    }

    /// Returns when all mounts answer; when one fails, none of those that are new stays.
    package func mount(_ requests: [MountRequest]) throws(MountFailure) -> Outcome {
        let deadline = MonotonicInstant.now + DaemonLauncher.handOverSecondsMax
        var pause = 0.01
        while true {
            if let outcome = try handOver(requests) { return outcome }
            if !cache.isLocked() {
                if let outcome = try start(requests) { return outcome }
            }
            if MonotonicInstant.now > deadline {
                throw .daemonSilent(cache: cache.path, processID: cache.notedHolder())
            }
            sleep(seconds: pause)
            pause = min(pause * 2, 0.2)
        }
    }

    /// Asks the daemon that is there; nil when there is none, or it is about to end.
    private func handOver(_ requests: [MountRequest]) throws(MountFailure) -> Outcome? {
        var infos: [MountInfo] = []
        // What was there before is nobody's to take away.
        var own: [MountInfo] = []
        var allNotices: [String] = []
        for request in requests {
            let reply: ControlReply
            do {
                let client = try ControlClient(cache)
                reply = try client.ask(.mount(request))
            } catch {
                if error == .absent || error == .closed { return nil }
                throw error.failure(cache: cache)
            }
            switch reply {
            case .mounted(let info, let notices, let wasThere):
                infos.append(info)
                if wasThere != true { own.append(info) }
                allNotices += notices
            case .failed(let failure):
                for info in own.reversed() { undo(info) }
                throw failure
            default: return nil
            }
        }
        return Outcome(mounts: infos, notices: allNotices, isHandedOver: true)
    }

    private func undo(_ info: MountInfo) {
        do {
            let client = try ControlClient(cache)
            _ = try client.ask(.unmount(mountpoint: info.mountpoint, isLazy: true))
        } catch {
            // The daemon has gone, and the mount with it.
            return
        }
    }

    /// Starts a daemon; nil when another one was faster.
    private func start(_ requests: [MountRequest]) throws(MountFailure) -> Outcome? {
        let order = StartOrder(configuration: configuration, mounts: requests)
        let starting: StartingDaemon
        do {
            starting = try StartingDaemon(cache: cache, environment: environment)
        } catch {
            throw .failed(detail: "the daemon cannot be started: \(error)")
        }
        switch try starting.give(order, cache: cache) {
        case .ready(let infos, let notices):
            return Outcome(mounts: infos, notices: notices, isHandedOver: false)
        case .cacheTaken: return nil
        case .failed(let failure): throw failure
        }
    }
}

/// A daemon that was started and has not reported yet.
private struct StartingDaemon: ~Copyable {
    private let child: ChildProcess
    private let channel: ControlChannel

    init(cache: CacheDirectory, environment: Environment) throws(Errno) {
        let log = try DaemonLog.open(cache)
        let pair = try SocketPair()
        let own = try pair.first.duplicate()
        let words = ["daemon", "--cache", cache.path]
        let keeper = KeeperProgram.installed()
        child = try ChildProcess(
            keeper?.path ?? "/proc/self/exe",
            keeper.map { ["--order", $0.worker] + words } ?? words,
            name: keeper == nil ? "modelfs" : "modelfs-keeper", environment: environment.entries,
            descriptors: [-1, log.rawValue, log.rawValue, pair.second.rawValue],
            isSessionLeader: true)
        channel = ControlChannel(socket: own)
    }

    /// Tells it what to do, and waits for its report.
    consuming func give(
        _ order: StartOrder, cache: CacheDirectory
    ) throws(MountFailure) -> StartReply {
        let deadline = MonotonicInstant.now + ControlClient.answerSecondsMax
        do throws(ControlError) {
            try channel.send(order, until: deadline)
            return try channel.receive(StartReply.self, until: deadline)
        } catch {
            if error == .timedOut {
                throw .daemonSilent(cache: cache.path, processID: child.processID)
            }
            throw .daemonDied(ending: ending(), log: "\(cache.path)/\(DaemonLog.name)")
        }
    }

    private borrowing func ending() -> String {
        // Whoever closed the channel ends at once; if not, nobody waits long.
        let deadline = MonotonicInstant.now + 2
        while MonotonicInstant.now < deadline {
            switch try? child.poll() {
            case .exited(let code)?: return "it ended with code \(code)"
            case .killed(let signal)?: return "it was killed by \(Signals.name(of: signal))"
            case nil: sleep(seconds: 0.01)
            }
        }
        return "nobody knows how"
    }
}
