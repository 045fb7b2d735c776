// A predictor's life: it listens, loads, serves, follows, and ends in order.
//
// The socket is there first, so that no connection is refused while the model is loaded; requests
// that come too early wait. Loading and following have a thread each, signals another; the main
// thread waits for what they tell.

internal import Database
internal import Glibc
internal import HTTPService
internal import Inference
internal import JSON
internal import LinearAlgebra
internal import Platform
internal import Settings
internal import Telemetry

/// Runs one predictor.
struct PredictorProcess {
    private enum Event: Sendable {
        case loaded
        case failed(PredictorError)
        case signal(CInt)
    }

    private let settings: PredictorSettings
    private let environment: Environment
    private let log: Log
    private let manager: StartingService
    private let events = Mailbox<Event>()
    /// Closed when the process is to end.
    private let ending = Mailbox<Bool>()

    init(_ settings: PredictorSettings, _ environment: Environment) {
        self.settings = settings
        self.environment = environment
        log = Log(minimum: settings.isVerbose ? .debug : .info)
        manager = StartingService(environment)
    }

    private func service(_ log: Log) throws(CommandFailure) -> PredictorService {
        setProductThreads(settings.threadCount)
        let ending = ending
        let metrics = PredictorMetrics()
        let loader = RevisionLoader(
            task: settings.task, kinds: ModelRecognition.kinds,
            proofSeconds: settings.proofSeconds, log: log, isOver: { ending.isClosed })
        let holder = ModelHolder(path: settings.path, loader: loader, metrics: metrics, log: log)
        do throws(Errno) {
            return PredictorService(
                settings: settings, holder: holder,
                pool: try PredictionPool(threadCount: settings.threadCount), metrics: metrics,
                log: log)
        } catch {
            throw CommandFailure(
                .failure, "no threads to predict with: \(error)", advice: "Is there memory?")
        }
    }

    /// Predicts once, without a server.
    func predictOnce(_ input: String) throws(CommandFailure) -> ExitCode {
        let service = try service(Log(minimum: .warning))
        defer { service.pool.stop() }
        do throws(PredictorError) {
            try service.holder.begin()
        } catch {
            throw error.failure
        }
        let parsed = try? JSONValue.parse(Array(input.utf8))
        let inputs: JSONValue =
            switch parsed {
            case .object?, .array?: parsed?["inputs"] ?? parsed ?? .null
            default: .string(input)
            }
        do throws(RequestProblem) {
            writeText(try service.predict(.members(["inputs": inputs])).written + "\n")
            return .success
        } catch {
            throw CommandFailure(
                .failure, error.sentence,
                advice: "--once takes a text, or JSON as POST /predict does.")
        }
    }

    /// Serves until a signal, or until the model cannot be loaded.
    func serve() throws(CommandFailure) -> ExitCode {
        Signals.blockTermination()
        ProcessLimits.raiseDescriptorCount()
        let service = try service(log)
        let server = try listen(service)
        writeText("listening on \(server.url)\n")
        let holder = service.holder
        start("signals") { [events] in
            // OpenBLAS has threads before the program begins, which block nothing.
            Signals.forwardTermination()
            events.send(.signal(Signals.waitForTermination()))
        }
        start("load") { [events] in
            do throws(PredictorError) {
                try holder.begin()
                events.send(.loaded)
            } catch {
                events.send(.failed(error))
            }
        }
        defer { end(service, server) }
        while let event = events.receive() {
            switch event {
            case .signal(let number):
                log.info("signal received", ["signal": Signals.name(of: number)])
                return .success
            case .failed(let error): throw error.failure
            case .loaded:
                if settings.isFollowing && holder.current?.folder.identity.commit == nil {
                    throw CommandFailure(
                        .usage, "\(settings.path) is in no mount, so nothing can be followed",
                        advice: "--follow takes a path such as /models/ORG/NAME@main.")
                }
                manager.tell("READY=1\nSTATUS=serving \(holder.current?.key ?? settings.path)")
                begin(service, port: server.address.port)
            }
        }
        return .success
    }

    private func listen(_ service: PredictorService) throws(CommandFailure) -> HTTPServer {
        do throws(HTTPServiceError) {
            if let socket = manager.socket() {
                return try HTTPServer(
                    listening: socket, host: settings.listen.host, limits: settings.limits,
                    onRecord: { service.finish($0) }, intake: { service.intake($0) },
                    handler: { service.respond($0) })
            }
            return try HTTPServer(
                listening: try settings.listen.listen(), host: settings.listen.host,
                limits: settings.limits, onRecord: { service.finish($0) },
                intake: { service.intake($0) }, handler: { service.respond($0) })
        } catch {
            throw CommandFailure(error)
        }
    }

    /// What is done once a model serves, behind the first answers.
    private func begin(_ service: PredictorService, port: UInt16) {
        let settings = settings
        let log = log
        let path = settings.history.path(environment, port: port)
        let ending = ending
        start("history") {
            guard let path else { return }
            do throws(DatabaseError) {
                PredictorProcess.makeFolders(above: path)
                service.keep(
                    try History(path: path, rowCountMax: settings.historyRowCountMax, log: log))
            } catch {
                log.warning("there is no history", ["path": path, "reason": "\(error)"])
            }
        }
        if settings.isFollowing {
            start("follow") {
                while !ending.isClosed {
                    _ = ending.receive(until: .now + settings.followSeconds)
                    if !ending.isClosed { service.holder.follow() }
                }
            }
        }
    }

    private static func makeFolders(above path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        for count in 1...max(1, parts.count) {
            let folder = parts.prefix(count).joined(separator: "/")
            if !folder.isEmpty { _ = unsafe mkdir(folder, 0o700) }
        }
    }

    private func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        do throws(Errno) {
            let thread = try Thread(named: name, .system, body)
            thread.detach()
        } catch {
            log.error("a thread does not start", ["name": name, "reason": "\(error)"])
        }
    }

    /// Lets requests under way finish, then closes everything.
    private func end(_ service: PredictorService, _ server: HTTPServer) {
        ending.close()
        service.holder.drain()
        manager.tell("STOPPING=1")
        server.stop()
        service.pool.stop()
        service.history?.close()
    }
}

extension PredictorSettings.HistoryPlace {
    /// Where the history is; nil for nowhere.
    func path(_ environment: Environment, port: UInt16) -> String? {
        switch self {
        case .off: return nil
        case .file(let path): return path
        case .standard:
            let stated = environment["XDG_STATE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
            let home = StandardFolders(environment).home
            let state = stated ?? (home == "/" ? "" : home) + "/.local/state"
            return "\(state)/modelfs/predictor-\(port).db"
        }
    }
}
