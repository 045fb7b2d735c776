// The transfer thread: takes commands, starts what may start, lets libcurl work, ends what ended.
//
// Owns the running transfers and calls every sink. Nothing else in the process touches libcurl's
// multi handle, except to ring it. The thread waits in one place, `MultiHandle.wait`, for sockets,
// for a command or for the next instant at which some transfer may have run out of time.

internal import CCurl
internal import Platform
internal import Telemetry

/// Commands on their way to the transfer thread.
struct TransferInbox {
    var commands: [TransferCommand] = []
    var isClosed = false
}

/// The state of the transfer thread; made and used on it alone.
@safe
final class TransferLoop {
    private struct Waiting {
        let request: TransferRequest
        let sink: any TransferSink
    }

    /// All transfers are looked at so often, whatever libcurl waits for.
    ///
    /// What it forgets to ask for, such as bytes that it has read already, is late and not lost.
    private static let sweepSeconds = 0.25

    private let multi: MultiHandle
    private let configuration: TransportConfiguration
    private let counters: TransportCounters
    private var queue: TransferQueue
    private var waiting: [TransferID: Waiting] = [:]
    private var running: [TransferID: Transfer] = [:]
    /// No transfer can run out of time before this.
    private var nextCheck = MonotonicInstant.distantFuture
    private var nextSweep = MonotonicInstant.distantFuture

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
            multi.runTimer()
            sweepIfDue(.now)
            let ended = finishWhatEnded()
            endWhatTimedOut(.now)
            // A slot that became free is filled before waiting.
            if ended && queue.waitingCount > 0 { continue }
            multi.wait(until: min(nextCheck, nextSweep))
        }
        shutDown()
    }

    private func sweepIfDue(_ now: MonotonicInstant) {
        if running.isEmpty {
            nextSweep = .distantFuture
        } else if nextSweep == .distantFuture {
            nextSweep = now + TransferLoop.sweepSeconds
        } else if now >= nextSweep {
            multi.runAll()
            nextSweep = now + TransferLoop.sweepSeconds
        }
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
