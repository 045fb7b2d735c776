// HTTP for the whole process: many transfers on one thread of their own, over libcurl.
//
// Owns the transfer thread and the way to it. Callers hand over a request and a sink and go on; the
// sink is called on the transfer thread. Assumes that `shutdown` is called before the process ends.
// Never follows a redirect, keeps no cookies, reads no `.netrc`, speaks nothing but HTTP and HTTPS
// with verified certificates and TLS 1.2 or later.

internal import Glibc
package import Platform
internal import Synchronization

/// The process's one HTTP client.
package final class Transport: Sendable {
    /// What has been done so far.
    package let counters: TransportCounters
    /// Whose threads and clocks the transfers go by, and whoever waits for them.
    package let scheduling: Scheduling
    private let engine: any TransferEngine
    private let lastNumber = Atomic<UInt64>(0)

    /// Starts the transfer thread.
    ///
    /// - Throws: `EAGAIN` when the system has no room for a thread, `ENOMEM` when libcurl cannot
    ///   be set up.
    package init(_ configuration: TransportConfiguration) throws(Errno) {
        counters = TransportCounters()
        scheduling = .system
        engine = try CurlEngine(configuration, counters)
    }

    /// A transport over another network, such as a simulated one.
    package init(engine: any TransferEngine, scheduling: Scheduling) {
        counters = TransportCounters()
        self.scheduling = scheduling
        self.engine = engine
    }

    /// Puts a request in line.
    ///
    /// The sink is told how it goes, on the transfer thread; only after `shutdown` its end comes at
    /// once, on this thread.
    @discardableResult
    package func start(_ request: TransferRequest, _ sink: any TransferSink) -> TransferID {
        precondition(request.range.map { $0.lowerBound >= 0 && !$0.isEmpty } ?? true)
        let number = lastNumber.add(1, ordering: .relaxed).newValue
        let id = TransferID(number: number)
        guard request.headers.allSatisfy(isValidHeader) else {
            // A header with a line end would be another header.
            run { sink.transferDidFinish(.failure(.protocolError(curlCode: 43))) }
            return id
        }
        if !engine.send(.start(id, request, sink)) {
            sink.transferDidFinish(.failure(.shutDown))
        }
        return id
    }

    /// Ends a transfer with `.cancelled`, unless it has ended already.
    package func cancel(_ id: TransferID) {
        engine.send(.cancel(id))
    }

    /// Changes how urgent a transfer is; of no effect once it is under way, except on the slots
    /// that are left for others.
    package func promote(_ id: TransferID, to priority: TransferPriority) {
        engine.send(.promote(id, priority))
    }

    /// Lets a transfer go on whose sink answered `.pause`.
    package func resume(_ id: TransferID) {
        engine.send(.resume(id))
    }

    /// Runs something short on the transfer thread, after what was handed over before it; false
    /// after `shutdown`, and it is not run.
    @discardableResult
    package func run(_ body: @escaping @Sendable () -> Void) -> Bool {
        engine.send(.run(body))
    }

    /// Ends every transfer with `.shutDown` and the thread.
    ///
    /// Not to be called on that thread.
    package func shutdown() {
        engine.shutdown()
    }
}

/// libcurl, on the transfer thread.
private final class CurlEngine: TransferEngine {
    private let mailroom: Mailroom
    private let thread: Lock<Thread?>

    init(
        _ configuration: TransportConfiguration, _ counters: TransportCounters
    ) throws(Errno) {
        let multi = try MultiHandle(configuration)
        let mailroom = Mailroom(multi: multi)
        self.mailroom = mailroom
        thread = Lock(
            try Thread(named: "transfers") {
                blockPipeSignal()
                let loop = TransferLoop(
                    multi: multi, configuration: configuration, counters: counters)
                loop.run { mailroom.take() }
            })
    }

    func send(_ command: TransferCommand) -> Bool { mailroom.send(command) }

    func shutdown() {
        mailroom.close()
        if let thread = thread.withLock({ $0.take() }) { thread.join() }
    }
}

/// The commands under their lock, and the bell.
private final class Mailroom: Sendable {
    private let inbox = Lock(TransferInbox())
    private let multi: MultiHandle

    init(multi: MultiHandle) {
        self.multi = multi
    }

    /// False after `close`.
    func send(_ command: TransferCommand) -> Bool {
        let (isTaken, isFirst) = inbox.withLock { inbox in
            if inbox.isClosed { return (false, false) }
            inbox.commands.append(command)
            return (true, inbox.commands.count == 1)
        }
        // Commands after the first find the thread awake, or about to look.
        if isFirst { multi.ring() }
        return isTaken
    }

    func close() {
        inbox.withLock { $0.isClosed = true }
        multi.ring()
    }

    func take() -> TransferInbox {
        inbox.withLock { inbox in
            let taken = inbox
            inbox.commands = []
            return taken
        }
    }
}

/// Keeps a write to a closed connection from ending the process: with `CURLOPT_NOSIGNAL` that is
/// left to us where a library under libcurl writes by itself.
private func blockPipeSignal() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
}

private func isValidHeader(_ header: (name: String, value: String)) -> Bool {
    let isToken = header.name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a }
    return !header.name.isEmpty && isToken
        && header.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
}
