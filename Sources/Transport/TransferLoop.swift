// The transfer thread: takes commands, starts what may start, lets libcurl work, ends what ended.
//
// Owns the running transfers and calls every sink. Nothing else in the process touches libcurl's
// multi handle, except to wake it. The thread waits in one place, `curl_multi_poll`, for sockets,
// for a command or for the next instant at which some transfer may have run out of time.

internal import CCurl
internal import Platform
internal import Telemetry

/// Commands on their way to the transfer thread.
struct TransferInbox {
    var commands: [TransferCommand] = []
    var isClosed = false
}

/// libcurl's multi handle.
///
/// Sendable because libcurl allows `curl_multi_wakeup` from any thread, and everything else is
/// done by the transfer thread alone. It lives as long as anyone can wake it.
@safe
final class MultiHandle: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer

    init?(_ configuration: TransportConfiguration) {
        guard curlIsReady, let pointer = unsafe curl_multi_init() else { return nil }
        unsafe self.pointer = pointer
        set(CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        set(CURLMOPT_MAX_HOST_CONNECTIONS, configuration.transfersPerHostMax)
        set(CURLMOPT_MAX_TOTAL_CONNECTIONS, configuration.transfersMax)
        set(CURLMOPT_MAXCONNECTS, configuration.transfersMax)
        set(CURLMOPT_MAX_CONCURRENT_STREAMS, configuration.streamsPerConnectionMax)
    }

    deinit {
        unsafe curl_multi_cleanup(pointer)
    }

    /// Makes `curl_multi_poll` return.
    ///
    /// Any thread.
    func wake() {
        unsafe curl_multi_wakeup(pointer)
    }

    private func set(_ option: CURLMoption, _ value: Int) {
        let status = unsafe modelfs_curl_multi_set_long(pointer, option, value)
        precondition(status == CURLM_OK)
    }
}

/// libcurl's global state, set up once a process, on first use.
private let curlIsReady = curl_global_init(modelfs_curl_global_all()) == CURLE_OK

/// The state of the transfer thread; made and used on it alone.
@safe
final class TransferLoop {
    private struct Waiting {
        let request: TransferRequest
        let sink: any TransferSink
    }

    /// The longest wait; deadlines and commands end it earlier.
    private static let pollSecondsMax = 60.0

    private let multi: MultiHandle
    private let configuration: TransportConfiguration
    private let counters: TransportCounters
    private var queue: TransferQueue
    private var waiting: [TransferID: Waiting] = [:]
    private var running: [TransferID: Transfer] = [:]
    /// No transfer can run out of time before this.
    private var nextCheck = MonotonicInstant.distantFuture

    init(
        multi: MultiHandle, configuration: TransportConfiguration, counters: TransportCounters
    ) {
        self.multi = multi
        self.configuration = configuration
        self.counters = counters
        queue = TransferQueue(
            transfersMax: configuration.transfersMax,
            transfersPerHostMax: configuration.transfersPerHostMax,
            waitingMax: configuration.waitingMax)
    }

    /// Works until `takeCommands` says that the transport is closed.
    ///
    /// - Parameter takeCommands: what came since it was last called, and whether more can come.
    func run(_ takeCommands: () -> TransferInbox) {
        while true {
            let inbox = takeCommands()
            for command in inbox.commands { apply(command) }
            if inbox.isClosed { break }
            startWhatMay()
            var runningCount: CInt = 0
            unsafe curl_multi_perform(multi.pointer, &runningCount)
            let ended = finishWhatEnded()
            endWhatTimedOut(.now)
            // A slot that became free is filled before waiting.
            if ended && queue.waitingCount > 0 { continue }
            poll()
        }
        shutDown()
    }

    private func poll() {
        let seconds = min(TransferLoop.pollSecondsMax, nextCheck.seconds(since: .now))
        // Rounded up, so that the instant has come when the wait ends.
        let milliseconds = CInt(max(0, (seconds * 1000).rounded(.up)))
        unsafe curl_multi_poll(multi.pointer, nil, 0, milliseconds, nil)
    }

    private func apply(_ command: TransferCommand) {
        switch command {
        case .start(let id, let request, let sink):
            guard queue.add(id, priority: request.priority, origin: request.url.origin) else {
                sink.transferDidFinish(.failure(.queueFull))
                return
            }
            waiting[id] = Waiting(request: request, sink: sink)
            nextCheck = min(nextCheck, request.deadline)
        case .cancel(let id):
            end(id, .cancelled)
        case .promote(let id, let priority):
            queue.promote(id, to: priority)
        case .resume(let id):
            guard let transfer = running[id] else { return }
            transfer.resume()
            nextCheck = .now
            // The sink may have had enough of it in the middle of the call above.
            if let failure = transfer.ownFailure { end(id, failure) }
        case .run(let body):
            body()
        }
    }

    private func startWhatMay() {
        while let id = queue.startNext() {
            guard let entry = waiting.removeValue(forKey: id) else { continue }
            counters.requests.add()
            guard
                let transfer = Transfer(
                    id: id, request: entry.request, sink: entry.sink, now: .now)
            else {
                queue.remove(id)
                counters.failures.add()
                entry.sink.transferDidFinish(
                    .failure(.protocolError(curlCode: Int(CURLE_OUT_OF_MEMORY.rawValue))))
                continue
            }
            transfer.prepare(configuration)
            running[id] = transfer
            let status = unsafe curl_multi_add_handle(multi.pointer, transfer.easy)
            precondition(status == CURLM_OK)
            nextCheck = min(nextCheck, transfer.check(at: transfer.startedAt).next)
        }
    }

    /// Takes libcurl's messages; true when there was one.
    private func finishWhatEnded() -> Bool {
        var any = false
        var left: CInt = 0
        while let message = unsafe curl_multi_info_read(multi.pointer, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE,
                let transfer = unsafe transfer(of: message.pointee.easy_handle)
            else { continue }
            any = true
            let code = unsafe modelfs_curl_message_result(message)
            finish(transfer, transfer.result(code, now: .now))
        }
        return any
    }

    private func transfer(of easy: UnsafeMutableRawPointer?) -> Transfer? {
        var context: UnsafeMutableRawPointer?
        unsafe modelfs_curl_info_pointer(easy, CURLINFO_PRIVATE, &context)
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }

    private func endWhatTimedOut(_ now: MonotonicInstant) {
        if now < nextCheck { return }
        var next = MonotonicInstant.distantFuture
        var failed: [(TransferID, TransportError)] = []
        for (id, entry) in waiting {
            if now >= entry.request.deadline {
                failed.append((id, .deadline))
            } else {
                next = min(next, entry.request.deadline)
            }
        }
        for (id, transfer) in running {
            let state = transfer.check(at: now)
            if let failure = state.failure {
                failed.append((id, failure))
            } else {
                next = min(next, state.next)
            }
        }
        nextCheck = next
        for (id, error) in failed { end(id, error) }
    }

    /// Ends a transfer from our side, waiting or running.
    private func end(_ id: TransferID, _ error: TransportError) {
        if let entry = waiting.removeValue(forKey: id) {
            queue.remove(id)
            entry.sink.transferDidFinish(.failure(error))
        } else if let transfer = running[id] {
            finish(transfer, .failure(error))
        }
    }

    private func finish(_ transfer: Transfer, _ result: Result<TransferSummary, TransportError>) {
        let facts = transfer.connectionFacts()
        counters.connectionsOpened.add(Int64(facts.opened))
        counters.bytesReceived.add(transfer.bodyByteCount)
        switch result {
        case .failure: counters.failures.add()
        case .success where facts.httpVersion >= Int(CURL_HTTP_VERSION_2_0):
            counters.answersHTTP2.add()
        case .success: counters.answersHTTP1.add()
        }
        unsafe curl_multi_remove_handle(multi.pointer, transfer.easy)
        running[transfer.id] = nil
        queue.remove(transfer.id)
        transfer.sink.transferDidFinish(result)
    }

    private func shutDown() {
        for id in Array(waiting.keys) { end(id, .shutDown) }
        for id in Array(running.keys) { end(id, .shutDown) }
    }
}
