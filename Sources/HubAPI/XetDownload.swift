// One attempt to fetch the bytes of a place: the request, and what has come of it.
//
// The transfer thread puts bytes in, the fetch's thread takes them out; when too many wait, the
// transfer pauses. The request carries no token: the URL is signed for exactly its bytes. An
// answer with the whole of what lies behind the URL is cut to them.

internal import Hashing
internal import Platform
internal import Telemetry
internal import Transport
internal import Xet

/// A data request under way.
final class XetDownload: TransferSink, Sendable {
    /// How it ended.
    enum End: Sendable {
        /// Every byte of the place came.
        case complete
        case refused(status: Int, pauseSeconds: Double?)
        case invalid(XetError)
        case failed(TransportError)
    }

    private enum Purpose {
        case unknown
        case content(skipCount: Int64, missingCount: Int64, isCut: Bool)
        case end(End)
    }

    private struct State {
        var purpose = Purpose.unknown
        var pieces: [ReceivedPiece] = []
        var waitingByteCount = 0
        var drainedByteCount = 0
        var isPaused = false
        /// Whether it is to go on as soon as it has a name.
        var needsResume = false
        /// Whether the fetch knows that there is something to take.
        var isTold = false
        var end: End?
        var transfer: TransferID?
    }

    /// Bytes that have come and are not yet taken, in bytes: a few reads of a socket.
    static let waitingByteCountMax = 1 << 20
    /// How much of an answer that is no content is read, rather than closing its connection.
    private static let drainByteCountMax = 64 << 10
    /// How much is thrown away before the range where a server ignores ranges: a xorb of
    /// incompressible chunks has 64 MiB and its headers, 67,111,989 bytes were seen.
    private static let skipByteCountMax: Int64 = 72 << 20

    private let bytes: Range<Int64>
    private let client: HubClient
    /// Called when there is something to take, on the transfer thread.
    private let notify: @Sendable (XetDownload) -> Void
    private let state = Lock(State())

    init(
        _ bytes: Range<Int64>, _ client: HubClient,
        notify: @escaping @Sendable (XetDownload) -> Void
    ) {
        self.bytes = bytes
        self.client = client
        self.notify = notify
    }

    func start(
        _ url: HTTPURL, priority: TransferPriority, slowSeconds: Double, deadline: MonotonicInstant
    ) {
        client.counters.countRequest(.data)
        let id = client.transport.start(
            TransferRequest(
                url: url, headers: [("User-Agent", client.configuration.userAgent)],
                range: bytes, priority: priority,
                stallTimeoutSeconds: client.configuration.downloadTimeoutSeconds,
                slowTimeoutSeconds: slowSeconds, deadline: deadline),
            self)
        // Its first bytes may have come, and been taken, before it had a name.
        let isLate = state.withLock { state in
            state.transfer = state.end == nil ? id : nil
            defer { state.needsResume = false }
            return state.needsResume
        }
        if isLate { client.transport.resume(id) }
    }

    func cancel() {
        if let transfer = state.withLock({ $0.transfer }) { client.transport.cancel(transfer) }
    }

    func promote(to priority: TransferPriority) {
        if let transfer = state.withLock({ $0.transfer }) {
            client.transport.promote(transfer, to: priority)
        }
    }

    /// Takes what has come; the end comes with the last of it.
    func take() -> (pieces: [ReceivedPiece], end: End?) {
        let taken = state.withLock { state -> ([ReceivedPiece], End?, TransferID?) in
            state.isTold = false
            state.waitingByteCount = 0
            let paused = state.isPaused ? state.transfer : nil
            if state.isPaused && paused == nil { state.needsResume = true }
            state.isPaused = false
            let pieces = state.pieces
            state.pieces = []
            return (pieces, state.end, paused)
        }
        if let paused = taken.2 { client.transport.resume(paused) }
        return (taken.0, taken.1)
    }
}

// What the transport tells.
extension XetDownload {
    func transferDidRespond(_ head: HTTPHead) -> TransferDirective {
        let purpose = judge(head)
        state.withLock { $0.purpose = purpose }
        return .proceed
    }

    func transferDidReceive(_ received: UnsafeRawBufferPointer) -> TransferDirective {
        let (directive, isNews) = state.withLock { state -> (TransferDirective, Bool) in
            guard case .content(let skipCount, let missingCount, let isCut) = state.purpose else {
                state.drainedByteCount += received.count
                return (
                    state.drainedByteCount > Self.drainByteCountMax ? .cancel : .proceed, false
                )
            }
            if state.waitingByteCount >= Self.waitingByteCountMax {
                state.isPaused = true
                return (.pause, false)
            }
            let skipped = min(skipCount, Int64(received.count))
            let passed = min(missingCount, Int64(received.count) - skipped)
            if skipped + passed < Int64(received.count) && !isCut {
                state.purpose = .end(.invalid(.trailingBytes))
                return (.cancel, false)
            }
            state.purpose = .content(
                skipCount: skipCount - skipped, missingCount: missingCount - passed, isCut: isCut)
            if passed > 0 {
                unsafe append(
                    UnsafeRawBufferPointer(
                        rebasing: received[Int(skipped)..<Int(skipped + passed)]), to: &state)
                state.waitingByteCount += Int(passed)
                client.counters.contentBytes.add(passed)
            }
            let isNews = passed > 0 && !state.isTold
            if isNews { state.isTold = true }
            // The rest of a whole answer is of no use to anyone.
            return (isCut && missingCount == passed ? .cancel : .proceed, isNews)
        }
        if isNews { notify(self) }
        return directive
    }

    private func append(_ bytes: UnsafeRawBufferPointer, to state: inout State) {
        var rest = unsafe bytes
        while rest.count > 0 {
            let added = unsafe state.pieces.last?.add(rest) ?? 0
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[added...])
            if rest.count > 0 { state.pieces.append(client.xet.pieces.take()) }
        }
    }

    func transferDidFinish(_ result: Result<TransferSummary, TransportError>) {
        state.withLock { state in
            state.transfer = nil
            state.isTold = true
            switch (state.purpose, result) {
            case (.content(_, missingCount: 0, _), _): state.end = .complete
            case (.end(let end), _): state.end = end
            case (_, .failure(let error)): state.end = .failed(error)
            case (.content, .success): state.end = .invalid(.truncated)
            case (.unknown, .success): state.end = .failed(.closedEarly)
            }
            client.counters.count(state.end.flatMap { HubFault($0) })
        }
        notify(self)
    }

    private func judge(_ head: HTTPHead) -> Purpose {
        let length = head.headers["Content-Length"].flatMap { Int64($0) }
        let encoding = head.headers["Content-Encoding"]?.lowercased() ?? "identity"
        guard head.status == 200 || head.status == 206 else {
            let pause = requestedPause(head.headers, status: head.status)
            return .end(.refused(status: head.status, pauseSeconds: pause))
        }
        if encoding != "identity" { return .end(.invalid(.malformedAnswer("encoding of data"))) }
        let count = Int64(bytes.count)
        if head.status == 206 {
            let wanted = "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/"
            guard let field = head.headers["Content-Range"], field.hasPrefix(wanted),
                length == nil || length == count
            else { return .end(.invalid(.malformedAnswer("range of data"))) }
            return .content(skipCount: 0, missingCount: count, isCut: false)
        }
        // What begins before the range and ends with it is longer than it: an answer of its very
        // length is the range itself.
        if length == count {
            return .content(skipCount: 0, missingCount: count, isCut: false)
        }
        if let length, length < bytes.upperBound { return .end(.invalid(.truncated)) }
        if bytes.lowerBound > Self.skipByteCountMax {
            return .end(.invalid(.malformedAnswer("the whole where a part was asked")))
        }
        return .content(skipCount: bytes.lowerBound, missingCount: count, isCut: true)
    }
}
