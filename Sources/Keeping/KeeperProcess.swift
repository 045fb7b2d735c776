// The keeper: holds what a worker leaves for the next, and starts the next.
//
// One thread, which waits for the worker's messages, for signals and for the time, and carries out
// what `Succession` decides. It opens no file of the cache, answers no request, and knows nothing
// of what it keeps, so that there is nothing in it that could fail.

internal import CShims
internal import Glibc
package import Platform
internal import Settings
internal import Telemetry

/// A keeper with its worker.
package struct KeeperProcess: ~Copyable {
    /// A worker that gives no sign of life for so long is killed; the variable changes it.
    private static let silenceSecondsDefault = 30.0
    private static let silenceVariable = "MODELFS_SILENCE_SECONDS"
    /// Readers wait meanwhile.
    private static let reapSecondsMax = 0.01

    private let log = Log()
    private let signals: SignalDescriptor
    private var program: WorkerProgram
    private var succession: Succession
    private var keepsakes = Keepsakes()
    /// Nil where none is to be told.
    private var service: ServiceStore?
    /// Whether it stores what is kept: since requests were answered for the first time.
    private var isStoring = false
    private var worker: pid_t?
    private var socket: MessageSocket?
    /// What the worker has not been told yet.
    private var unsent: [(message: KeepingMessage, descriptor: CInt?)] = []
    private var workerCount: UInt32 = 0
    /// Workers that have hung up and could not be waited for yet.
    private var dying: Set<pid_t> = []
    private var ending: ChildProcess.Ending?

    /// - Parameters:
    ///   - path: of the worker's program.
    ///   - arguments: the words after the program's name.
    ///   - order: what the first worker has as descriptor 3; nil for none.
    package init(path: String, arguments: [String], order: CInt?) throws(Errno) {
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP, SIGCHLD])
        let program = try WorkerProgram(
            path: path, arguments: arguments, order: order.map { FileDescriptor(owning: $0) })
        let silence =
            Environment.process[KeeperProcess.silenceVariable].flatMap(Double.init)
            ?? KeeperProcess.silenceSecondsDefault
        self.signals = signals
        self.program = program
        service = ServiceStore(.process)
        for item in service?.takeBack(.process) ?? [] where keepsakes.keep(item) {
            isStoring = true
            // Of the worker of the keeper before.
            workerCount = 1
        }
        succession = Succession(
            silenceSecondsMax: silence, isEstablished: isStoring, now: .now)
    }

    /// Keeps until the end.
    ///
    /// - Returns: how the last worker ended.
    package consuming func run() -> ChildProcess.Ending {
        start(.proven)
        while ending == nil { step() }
        return ending ?? .exited(1)
    }

    private mutating func step() {
        let awaited = [
            AwaitedEvents(signals.rawValue, POLLIN),
            AwaitedEvents(socket?.rawValue ?? -1, unsent.isEmpty ? POLLIN : POLLIN | POLLOUT),
        ]
        let deadline = succession.nextTick(after: .now)
        guard let events = try? waitForEvents(awaited, until: deadline) else { return }
        if events[1] & CShort(POLLOUT) != 0 { sendKept() }
        if events[1] & ~CShort(POLLOUT) != 0 { receive() }
        if events[0] != 0 {
            while let number = signals.next() {
                if number == SIGCHLD { reap() } else { tell(.terminate(number)) }
            }
        }
        tell(.tick)
        if let service, service.isWatching, succession.isSound(at: .now) {
            service.tell("WATCHDOG=1")
        }
    }

    private mutating func tell(_ event: Succession.Event) {
        if ending != nil { return }
        for action in succession.handle(event, at: .now) { carryOut(action) }
    }

    private mutating func carryOut(_ action: Succession.Action) {
        switch action {
        case .start(let program): start(program)
        case .settle:
            program.settle()
            store()
        case .signal(let number):
            if let worker { _ = kill(worker, number) }
        case .tellStacks:
            log.error("the worker gives no sign of life and is ended")
            if let worker { WorkerStacks.tell(of: worker, log) }
        case .dropAll:
            service?.removeAll()
            service?.tell("STOPPING=1")
            keepsakes.dropAll()
        case .pausing(let seconds):
            letGo()
            log.error("workers end again and again; waiting", ["seconds": "\(seconds)"])
        case .end(let how):
            ending = how
            if isStoring && !keepsakes.all.isEmpty {
                log.error("ending with mounts that nobody serves; the next mount cleans them up")
            }
        }
    }

    // MARK: Workers

    private mutating func start(_ which: Succession.Program) {
        let begin = MonotonicInstant.now
        letGo()
        do throws(Errno) {
            let pair = try MessageSocketPair()
            let child = try program.start(which, socket: pair.second.rawValue)
            worker = child.processID
            socket = MessageSocket(owning: try pair.first.duplicate())
        } catch {
            log.error("no worker can be started", ["reason": "\(error)"])
            tell(.notStarted)
            return
        }
        unsent = keepsakes.all.map {
            (.kept(name: $0.name, bytes: $0.bytes), $0.descriptorNumber)
        }
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: begin.nanoseconds >> ($0 * 8)) }
        unsent.append((.kept(name: KeeperLink.beginName, bytes: bytes), nil))
        unsent.append((.begin(workerCount: workerCount), nil))
        workerCount += 1
        sendKept()
        // What starting a worker took is not needed again for long.
        modelfs_release_program_pages()
    }

    /// The worker is no longer spoken to; it is waited for whenever it ends.
    private mutating func letGo() {
        socket = nil
        unsent = []
        guard let worker = worker.take() else { return }
        // It may have closed its end by mistake, and two must not serve.
        _ = kill(worker, SIGKILL)
        dying.insert(worker)
        reap()
    }

    private mutating func reap() {
        for process in dying {
            guard let how = KeeperProcess.ending(of: process) else { continue }
            dying.remove(process)
            tellEnd(of: process, how)
        }
        guard let process = worker, let how = KeeperProcess.ending(of: process) else { return }
        // What it said last is heard before its end is.
        receiveAll()
        worker = nil
        tell(.ended(how))
        if ending == nil { tellEnd(of: process, how) }
    }

    private func tellEnd(of process: pid_t, _ how: ChildProcess.Ending) {
        log.warning(
            "a worker has ended, and another one follows",
            ["process": "\(process)", "how": KeeperProcess.words(how)])
    }

    /// Nil while it runs, or cannot end.
    private static func ending(of process: pid_t) -> ChildProcess.Ending? {
        (try? ChildProcess.poll(process)) ?? nil
    }

    private static func words(_ ending: ChildProcess.Ending) -> String {
        switch ending {
        case .exited(let code): "code \(code)"
        case .killed(let signal): Signals.name(of: signal)
        }
    }

    /// Requests are answered for the first time: from here on a service manager stores what is
    /// kept, so that this process may die too.
    private mutating func store() {
        service?.tell("READY=1\nSTATUS=Worker \(worker ?? 0) answers")
        if isStoring { return }
        isStoring = true
        for item in keepsakes.all { service?.store(item) }
    }

    // MARK: Messages

    private mutating func sendKept() {
        while let next = unsent.first {
            do throws(Errno) {
                try socket?.send(next.message.encoded, descriptor: next.descriptor)
            } catch {
                // When it has gone, its end of the conversation says so.
                if error != .wouldBlock { unsent = [] }
                return
            }
            unsent.removeFirst()
        }
    }

    private mutating func receive() {
        receiveAll()
        if socket == nil && worker != nil { hungUp() }
    }

    /// Takes every message that has come; with the last of them the socket goes.
    private mutating func receiveAll() {
        while socket != nil {
            do throws(Errno) {
                guard var received = try socket?.receive() else {
                    socket = nil
                    return
                }
                take(KeepingMessage(received.bytes), received.descriptor.take())
            } catch {
                if error == .wouldBlock { return }
                log.warning("a worker's message was not received", ["reason": "\(error)"])
            }
        }
    }

    /// No thread of the worker runs any more.
    private mutating func hungUp() {
        // Mostly it can be waited for in the next moment, and then how it ended is known; not if a
        // thread of it hangs in the kernel until the next worker answers.
        let process = worker
        let awaited = [AwaitedEvents(signals.rawValue, POLLIN)]
        _ = try? waitForEvents(awaited, until: .now + KeeperProcess.reapSecondsMax)
        reap()
        if worker == process { tell(.hungUp) }
    }

    private mutating func take(
        _ message: KeepingMessage?, _ descriptor: consuming FileDescriptor?
    ) {
        switch message {
        case .keep(let name, let bytes)?:
            let item = Keepsake(name: name, bytes: bytes, descriptor: descriptor)
            if !keepsakes.keep(item) {
                log.error("there is no room for more to keep", ["name": name])
            }
            if isStoring { service?.store(item) }
        case .drop(let name)?:
            service?.remove(name)
            keepsakes.drop(name)
        case .ready?: tell(.ready)
        case .alive?: tell(.alive)
        case .finishing?: tell(.finishing)
        case .replace?: tell(.replace)
        case .output?:
            guard let number = descriptor?.rawValue else { return }
            for standard in [STDOUT_FILENO, STDERR_FILENO] { _ = dup2(number, standard) }
        case .kept?, .begin?, nil: log.warning("a worker's message was not understood")
        }
    }
}
